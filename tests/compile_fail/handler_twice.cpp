// Two handlers of one message, with a context and without.
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
  int on(get_count) { return 0; }
#else
  int on(get_count) { return 0; }
  int on(get_count, odeon::context&) { return 0; }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
