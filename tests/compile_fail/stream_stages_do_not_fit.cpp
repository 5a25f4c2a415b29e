// A predicate stands behind a stage that gives something else.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

#include <string>

using namespace odeon::stream;

std::size_t use(odeon::actor_system& system) {
  auto texts = source::from({1, 22, 333}) | map([](int n) { return std::to_string(n); });
#ifdef ODEON_FIXED
  auto kept = texts | filter([](const std::string& s) { return s.size() > 1; });
#else
  auto kept = texts | filter([](int n) { return n > 10; });  // mistake
#endif
  return (kept | to(sink::count())).run(system).get();
}
