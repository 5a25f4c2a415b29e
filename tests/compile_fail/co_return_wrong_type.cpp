// A coroutine gives another type than its task says.
#include <odeon/task/task.hpp>

odeon::task<int> port() {
#ifdef ODEON_FIXED
  co_return 8080;
#else
  co_return "8080";  // mistake
#endif
}
