// An actor is subscribed to an event that it does not accept.
#include <odeon/core/actor_system.hpp>

struct greet {};

void use(odeon::actor_system& system, const odeon::actor_ref<greet>& ref,
         const odeon::actor_ref<greet, odeon::dead_letter>& listener) {
#ifdef ODEON_FIXED
  system.events().subscribe<odeon::dead_letter>(listener);
#else
  system.events().subscribe<odeon::dead_letter>(ref);  // mistake
#endif
}
