// An actor is spawned with arguments that its constructor does not take.
#include <odeon/core/actor_system.hpp>

struct greet {
  std::string name;
};

class greeter : public odeon::actor<greet> {
 public:
  greeter(std::string word, int limit) : word_(std::move(word)), limit_(limit) {}
  void on(greet) {}

 private:
  std::string word_;
  int limit_;
};

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  system.spawn<greeter>({.name = "greeter"}, "hello", 3);
#else
  system.spawn<greeter>({.name = "greeter"}, 3, "hello");  // mistake
#endif
}
