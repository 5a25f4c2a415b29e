// A flow stands where a sink is expected.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

using namespace odeon::stream;

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  (source::from({1, 2, 3}) | take(2) | to(sink::ignore())).run(system).get();
#else
  (source::from({1, 2, 3}) | to(take(2))).run(system).get();  // mistake
#endif
}
