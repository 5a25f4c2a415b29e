// A broadcast of a message that cannot be copied.
#include <odeon/pattern/routers.hpp>

#include <memory>

struct job {
#ifdef ODEON_FIXED
  std::shared_ptr<int> progress;
#else
  std::unique_ptr<int> progress;
#endif
};

class worker : public odeon::actor<job> {
 public:
  void on(const job&) {}
};

void use(odeon::actor_system& system) {
  (void)system.spawn<worker>({.router = odeon::broadcast<worker>(4)});  // mistake
}
