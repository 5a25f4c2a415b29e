// An event is applied by a function that is not static.
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
  effect on(deposit m) { return persist(deposited{m.amount}); }
#ifdef ODEON_FIXED
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
#else
  void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
#endif
};

void use(odeon::actor_system& system) { system.spawn<account>("a-1"); }  // mistake
