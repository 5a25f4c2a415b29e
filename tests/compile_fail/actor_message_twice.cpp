// A message stands twice in the actor's list.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};

#ifdef ODEON_FIXED
class greeter : public odeon::actor<greet> {
#else
class greeter : public odeon::actor<greet, greet> {
#endif
 public:
  void on(greet) {}
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
