// No faster than allowed: a shop gives each customer three requests at once and two a second, and
// passes its mails on to a slow mail server one every 20 ms.

#include <odeon/odeon.hpp>
#include <odeon/pattern/throttler.hpp>

#include <cstdio>
#include <map>
#include <string>

using namespace std::chrono_literals;

struct order {
  std::string customer;
  using reply = int;  // its number
};
struct mail {
  std::string to;
};
struct sent {
  using reply = int;
};

class mail_server : public odeon::actor<mail, sent> {
 public:
  void on(mail) { ++sent_; }
  int on(sent) { return sent_; }

 private:
  int sent_ = 0;
};

class shop : public odeon::actor<order> {
 public:
  explicit shop(odeon::actor_ref<mail> post) : post_(std::move(post)) {}

  odeon::result<int> on(order o) {
    auto& limiter =
        limiters_.try_emplace(o.customer, ctx().system().get_runtime(), allowed).first->second;
    if (!limiter.try_acquire())
      return odeon::fail(odeon::errc::refused, "too many orders at once from " + o.customer);
    post_.tell(mail{o.customer});
    return ++orders_;
  }

 private:
  static constexpr odeon::rate allowed{.elements = 2, .per = 1s, .burst = 3};
  odeon::actor_ref<mail> post_;
  std::map<std::string, odeon::rate_limiter> limiters_;
  int orders_ = 0;
};

odeon::task<int> place(odeon::actor_ref<order> at, std::string customer, int times) {
  int taken = 0;
  for (int i = 0; i < times; ++i) {
    auto number = co_await at.try_ask<order>(customer);
    if (number) ++taken;
  }
  co_return taken;
}

odeon::task<int> impatient(odeon::actor_ref<order> at) {
  const int at_once = co_await place(at, "ada", 5);
  const int other = co_await place(at, "bob", 2);
  co_await odeon::sleep(1100ms);  // two places more
  const int later = co_await place(at, "ada", 2);
  std::printf("ada: %d of 5 at once, %d of 2 later; bob: %d of 2\n", at_once, later, other);
  co_return at_once + later + other;
}

int main() {
  odeon::actor_system system{"shop"};
  auto server = system.spawn<mail_server>();
  auto post = odeon::spawn_throttler(system, server, {.elements = 50, .per = 1s, .capacity = 100});
  auto counter = system.spawn<shop>(post);

  const int taken = odeon::run(system.get_runtime(), impatient(counter));
  const int mails = post.ask<sent>().get();  // an ask waits its turn behind the mails
  std::printf("%d orders, %d mails\n", taken, mails);
  return taken == 7 && mails == 7 ? 0 : 1;
}
