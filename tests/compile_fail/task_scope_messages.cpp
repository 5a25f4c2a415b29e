// A scope is given a task whose messages it could not pass on.
#include <odeon/odeon.hpp>

odeon::effect<int> numbers() { co_await odeon::send(1); }

odeon::task<void> work() {
  odeon::task_scope s;
#ifdef ODEON_FIXED
  auto quiet = []() -> odeon::task<void> { co_await odeon::consume(numbers(), [](int) {}); };
  (void)s.fork(quiet());
#else
  (void)s.fork(numbers());  // mistake
#endif
  co_await s.join();
}

void use() { odeon::run(work()); }
