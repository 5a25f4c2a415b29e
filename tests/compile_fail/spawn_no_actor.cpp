// A class is spawned that is no actor.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};

#ifdef ODEON_FIXED
class greeter : public odeon::actor<greet> {
#else
class greeter {
#endif
 public:
  void on(greet) {}
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
