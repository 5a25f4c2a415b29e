// A handler that waits, without holding up a thread.

#include <odeon/odeon.hpp>

#include <chrono>

using namespace std::chrono_literals;

struct get_price {
  using reply = double;
  std::string item;
};
struct get_total {
  using reply = double;
};

class shop : public odeon::actor<get_price> {
 public:
  odeon::task<double> on(get_price m) {
    co_await odeon::sleep(1ms);
    if (m.item == "tea") co_return 2.5;
    if (m.item == "cake") co_return 4.0;
    throw std::invalid_argument("no " + m.item + " here");
  }
};

class customer : public odeon::actor<get_total> {
 public:
  explicit customer(odeon::actor_ref<get_price> shop) : shop_(std::move(shop)) {}

  // Between the question and the answer the actor takes no further message, and its worker
  // thread does other actors' work.
  odeon::task<double> on(get_total) {
    auto tea = shop_.ask<get_price>("tea");  // both questions are on their way
    auto cake = shop_.ask<get_price>("cake");
    double total = co_await std::move(tea) + co_await std::move(cake);

    // `ask` throws what the other side failed with; `try_ask` gives it as a value.
    const auto pie = co_await shop_.try_ask<get_price>("pie");
    if (!pie && pie.error() == odeon::errc::handler_failed) total += 0.5;
    co_return total;
  }

 private:
  odeon::actor_ref<get_price> shop_;
};

int main() {
  odeon::actor_system system{"app"};
  odeon::set_log_level(odeon::log_level::off);  // the missing pie is meant
  auto c = system.spawn<customer>(system.spawn<shop>());
  return c.ask<get_total>().get() == 7.0 ? 0 : 1;
}
