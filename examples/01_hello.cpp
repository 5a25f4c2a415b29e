// An actor, told something and asked something.

#include <odeon/odeon.hpp>

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};

class greeter : public odeon::actor<greet, get_count> {
 public:
  void on(greet msg) {
    log().info("hello, {}", msg.name);
    ++count_;
  }
  int on(get_count) { return count_; }

 private:
  int count_ = 0;
};

int main() {
  odeon::actor_system system{"app"};
  auto ref = system.spawn<greeter>({.name = "greeter"});
  ref.tell<greet>("world");
  ref.tell(greet{"again"});
  return ref.ask<get_count>().get() == 2 ? 0 : 1;
}
