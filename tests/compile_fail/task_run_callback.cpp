// The callback of run does not take the task's messages.
#include <odeon/odeon.hpp>

odeon::effect<std::string> words() { co_await odeon::send(std::string("one")); }

void use() {
#ifdef ODEON_FIXED
  odeon::run(words(), [](const std::string&) {});
#else
  odeon::run(words(), [](int) {});  // mistake
#endif
}
