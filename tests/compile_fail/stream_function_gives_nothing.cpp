// A function of map that returns nothing.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

using namespace odeon::stream;

void use(odeon::actor_system& system, int& sum) {
#ifdef ODEON_FIXED
  auto all = source::from({1, 2, 3}) | wire_tap([&](int n) { sum += n; });
#else
  auto all = source::from({1, 2, 3}) | map([&](int n) { sum += n; });  // mistake
#endif
  (all | to(sink::ignore())).run(system).get();
}
