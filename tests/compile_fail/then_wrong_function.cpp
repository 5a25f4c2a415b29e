// The function of future::then takes the value, and not the result.
#include <odeon/core/actor_system.hpp>

struct get_name {
  using reply = std::string;
};

void use(const odeon::actor_ref<get_name>& ref) {
#ifdef ODEON_FIXED
  ref.ask<get_name>().then([](odeon::result<std::string>) {});
#else
  ref.ask<get_name>().then([](std::string) {});  // mistake
#endif
}
