// A handler returns another type than the message's reply.
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
  std::string on(get_count) { return "none"; }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
