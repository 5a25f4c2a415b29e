// A message that can neither be moved nor copied.
#include <odeon/core/actor_system.hpp>

#include <atomic>
#include <memory>

struct job {
#ifdef ODEON_FIXED
  std::unique_ptr<std::atomic<int>> progress;
#else
  std::atomic<int> progress;
#endif
};

class receiver : public odeon::actor<job> {
 public:
  void on(const job&) {}
};

void use(odeon::actor_system& system) { system.spawn<receiver>(); }  // mistake
