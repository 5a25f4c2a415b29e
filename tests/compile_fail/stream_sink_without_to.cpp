// A sink stands where a flow is expected.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

using namespace odeon::stream;

auto use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  return (source::from({1, 2, 3}) | to(sink::collect())).run(system).get();
#else
  return (source::from({1, 2, 3}) | sink::collect()).run(system).get();  // mistake
#endif
}
