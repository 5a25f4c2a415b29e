// The function of a fold does not take its state and the element.
#include <odeon/core/actor_system.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

#include <string>

using namespace odeon::stream;

int use(odeon::actor_system& system) {
  auto texts = source::from({std::string("a"), std::string("bc")});
#ifdef ODEON_FIXED
  auto sum = sink::fold(0, [](int n, const std::string& s) { return n + int(s.size()); });
#else
  auto sum = sink::fold(0, [](int n, int m) { return n + m; });  // mistake
#endif
  return (texts | to(sum)).run(system).get();
}
