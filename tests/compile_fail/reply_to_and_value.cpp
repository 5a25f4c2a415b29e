// A handler takes a reply_to and returns a value as well.
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
  void on(get_count, odeon::reply_to<int> to) { to(1); }
#else
  int on(get_count, odeon::reply_to<int>) { return 1; }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
