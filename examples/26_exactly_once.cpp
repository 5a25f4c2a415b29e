// Two purses and a transfer: the debit and the message that credits the other are one commit, and
// the credit happens once, however often the program is killed in between. Give it a file name,
// kill it anywhere, run it again: the balances go on, and their sum is 0.

#include <odeon/odeon.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <cstdio>
#include <string>

struct credit {
  static constexpr auto manifest = "example.credit";
  long amount = 0;
};
struct transfer {
  using reply = long;
  std::string to;
  long amount = 0;
};
struct arrived {
  static constexpr auto manifest = "example.arrived";
  long balance = 0;
};
struct changed {
  static constexpr auto manifest = "example.changed";
  long by = 0;
};
struct purse_state {
  long balance = 0;
};

/// Keeps nothing: a durable receiver all the same, by its name.
class clerk : public odeon::actor<arrived> {
 public:
  clerk(std::shared_ptr<odeon::promise<long>> told, long awaited)
      : told_(std::move(told)),
        awaited_(awaited) {}
  void on(arrived m) {
    if (m.balance == awaited_) told_->set(m.balance);  // else: of a run that was killed
  }

 private:
  std::shared_ptr<odeon::promise<long>> told_;
  long awaited_;
};

class purse : public odeon::event_sourced<purse_state, odeon::events<changed>, credit, transfer> {
 public:
  explicit purse(std::string id) : event_sourced(std::move(id)) {}

  effect on(const transfer& m) {
    return persist(changed{-m.amount})
        .then_send(odeon::durable_ref<purse>{m.to}, credit{m.amount})
        .then_reply([](const purse_state& s) { return s.balance; });
  }
  effect on(credit m) {
    return persist(changed{m.amount})
        .then_send(odeon::durable_ref<clerk>{"clerk"}, arrived{state().balance + m.amount});
  }

  static void apply(purse_state& s, const changed& e) { s.balance += e.by; }
};

int main(int argc, char** argv) {
  odeon::actor_system system{"exactly-once"};
  auto& rt = system.get_runtime();
  odeon::result<std::unique_ptr<odeon::journal>> journal = odeon::make_memory_journal(rt);
  if (argc > 1) journal = odeon::open_sqlite_journal(rt, {.path = argv[1]});
  if (!journal) {
    std::fprintf(stderr, "%s\n", journal.error().to_string().c_str());
    return 2;
  }
  odeon::persistence::install(system, std::move(*journal));
  // The receiver need not run: it is brought when something is there for it.
  odeon::persistence::receivers_of(system)->activate_with(
      "purse/", [&system](const std::string& id) { system.spawn<purse>(id); });

  auto [told, bob_has] = odeon::promise<long>::make(rt);
  auto promise = std::make_shared<odeon::promise<long>>(std::move(told));
  auto ada = system.spawn<purse>(std::string("purse/ada"));
  const long has = ada.ask<transfer>("purse/bob", 5L).get();
  std::printf("ada has %ld\n", has);
  odeon::persistence::receive(system, "clerk", system.spawn<clerk>(promise, -has));
  std::printf("bob has %ld\n", std::move(bob_has).get());
}
