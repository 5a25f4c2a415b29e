// A state holds something that means nothing elsewhere.
#include <odeon/persistence/durable_state.hpp>

struct put {
  long amount = 0;
};
struct cart_state {
  long items = 0;
#ifndef ODEON_FIXED
  long* place = nullptr;
#endif
};

class cart : public odeon::durable_state<cart_state, put> {
 public:
  explicit cart(std::string id) : durable_state(std::move(id)) {}
  void on(put m) { state().items += m.amount; }
};

void use(odeon::actor_system& system) { system.spawn<cart>("c-1"); }  // mistake
