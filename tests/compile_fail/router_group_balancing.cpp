// A group whose members are to share one mailbox.
#include <odeon/pattern/router_group.hpp>

struct job {};
using ref = odeon::actor_ref<job>;

auto use(odeon::actor_system& system, const ref& a, const ref& b) {
#ifdef ODEON_FIXED
  return odeon::router_group(system, odeon::round_robin(), {a, b});
#else
  return odeon::router_group(system, odeon::balancing(2), {a, b});  // mistake
#endif
}
