// The events stand among the messages, without their list.
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

#ifdef ODEON_FIXED
using all_events = odeon::events<deposited>;
#else
using all_events = deposited;
#endif

class account : public odeon::event_sourced<account_state, all_events, deposit> {  // mistake
 public:
  explicit account(std::string id) : event_sourced(std::move(id)) {}
  effect on(deposit m) { return persist(deposited{m.amount}); }
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
};

void use(odeon::actor_system& system) { system.spawn<account>("a-1"); }
