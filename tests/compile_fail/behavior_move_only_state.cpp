// The state of a behavior cannot be copied for a restart.
#include <odeon/core/actor_system.hpp>

#include <memory>

struct increment {
  int by = 1;
};
struct get_count {
  using reply = int;
};

#ifdef ODEON_FIXED
using state = std::shared_ptr<int>;
#else
using state = std::unique_ptr<int>;
#endif

void use(odeon::actor_system& system) {
  system.spawn(
      odeon::behavior(state(new int(0)), [](state& n, increment m) { *n += m.by; }));  // mistake
}
