// A coroutine handler takes its message by non-const reference.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};

class greeter : public odeon::actor<greet, get_count> {
 public:
  void on(greet) {}
#ifdef ODEON_FIXED
  odeon::task<int> on(get_count) { co_return 0; }
#else
  odeon::task<int> on(get_count&) { co_return 0; }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
