// A hook of an actor is private.
#include <odeon/core/actor_system.hpp>

struct greet {};

class greeter : public odeon::actor<greet> {
 public:
  void on(greet) {}

#ifndef ODEON_FIXED
 private:
#endif
  void post_stop() { log().info("bye"); }
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
