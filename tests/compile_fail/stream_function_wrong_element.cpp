// A function does not take what the stage before gives.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

#include <string>

using namespace odeon::stream;

std::size_t length(const std::string& s) { return s.size(); }

std::size_t use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  auto lengths = source::from({std::string("a"), std::string("bc")}) | map(length);
#else
  auto lengths = source::from({1, 2, 3}) | map(length);  // mistake
#endif
  return (lengths | to(sink::last())).run(system).get();
}
