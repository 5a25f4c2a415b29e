// A message is built in place from arguments that do not fit.
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

void use(const odeon::actor_ref<greet, get_count>& ref) {
#ifdef ODEON_FIXED
  ref.tell<greet>("world");
#else
  ref.tell<greet>(42);  // mistake
#endif
}
