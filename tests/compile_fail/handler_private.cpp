// The handlers are private, as everything in a class is unless it says otherwise.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};

class greeter : public odeon::actor<greet> {
#ifdef ODEON_FIXED
 public:
#endif
  void on(greet) {}
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
