// A handler returns an expected whose error is a text.
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
  odeon::result<int> on(get_count) { return odeon::fail(odeon::errc::refused, "not today"); }
#else
  std::expected<int, std::string> on(get_count) { return std::unexpected("not today"); }
#endif
};

void use(odeon::actor_system& system) { system.spawn<greeter>(); }  // mistake
