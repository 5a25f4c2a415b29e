// A flow is run without a source.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

using namespace odeon::stream;

void use(odeon::actor_system& system) {
  auto flow = map([](int n) { return n * 2; }) | take(3);
#ifdef ODEON_FIXED
  (source::repeat(1) | flow | to(sink::ignore())).run(system).get();
#else
  flow.run(system);  // mistake
#endif
}
