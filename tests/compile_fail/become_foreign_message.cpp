// An actor becomes a behavior with a message that its list does not have.
#include <odeon/core/actor_system.hpp>

struct increment {
  int by = 1;
};
struct get_count {
  using reply = int;
};

struct reset {};

class counter : public odeon::actor<increment, get_count> {
 public:
  void on(increment m) { n_ += m.by; }
  int on(get_count) {
#ifdef ODEON_FIXED
    become(odeon::behavior(0, [](int& n, increment) { ++n; }));
#else
    become(odeon::behavior(0, [](int& n, reset) { n = 0; }));  // mistake
#endif
    return n_;
  }

 private:
  int n_ = 0;
};

void use(odeon::actor_system& system) { system.spawn<counter>(); }
