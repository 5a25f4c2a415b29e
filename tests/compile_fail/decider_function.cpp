// A decider is a function from the exception to the directive.
#include <odeon/core/actor_system.hpp>

struct greet {};
struct bad_name : std::exception {};

class greeter : public odeon::actor<greet> {
 public:
  void on(greet) { throw bad_name(); }
};

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  system.spawn<greeter>(
      {.supervision = {.decider = {odeon::on<bad_name>(odeon::directive::resume)}}});
#else
  system.spawn<greeter>({.supervision = {.decider = [](const std::exception&) {  // mistake
                           return odeon::directive::resume;
                         }}});
#endif
}
