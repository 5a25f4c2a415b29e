// A handler of a behavior takes another state.
#include <odeon/core/actor_system.hpp>

struct increment {
  int by = 1;
};
struct get_count {
  using reply = int;
};

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  system.spawn(odeon::behavior(0, [](int& n, increment m) { n += m.by; }));
#else
  system.spawn(odeon::behavior(0, [](long& n, increment m) { n += m.by; }));  // mistake
#endif
}
