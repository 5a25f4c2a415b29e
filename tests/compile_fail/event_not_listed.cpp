// An event is persisted that is not in the list of events.
#include <odeon/persistence/event_sourced.hpp>

struct deposit {
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

class account : public odeon::event_sourced<account_state, odeon::events<deposited>, deposit> {
 public:
  explicit account(std::string id) : event_sourced(std::move(id)) {}
#ifdef ODEON_FIXED
  effect on(deposit m) { return persist(deposited{m.amount}); }
#else
  effect on(deposit m) { return persist(withdrawn{m.amount}); }  // mistake
#endif
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
};

void use(odeon::actor_system& system) { system.spawn<account>("a-1"); }
