// A service that fails: tried again a few times, then left alone for a while, then tried once.

#include <odeon/odeon.hpp>
#include <odeon/pattern/circuit_breaker.hpp>
#include <odeon/pattern/retry.hpp>

#include <atomic>
#include <cstdio>
#include <string>

using namespace std::chrono_literals;

struct price {
  std::string article;
  using reply = double;
};
struct repair {};

class supplier : public odeon::actor<price, repair> {
 public:
  odeon::result<double> on(price) {
    ++asked;
    if (broken_) return odeon::fail(odeon::errc::unreachable, "the supplier's line is down");
    return 9.5;
  }
  void on(repair) { broken_ = false; }
  static inline std::atomic<int> asked{0};

 private:
  bool broken_ = true;
};

odeon::task<std::string> get(odeon::circuit_breaker& breaker, odeon::actor_ref<price> from) {
  try {
    const double p = co_await odeon::retry(
        [&] { return breaker.call([&] { return from.ask<price>("tea"); }); }, 3,
        odeon::schedule::exponential(5ms, 20ms), odeon::retry_if({odeon::errc::unreachable}));
    co_return "it costs " + std::to_string(p).substr(0, 4);
  } catch (const odeon::circuit_open&) {
    co_return "not asked: the breaker is open";
  } catch (const odeon::actor_error& e) {
    co_return std::string(e.reason().text());
  }
}

int main() {
  odeon::actor_system system{"shop"};
  auto from = system.spawn<supplier>();
  odeon::circuit_breaker breaker(system.get_runtime(), {.max_failures = 3, .reset_timeout = 1s},
                                 "supplier");
  breaker.on_transition([](const odeon::breaker_transition& t) {
    std::printf("  %s -> %s\n", to_string(t.from).data(), to_string(t.to).data());
  });
  auto ask = [&] {
    const std::string answer = odeon::run(system.get_runtime(), get(breaker, from));
    std::printf("%s\n", answer.c_str());
    return answer;
  };

  bool right = ask() == "the supplier's line is down";  // three attempts, all fail: open
  right &= ask() == "not asked: the breaker is open";
  right &= supplier::asked == 3;
  from.tell<repair>();
  odeon::run(system.get_runtime(), odeon::sleep(1100ms));  // half open: the next call is the trial
  right &= ask() == "it costs 9.50";
  right &= breaker.state() == odeon::breaker_state::closed;
  return right ? 0 : 1;
}
