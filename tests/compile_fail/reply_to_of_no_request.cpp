// A handler takes a reply_to for a message that is no request.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};
struct set_name {
  std::string name;
};

class greeter : public odeon::actor<greet, get_count, set_name> {
 public:
  void on(greet) {}
#ifdef ODEON_FIXED
  int on(get_count) { return 0; }
  void on(set_name) {}
#else
  int on(get_count) { return 0; }
  void on(set_name, odeon::reply_to<int> to) { to(1); }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
