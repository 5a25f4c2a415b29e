/// How many messages a second can many senders push into one actor?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct item {
  std::uint64_t value;
};
struct next {};

class receiver : public odeon::actor<item> {
 public:
  receiver(std::uint64_t messages, std::latch* done) : left_(messages), done_(done) {}
  void on(item) {
    if (--left_ == 0) done_->count_down();
  }

 private:
  std::uint64_t left_;
  std::latch* done_;
};

/// Sends a burst a turn and tells itself to go on, so that no sender holds a worker for long.
class sender : public odeon::actor<next> {
 public:
  sender(odeon::actor_ref<item> peer, std::uint64_t messages)
      : peer_(std::move(peer)),
        left_(messages) {}

  void on(next) {
    std::uint64_t burst = std::min(left_, fanin::burst);
    for (std::uint64_t i = 0; i < burst; ++i) peer_.tell<item>(i);
    left_ -= burst;
    if (left_ != 0) self().tell<next>();
  }

 private:
  odeon::actor_ref<item> peer_;
  std::uint64_t left_;
};

nanoseconds pass(odeon::actor_system& system, std::size_t count, std::uint64_t messages) {
  std::latch done(1);
  std::vector<receiver::ref> receivers{system.spawn<receiver>(messages, &done)};
  std::vector<sender::ref> senders;
  for (std::size_t i = 0; i < count; ++i) {
    senders.push_back(system.spawn<sender>(receivers[0], share(messages, count, i)));
  }
  auto begin = clock::now();
  for (const auto& s : senders) s.tell<next>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, senders);
  finish(system, receivers);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t messages = opt.scaled(fanin::messages, opt.size);
  auto elapsed =
      warmed(messages, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, messages);
}

const registration entry{"fanin", fanin::senders, run};

}  // namespace
}  // namespace bench
