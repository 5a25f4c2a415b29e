// A restart hook of an actor does not take the failure.
#include <odeon/core/actor_system.hpp>

struct greet {};

class greeter : public odeon::actor<greet> {
 public:
  void on(greet) {}
#ifdef ODEON_FIXED
  void post_restart(const odeon::failure& why) { log().info("again, after {}", why.what); }
#else
  void post_restart() { log().info("again"); }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
