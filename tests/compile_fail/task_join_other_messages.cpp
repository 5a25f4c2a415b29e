// The messages of the joined task are of another type than those of the joining one.
#include <odeon/odeon.hpp>

odeon::effect<std::string> words() { co_await odeon::send(std::string("one")); }

odeon::effect<int> work() {
#ifdef ODEON_FIXED
  co_await odeon::consume(words(), [](const std::string&) {});
#else
  co_await odeon::fork(words()).join();  // mistake
#endif
}

void use() { odeon::run(work()); }
