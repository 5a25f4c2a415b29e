// A message that is a plain number.
#include <odeon/core/actor_system.hpp>

#ifdef ODEON_FIXED
struct job {
  int number = 0;
};
#else
using job = int;
#endif

class receiver : public odeon::actor<job> {
 public:
  void on(const job&) {}
};

void use(odeon::actor_system& system) { system.spawn<receiver>(); }  // mistake
