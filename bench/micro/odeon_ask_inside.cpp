/// What does a round trip cost when one actor asks another?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct start {};
struct question {
  using reply = std::uint64_t;
  std::uint64_t value;
};

class answerer : public odeon::actor<question> {
 public:
  std::uint64_t on(question msg) { return msg.value + 1; }
};

/// Keeps `open` asks going: each answer asks the next.
class asker : public odeon::actor<start> {
 public:
  asker(odeon::actor_ref<question> peer, std::uint64_t open, std::uint64_t total, std::latch* done)
      : peer_(std::move(peer)),
        open_(open),
        total_(total),
        done_(done) {}

  void on(start) {
    for (std::uint64_t i = 0; i < open_; ++i) ask();
  }

 private:
  void ask() {
    std::uint64_t value = asked_++;
    peer_.ask<question>(value).then([this, value](odeon::result<std::uint64_t> answer) {
      if (answer == value + 1) ++answered_;
      if (answered_ == total_) {
        done_->count_down();
      } else if (asked_ < total_) {
        ask();
      }
    });
  }

  odeon::actor_ref<question> peer_;
  std::uint64_t open_;
  std::uint64_t total_;
  std::latch* done_;
  std::uint64_t asked_ = 0;
  std::uint64_t answered_ = 0;
};

nanoseconds pass(odeon::actor_system& system, std::uint64_t open, std::uint64_t total) {
  std::latch done(1);
  auto peer = system.spawn<answerer>();
  auto one = system.spawn<asker>(peer, open, total, &done);
  std::vector<odeon::any_ref> actors{peer, one};
  auto begin = clock::now();
  one.tell<start>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t total = opt.scaled(ask_inside::asks, opt.size);
  auto elapsed =
      warmed(total, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("round_trip", elapsed, total);
}

const registration entry{"ask_inside", ask_inside::open, run};

}  // namespace
}  // namespace bench
