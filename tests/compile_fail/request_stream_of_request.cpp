// A stream of replies is asked of a message that has one reply.
#include <odeon/core/actor_system.hpp>

struct prices {
#ifdef ODEON_FIXED
  using replies = double;
#else
  using reply = double;
#endif
};

void use(const odeon::actor_ref<prices>& ref) {
  auto stream = ref.request_stream<prices>();  // mistake
}
