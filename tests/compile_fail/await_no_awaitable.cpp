// Something is awaited that cannot be.
#include <odeon/core/actor_system.hpp>

struct get_count {
  using reply = int;
};

class front : public odeon::actor<get_count> {
 public:
  explicit front(odeon::actor_ref<get_count> behind) : behind_(std::move(behind)) {}
  odeon::task<int> on(get_count) {
#ifdef ODEON_FIXED
    co_return co_await behind_.ask<get_count>();
#else
    co_return co_await behind_.ask<get_count>().get();  // mistake
#endif
  }

 private:
  odeon::actor_ref<get_count> behind_;
};

void use(odeon::actor_system& system, odeon::actor_ref<get_count> behind) {
  system.spawn<front>(behind);
}
