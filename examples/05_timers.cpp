// Messages to oneself, later: once, at a fixed rate, and when nothing else comes.

#include <odeon/odeon.hpp>

#include <chrono>
#include <string>

using namespace std::chrono_literals;

struct tick {};
struct bell {
  std::string text;
};
struct run {
  using reply = std::string;
};

class clockwork : public odeon::actor<run, tick, bell> {
 public:
  void on(run, odeon::reply_to<std::string> answer) {
    answer_ = std::move(answer);
    ticks_ = ctx().send_every(1ms, 1ms, tick{});
    ctx().send_after(5s, bell{"never seen"}).cancel();
  }
  void on(tick) {
    seen_ += "tick ";
    if (++count_ < 3) return;
    ticks_.cancel();
    ctx().send_after(2ms, bell{"bell"});
  }
  void on(bell m) {
    seen_ += m.text;
    ctx().receive_timeout(3ms);  // from now on, each time nothing came for so long
  }
  void on(odeon::receive_timeout) {
    ctx().receive_timeout(0ms);
    answer_(seen_ + " silence");
  }

 private:
  odeon::reply_to<std::string> answer_;
  odeon::timer ticks_;
  std::string seen_;
  int count_ = 0;
};

int main() {
  odeon::actor_system system{"app"};
  const std::string seen = system.spawn<clockwork>().ask<run>().get();
  return seen == "tick tick tick bell silence" ? 0 : 1;
}
