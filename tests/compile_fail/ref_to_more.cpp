// A reference is made from one that accepts fewer messages.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};
struct reset {};

class greeter : public odeon::actor<greet, get_count> {
 public:
  void on(greet) { ++count_; }
  int on(get_count) { return count_; }

 private:
  int count_ = 0;
};

void use(const odeon::actor_ref<greet>& ref) {
#ifdef ODEON_FIXED
  odeon::actor_ref<greet, get_count> more = ref.as<odeon::actor_ref<greet, get_count>>();
#else
  odeon::actor_ref<greet, get_count> more = ref;  // mistake
#endif
}
