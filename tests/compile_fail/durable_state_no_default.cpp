// A state that cannot begin.
#include <odeon/persistence/durable_state.hpp>

struct put {
  long amount = 0;
};
struct cart_state {
#ifndef ODEON_FIXED
  explicit cart_state(long n) : items(n) {}
#endif
  long items = 0;
};

class cart : public odeon::durable_state<cart_state, put> {  // mistake
 public:
  explicit cart(std::string id) : durable_state(std::move(id)) {}
  void on(put m) { state().items += m.amount; }
};

void use(odeon::actor_system& system) { system.spawn<cart>("c-1"); }
