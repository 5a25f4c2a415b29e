// A handler of a behavior returns another type than the message's reply.
#include <odeon/core/actor_system.hpp>

struct increment {
  int by = 1;
};
struct get_count {
  using reply = int;
};

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  system.spawn(odeon::behavior(0, [](int& n, get_count) { return n; }));
#else
  system.spawn(odeon::behavior(0, [](int& n, get_count) { n = 1; }));  // mistake
#endif
}
