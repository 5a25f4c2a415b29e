/// How many messages a second go from one actor to another in acknowledged windows?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct item {
  std::uint64_t value;
};
struct next {};
struct attach {
  odeon::actor_ref<next> sender;
};

class receiver : public odeon::actor<item, attach> {
 public:
  explicit receiver(std::uint64_t window) : window_(window) {}

  void on(attach msg) { sender_ = std::move(msg.sender); }
  void on(item msg) {
    if (msg.value != seen_) return;  // out of order: no acknowledgement ever comes
    if (++seen_ == window_) {
      seen_ = 0;
      sender_.tell<next>();
    }
  }

 private:
  std::uint64_t window_;
  odeon::actor_ref<next> sender_;
  std::uint64_t seen_ = 0;
};

class sender : public odeon::actor<next> {
 public:
  sender(odeon::actor_ref<item> peer, std::uint64_t window, std::uint64_t windows, std::latch* done)
      : peer_(std::move(peer)),
        window_(window),
        left_(windows),
        done_(done) {}

  void on(next) {
    if (left_ == 0) {
      done_->count_down();
    } else {
      --left_;
      for (std::uint64_t i = 0; i < window_; ++i) peer_.tell<item>(i);
    }
  }

 private:
  odeon::actor_ref<item> peer_;
  std::uint64_t window_;
  std::uint64_t left_;
  std::latch* done_;
};

nanoseconds pass(odeon::actor_system& system, std::uint64_t window, std::uint64_t windows) {
  std::latch done(1);
  auto to = system.spawn<receiver>(window);
  auto from = system.spawn<sender>(to, window, windows, &done);
  to.tell<attach>(from);
  std::vector<odeon::any_ref> actors{to, from};
  auto begin = clock::now();
  from.tell<next>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t windows = opt.scaled(tell_window::messages) / opt.size + 1;
  auto elapsed = warmed(windows, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, windows * opt.size);
}

const registration entry{"tell_window", tell_window::window, run};

}  // namespace
}  // namespace bench
