// An event holds a pointer, which means nothing when it is read back.
#include <odeon/persistence/event_sourced.hpp>

struct deposit {
  long amount = 0;
};
struct deposited {
#ifdef ODEON_FIXED
  long amount = 0;
  std::string teller;
#else
  long amount = 0;
  const char* teller = nullptr;
#endif
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
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
};

void use(odeon::actor_system& system) { system.spawn<account>("a-1"); }  // mistake
