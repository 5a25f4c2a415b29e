// A message whose destructor is private.
#include <odeon/core/actor_system.hpp>

class job {
 public:
  job() = default;
  job(job&&) = default;
#ifndef ODEON_FIXED
 private:
#endif
  ~job() = default;
};

class receiver : public odeon::actor<job> {
 public:
  void on(const job&) {}
};

void use(odeon::actor_system& system) { system.spawn<receiver>(); }  // mistake
