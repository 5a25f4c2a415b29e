// Two handlers of a behavior take the same message.
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
  system.spawn(odeon::behavior(  // mistake
      0, [](int& n, increment m) { n += m.by; }, [](int& n, const increment&) { ++n; }));
#endif
}
