#include <odeon/odeon.hpp>

#include <cstdio>
#include <string>

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};

class greeter : public odeon::actor<greet, get_count> {
 public:
  void on(greet msg) { count_ += static_cast<int>(msg.name.size()); }
  int on(get_count) { return count_; }

 private:
  int count_ = 0;
};

int main() {
  odeon::actor_system system{"app"};
  auto ref = system.spawn<greeter>({.name = "greeter"});
  ref.tell<greet>("world");
  if (ref.ask<get_count>().get() != 5) return 1;
  std::puts("it works");
}
