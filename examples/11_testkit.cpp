// Testing an actor under virtual time: an hour passes in no time, the same way each time.

#include <odeon/odeon.hpp>
#include <odeon/testkit/testkit.hpp>

#include <chrono>

using namespace std::chrono_literals;

struct get_weather {
  using reply = int;
};
struct warning {
  int degrees;
};
struct look {};

// Asks a station every ten minutes, and warns somebody when it is hot.
class watcher : public odeon::actor<look> {
 public:
  watcher(odeon::actor_ref<get_weather> station, odeon::actor_ref<warning> whom)
      : station_(std::move(station)),
        whom_(std::move(whom)) {}
  void pre_start() { ctx().send_every(10min, 10min, look{}); }
  odeon::task<void> on(look) {
    const int degrees = co_await station_.ask<get_weather>();
    if (degrees > 30) whom_.tell<warning>(degrees);
  }

 private:
  odeon::actor_ref<get_weather> station_;
  odeon::actor_ref<warning> whom_;
};

int main() {
  odeon::testkit::kit k;  // one thread, virtual time, a seed
  auto station = k.probe<get_weather>();
  auto person = k.probe<warning>();
  (void)k.system().spawn<watcher>(station.ref(), person.ref());

  // A probe is an actor in the test's hand. What is not as expected throws, with what came.
  k.advance(9min);
  station.expect_no_mail();
  k.advance(1min);
  station.expect_request<get_weather>().reply(25);
  person.expect_no_mail(5min);
  station.expect_request<get_weather>(10min).reply(31);
  return person.expect<warning>().degrees == 31 ? 0 : 1;
}
