// A task that names no message type sends one.
#include <odeon/odeon.hpp>

#ifdef ODEON_FIXED
odeon::task<int, std::string> work() {
  co_await odeon::send(std::string("half done"));
#else
odeon::task<int> work() {
  co_await odeon::send(std::string("half done"));  // mistake
#endif
  co_return 1;
}

int use() { return odeon::run(work()); }
