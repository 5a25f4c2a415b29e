// A future with a name is awaited without giving it away.
#include <odeon/core/actor_system.hpp>

struct get_count {
  using reply = int;
};

odeon::task<int> twice(odeon::actor_ref<get_count> ref) {
  auto first = ref.ask<get_count>();
  auto second = ref.ask<get_count>();
#ifdef ODEON_FIXED
  co_return co_await std::move(first) + co_await std::move(second);
#else
  co_return co_await first + co_await second;  // mistake
#endif
}
