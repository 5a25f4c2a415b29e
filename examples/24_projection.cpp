// What is made of events: balances in an SQLite table, each event counted exactly once.

#include <odeon/odeon.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/projection/announcing_journal.hpp>
#include <odeon/projection/projection.hpp>
#include <odeon/projection/sqlite_offsets.hpp>

#include <cstdio>
#include <string>

namespace projection = odeon::projection;

struct deposited {
  std::int64_t amount = 0;
};
struct deposit {
  using reply = void;
  std::int64_t amount = 0;
};
struct nothing {};

class account : public odeon::event_sourced<nothing, odeon::events<deposited>, deposit> {
 public:
  explicit account(std::string id) : event_sourced(std::move(id), {.tags = {"account"}}) {}
  effect on(deposit m) { return persist(deposited{m.amount}); }
  static void apply(nothing&, const deposited&) {}
};

// The row and the projection's offset are one transaction.
struct balances {
  using events = odeon::events<deposited>;
  void on(const deposited& e, const projection::event_info& i, projection::sqlite_transaction& tx) {
    tx.execute("INSERT INTO balance VALUES(?1, ?2) ON CONFLICT DO UPDATE SET cents = cents + ?2",
               {std::string(i.persistence_id), e.amount});
  }
};

int main() {
  odeon::actor_system system{"bank"};
  auto& rt = system.get_runtime();
  // Announcing: the projection sees an event as soon as it is committed.
  odeon::persistence::install(system, projection::announce(odeon::make_memory_journal(rt)));
  auto books = projection::sqlite_offsets::open(
      rt, {.path = ":memory:",
           .setup = "CREATE TABLE IF NOT EXISTS balance(id TEXT PRIMARY KEY, cents INTEGER)"});
  if (!books) return 1;
  auto p = projection::start<balances>(system, {.name = "balances", .tag = "account"}, *books);

  auto anna = system.spawn<account>("anna");
  auto bert = system.spawn<account>("bert");
  for (std::int64_t cents : {500, 250}) anna.ask<deposit>(cents).get();
  for (std::int64_t cents : {100, 20}) bert.ask<deposit>(cents).get();
  while (p.ask<projection::get_progress>().get().handled < 4) {
  }

  std::string told;
  auto read = odeon::wait_for<void>(rt, [&](auto done) {
    (*books)->with(
        [&](projection::store_transaction& tx) -> odeon::result<void> {
          for (const auto& row : static_cast<projection::sqlite_transaction&>(tx).query(
                   "SELECT id, cents FROM balance ORDER BY id"))
            told += std::get<std::string>(row[0]) + " has " +
                    std::to_string(std::get<std::int64_t>(row[1])) + " cents\n";
          return {};
        },
        std::move(done));
  });
  std::printf("%s", told.c_str());
  return read && told == "anna has 750 cents\nbert has 120 cents\n" ? 0 : 1;
}
