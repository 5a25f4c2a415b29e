// A task without messages awaits one that has some.
#include <odeon/odeon.hpp>

odeon::effect<int> numbers() { co_await odeon::send(1); }

odeon::task<void> work() {
#ifdef ODEON_FIXED
  co_await odeon::consume(numbers(), [](int) {});
#else
  co_await numbers();  // mistake
#endif
}

void use() { odeon::run(work()); }
