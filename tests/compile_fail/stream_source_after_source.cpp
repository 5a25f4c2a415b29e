// A second source stands where a flow is expected.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/sink/basic.hpp>

using namespace odeon::stream;

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  auto all = source::from({1, 2}) | concat(source::from({3, 4}));
#else
  auto all = source::from({1, 2}) | source::from({3, 4});  // mistake
#endif
  (all | to(sink::ignore())).run(system).get();
}
