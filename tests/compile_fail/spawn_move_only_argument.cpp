// An actor is spawned with an argument that cannot be kept for a restart.
#include <odeon/core/actor_system.hpp>

#include <memory>

struct greet {
  std::string name;
};

#ifdef ODEON_FIXED
using dictionary = std::shared_ptr<const std::string>;
#else
using dictionary = std::unique_ptr<std::string>;
#endif

class greeter : public odeon::actor<greet> {
 public:
  explicit greeter(dictionary words) : words_(std::move(words)) {}
  void on(greet) {}

 private:
  dictionary words_;
};

void use(odeon::actor_system& system) {
#ifdef ODEON_FIXED
  system.spawn<greeter>(std::make_shared<const std::string>("hello"));
#else
  system.spawn<greeter>(std::make_unique<std::string>("hello"));  // mistake
#endif
}
