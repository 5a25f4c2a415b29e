// An actor whose state is what its events made of it. It survives the program.

#include <odeon/odeon.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/sqlite_journal.hpp>

#include <filesystem>
#include <memory>

struct deposit {
  using reply = long;
  long amount = 0;
};
struct withdraw {
  using reply = long;
  long amount = 0;
};
struct deposited {
  long amount = 0;
};
struct withdrawn {
  long amount = 0;
};
struct account_state {
  long balance = 0;
};

class account : public odeon::event_sourced<account_state, odeon::events<deposited, withdrawn>,
                                            deposit, withdraw> {
 public:
  explicit account(std::string id) : event_sourced(std::move(id), {.snapshot_every = 100}) {}

  // The reply leaves when the event is on disk.
  effect on(deposit m) { return persist(deposited{m.amount}).then_reply(balance); }
  effect on(withdraw m) {
    if (m.amount > state().balance) return reply(odeon::errc::refused);
    return persist(withdrawn{m.amount}).then_reply(balance);
  }
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
  static void apply(account_state& s, const withdrawn& e) { s.balance -= e.amount; }

 private:
  static long balance(const account_state& s) { return s.balance; }
};

int main() {
  const auto folder = std::filesystem::temp_directory_path() / "odeon-example-10";
  std::filesystem::remove_all(folder);
  std::filesystem::create_directories(folder);
  long balance = 0;
  for (int start = 1; start <= 2; ++start) {
    odeon::actor_system system{"bank"};
    auto journal = odeon::open_sqlite_journal(system.get_runtime(), {.path = folder / "bank.db"});
    if (!journal) return 1;
    odeon::persistence::install(system, std::move(*journal));
    auto a = system.spawn<account>("account-17");
    (void)a.ask<deposit>(100).get();
    balance = a.ask<withdraw>(30).get();
    if (a.ask<withdraw>(1000).result().has_value()) return 2;
  }
  std::filesystem::remove_all(folder);
  return balance == 140 ? 0 : 3;  // 70 of each start
}
