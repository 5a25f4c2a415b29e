// A message that cannot be copied is sent at a fixed rate.
#include <odeon/core/actor_system.hpp>

#include <memory>

using namespace std::chrono_literals;

struct poll {
#ifdef ODEON_FIXED
  std::shared_ptr<int> target;
#else
  std::unique_ptr<int> target;
#endif
};

class poller : public odeon::actor<poll> {
 public:
  void pre_start() { ctx().send_every(1s, 1s, poll{}); }  // mistake
  void on(poll) {}
};

void use(odeon::actor_system& system) { system.spawn<poller>(); }
