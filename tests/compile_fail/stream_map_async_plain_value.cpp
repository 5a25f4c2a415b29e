// The function of map_async gives a plain value.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/basic.hpp>

using namespace odeon::stream;

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  auto all = source::from({1, 2}) | map_async(2, [](int n) -> odeon::task<int> { co_return n; });
#else
  auto all = source::from({1, 2}) | map_async(2, [](int n) { return n; });  // mistake
#endif
  (all | to(sink::ignore())).run(system).get();
}
