// Durable actors that send to each other with their commits, while they are killed: each message's
// effect happens once, and what was acknowledged stays.

#include "stress/common.hpp"
#include <odeon/persistence/durable_state.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>

#include <array>
#include <memory>
#include <string>

using namespace odeon;
using namespace odeon::stress;

namespace {

constexpr int purses = 6;

struct credit {
  static constexpr auto manifest = "stress.credit";
  long amount;
};
struct pay {
  using reply = long;
  std::string to;
  long amount;
};
struct get_balance {
  using reply = long;
};
struct credited {
  static constexpr auto manifest = "stress.credited";
  long amount;
};
struct debited {
  static constexpr auto manifest = "stress.debited";
  long amount;
};
struct purse_state {
  long balance = 0;
};

struct purse : event_sourced<purse_state, events<credited, debited>, credit, pay, get_balance> {
  explicit purse(std::string id) : event_sourced(std::move(id), {.snapshot_every = 50}) {}
  effect on(credit m) { return persist(credited{m.amount}); }
  effect on(const pay& m) {
    return persist(debited{m.amount})
        .then_send(durable_ref<purse>{m.to}, credit{m.amount})
        .then_reply(m.amount);
  }
  long on(get_balance) { return state().balance; }
  static void apply(purse_state& s, const credited& e) { s.balance += e.amount; }
  static void apply(purse_state& s, const debited& e) { s.balance -= e.amount; }
};

/// The same with a state that is stored as a whole.
struct box_state {
  long balance = 0;
};
struct box : durable_state<box_state, credit, pay, get_balance> {
  explicit box(std::string id) : durable_state(std::move(id), {.write_behind = 1ms}) {}
  void on(credit m) { state().balance += m.amount; }
  effect on(const pay& m) {
    state().balance -= m.amount;
    return send(durable_ref<purse>{m.to}, credit{m.amount}).then_reply(m.amount);
  }
  long on(get_balance) { return state().balance; }
};

using payer = actor_ref<credit, pay, get_balance>;

std::string id_of(unsigned n) { return "p-" + std::to_string(n); }

payer open(actor_system& system, const std::string& id) {
  for (;;) {
    if (auto there = system.lookup<payer>(id)) return *there;
    try {
      if ((id.back() - '0') % 2 == 0) return system.spawn<purse>({.name = id}, id);
      return system.spawn<box>({.name = id}, id);
    } catch (const actor_error& e) {
      if (e.which() != errc::name_taken) throw;
    }
  }
}

}  // namespace

TEST_CASE("durable actors that are killed while they send to each other lose and repeat nothing") {
  actor_system system("durable");
  persistence::install(system, make_memory_journal(system.get_runtime()));
  persistence::receivers_of(system)->activate_with(
      "p-", [&system](const std::string& id) { open(system, id); });
  std::array<std::atomic<long>, purses> paid{}, got{};
  std::atomic<int> unknown{0};

  on_threads(3, [&](int, dice& d) {
    for (int i = 0; i < rounds(400); ++i) {
      const unsigned from = d.below(purses);
      const unsigned to = d.below(purses);
      if (d.below(12) == 0) {
        system.kill(open(system, id_of(from)));
        continue;
      }
      const long amount = 1 + d.below(9);
      auto done = open(system, id_of(from)).try_ask<pay>(id_of(to), amount).get();
      if (done) {
        paid[from].fetch_add(amount);
        got[to].fetch_add(amount);
      } else {
        unknown.fetch_add(1);  // killed: it may have happened, whole, or not at all
      }
    }
  });

  const auto store = persistence::installed(system);
  await(system, [&] {
    for (unsigned n = 0; n < purses; ++n) open(system, id_of(n));
    return wait_for<std::vector<outbox_entry>>(
               system.get_runtime(), [&](auto done) { store->take_outbox(0, 10, std::move(done)); })
        ->empty();
  });
  long sum = 0;
  long low = 0;
  for (unsigned n = 0; n < purses; ++n) {
    const long balance = open(system, id_of(n)).ask<get_balance>().get();
    sum += balance;
    // Only payments without an answer can make a difference.
    low += std::abs(balance - (got[n].load() - paid[n].load()));
  }
  CHECK(sum == 0);
  CHECK(low <= 2L * 9 * unknown.load());
}
