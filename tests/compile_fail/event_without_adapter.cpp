// A type of old events has nothing that takes its place.
#include <odeon/persistence/event_sourced.hpp>

struct deposit {
  long amount = 0;
};
struct deposited {
  long amount = 0;
};
struct account_state {
  long balance = 0;
};
struct moved {
  long amount = 0;
};

class account : public odeon::event_sourced<account_state, odeon::events<deposited>, deposit> {
 public:
  using old_events = odeon::events<moved>;
  explicit account(std::string id) : event_sourced(std::move(id)) {}
  effect on(deposit m) { return persist(deposited{m.amount}); }
#ifdef ODEON_FIXED
  static deposited adapt(const moved& old) { return {old.amount}; }
#endif
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
};

void use(odeon::actor_system& system) { system.spawn<account>("a-1"); }
