// A durable message is sent to a receiver that does not take it.
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
struct credit {
  long amount = 0;
};

class account : public odeon::event_sourced<account_state, odeon::events<deposited>, deposit> {
 public:
  explicit account(std::string id) : event_sourced(std::move(id)) {}
  effect on(deposit m) {
    const odeon::durable_ref<account> other{"a-2"};
#ifdef ODEON_FIXED
    return persist(deposited{m.amount}).then_send(other, deposit{m.amount});
#else
    return persist(deposited{m.amount}).then_send(other, credit{m.amount});  // mistake
#endif
  }
  static void apply(account_state& s, const deposited& e) { s.balance += e.amount; }
};

void use(odeon::actor_system& system) { system.spawn<account>("a-1"); }
