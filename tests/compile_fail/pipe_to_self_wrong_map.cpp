// The function of pipe_to_self takes the value, and not the result.
#include <odeon/core/actor_system.hpp>

struct start {};
struct started {
  int port = 0;
};

odeon::task<int> open_port() { co_return 8080; }

class server : public odeon::actor<start, started> {
 public:
  void on(start) {
#ifdef ODEON_FIXED
    ctx().pipe_to_self(open_port(),
                       [](odeon::result<int> port) { return started{port.value_or(0)}; });
#else
    ctx().pipe_to_self(open_port(), [](std::string port) { return started{80}; });  // mistake
#endif
  }
  void on(started) {}
};

void use(odeon::actor_system& system) { system.spawn<server>(); }
