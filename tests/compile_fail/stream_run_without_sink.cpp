// A source is run as it is.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

using namespace odeon::stream;

void use(odeon::actor_system& system) {
  auto twice = source::from({1, 2, 3}) | map([](int n) { return n * 2; });
#ifdef ODEON_FIXED
  (twice | to(sink::ignore())).run(system).get();
#else
  twice.run(system);  // mistake
#endif
}
