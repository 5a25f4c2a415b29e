// A task sends something else than its message type.
#include <odeon/odeon.hpp>

odeon::effect<int> work() {
#ifdef ODEON_FIXED
  co_await odeon::send(1);
#else
  co_await odeon::send(std::string("one"));  // mistake
#endif
}

void use() { odeon::run(work()); }
