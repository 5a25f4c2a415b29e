// A message of the actor's list has no handler.
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
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
