// A message that cannot be copied is told without moving it.
#include <odeon/core/actor_system.hpp>

#include <memory>

struct parcel {
  std::unique_ptr<int> content;
};

void use(const odeon::actor_ref<parcel>& ref) {
  parcel p{std::make_unique<int>(1)};
#ifdef ODEON_FIXED
  ref.tell(std::move(p));
#else
  ref.tell(p);  // mistake
#endif
}
