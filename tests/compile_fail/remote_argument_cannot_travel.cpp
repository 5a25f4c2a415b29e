// An actor's constructor takes a callback, which no other node can send.
#include <odeon/remote/endpoint.hpp>

#include <functional>

struct run {};

#ifdef ODEON_FIXED
using work = std::string;
#else
using work = std::function<void()>;
#endif

class worker : public odeon::actor<run> {
 public:
  explicit worker(work w) : work_(std::move(w)) {}
  void on(run) {}

 private:
  work work_;
};

void use(odeon::remote::endpoint& net) {
  net.register_actor<worker, work>("worker");  // mistake
}
