// The function of a loop gives no effect.
#include <odeon/odeon.hpp>

odeon::effect<int> numbers() { co_await odeon::send(1); }

void use() {
#ifdef ODEON_FIXED
  odeon::run(odeon::loop(numbers(), [](int) { return odeon::none<int>(); }));
#else
  odeon::run(odeon::loop(numbers(), [](int n) { return n + 1; }));  // mistake
#endif
}
