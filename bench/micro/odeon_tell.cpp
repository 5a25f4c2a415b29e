/// How many messages a second go from one actor to another when the sender never waits?

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

/// Counts a flood; when it is whole, checks it and asks the sender for the next.
class receiver : public odeon::actor<item, attach> {
 public:
  receiver(std::uint64_t flood, std::atomic<bool>* wrong) : flood_(flood), wrong_(wrong) {}

  void on(attach msg) { sender_ = std::move(msg.sender); }
  void on(item msg) {
    sum_ += msg.value;
    if (++seen_ == flood_) {
      if (sum_ != flood_ * (flood_ - 1) / 2) *wrong_ = true;
      seen_ = sum_ = 0;
      sender_.tell<next>();
    }
  }

 private:
  std::uint64_t flood_;
  std::atomic<bool>* wrong_;
  odeon::actor_ref<next> sender_;
  std::uint64_t seen_ = 0;
  std::uint64_t sum_ = 0;
};

/// Sends a whole flood in one turn, as often as it is told to.
class sender : public odeon::actor<next> {
 public:
  sender(odeon::actor_ref<item> peer, std::uint64_t flood, std::latch* done)
      : peer_(std::move(peer)),
        flood_(flood),
        done_(done) {}

  void on(next) {
    if (left_ == 0) {
      done_->count_down();
    } else {
      --left_;
      for (std::uint64_t i = 0; i < flood_; ++i) peer_.tell<item>(i);
    }
  }

 private:
  odeon::actor_ref<item> peer_;
  std::uint64_t flood_;
  std::latch* done_;
  std::uint64_t left_ = tell::floods;
};

nanoseconds pass(odeon::actor_system& system, std::size_t pairs, std::uint64_t flood) {
  std::latch done(static_cast<std::ptrdiff_t>(pairs));
  std::atomic<bool> wrong = false;
  std::vector<receiver::ref> receivers;
  std::vector<sender::ref> senders;
  for (std::size_t i = 0; i < pairs; ++i) {
    receivers.push_back(system.spawn<receiver>(flood, &wrong));
    senders.push_back(system.spawn<sender>(receivers.back(), flood, &done));
    receivers.back().tell<attach>(senders.back());
  }
  auto begin = clock::now();
  for (const auto& s : senders) s.tell<next>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, receivers);
  finish(system, senders);
  require(!wrong, "a receiver's sum is wrong");
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t flood = opt.scaled(tell::messages) / tell::floods / opt.size + 1;
  auto elapsed = warmed(flood, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, flood * tell::floods * opt.size);
}

const registration entry{"tell", tell::pairs, run};

}  // namespace
}  // namespace bench
