// A group that asks several at once, with a message whose list cannot be copied.
#include <odeon/pattern/router_group.hpp>

#include <memory>
#include <vector>

struct job {
#ifdef ODEON_FIXED
  std::vector<std::shared_ptr<int>> parts;
#else
  std::vector<std::unique_ptr<int>> parts;
#endif
  using reply = int;
};

using ref = odeon::actor_ref<job>;

auto use(odeon::actor_system& system, const ref& a, const ref& b) {
  return odeon::router_group(system, odeon::scatter_gather(0, std::chrono::seconds(1)),  // mistake
                             {a, b});
}
