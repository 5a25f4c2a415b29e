// A probe expects a message that it does not receive.
#include <odeon/testkit/testkit.hpp>

struct greet {};
struct reset {};

void use(odeon::testkit::kit& k) {
  auto p = k.probe<greet>();
#ifdef ODEON_FIXED
  p.expect<greet>();
#else
  p.expect<reset>();  // mistake
#endif
}
