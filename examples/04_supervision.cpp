// An exception fails the actor; its supervision decides what becomes of it.

#include <odeon/odeon.hpp>

#include <chrono>
#include <stdexcept>
#include <string>

using namespace std::chrono_literals;

struct divide {
  using reply = int;
  int a, b;
};
struct get_done {
  using reply = int;
};
struct divided_by_zero : std::runtime_error {
  using runtime_error::runtime_error;
};

class calculator : public odeon::actor<divide, get_done> {
 public:
  int on(divide m) {
    if (m.b == 0) throw divided_by_zero("there is no " + std::to_string(m.a) + "/0");
    ++done_;
    return m.a / m.b;
  }
  int on(get_done) { return done_; }

 private:
  int done_ = 0;
};

int main() {
  odeon::actor_system system{"app"};
  odeon::set_log_level(odeon::log_level::off);  // the failures below are meant

  // The decider is a list by exception type. Here the instance and its state stay.
  auto patient = system.spawn<calculator>(
      {.supervision = {.decider = {odeon::on<divided_by_zero>(odeon::directive::resume)}}});
  (void)patient.ask<divide>(6, 3).get();
  const auto failed = patient.ask<divide>(1, 0).result();
  if (failed.has_value() || failed.error() != odeon::errc::handler_failed) return 1;
  if (patient.ask<get_done>().get() != 1) return 2;

  // By default a new instance takes over: same reference, same mailbox, fresh state.
  auto fresh = system.spawn<calculator>({.supervision = {.max_retries = 1, .within = 1min}});
  (void)fresh.ask<divide>(6, 3).get();
  (void)fresh.ask<divide>(1, 0).result();
  if (fresh.ask<get_done>().get() != 0) return 3;

  // One restart was allowed. The failure after it stops the actor.
  (void)fresh.ask<divide>(1, 0).result();
  const auto gone = fresh.ask<get_done>().result();
  return !gone.has_value() && gone.error() == odeon::errc::actor_stopped ? 0 : 4;
}
