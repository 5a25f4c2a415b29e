// The actor class derives privately, as classes do unless they say otherwise.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};

#ifdef ODEON_FIXED
class greeter : public odeon::actor<greet> {
#else
class greeter : odeon::actor<greet> {
#endif
 public:
  void on(greet) {}
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
