/// What does one message cost when two actors take turns, and nothing else is going on?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct ping {};
struct pong {};
struct start {
  odeon::actor_ref<ping> peer;
  std::uint64_t rounds;
};

class ponger : public odeon::actor<ping> {
 public:
  explicit ponger(odeon::actor_ref<pong> peer) : peer_(std::move(peer)) {}
  void on(ping) { peer_.tell<pong>(); }

 private:
  odeon::actor_ref<pong> peer_;
};

class pinger : public odeon::actor<start, pong> {
 public:
  explicit pinger(std::latch* done) : done_(done) {}

  void on(start msg) {
    peer_ = std::move(msg.peer);
    left_ = msg.rounds;
    peer_.tell<ping>();
  }
  void on(pong) {
    if (--left_ == 0) {
      done_->count_down();
    } else {
      peer_.tell<ping>();
    }
  }

 private:
  std::latch* done_;
  odeon::actor_ref<ping> peer_;
  std::uint64_t left_ = 0;
};

nanoseconds pass(odeon::actor_system& system, std::size_t pairs, std::uint64_t rounds) {
  std::latch done(static_cast<std::ptrdiff_t>(pairs));
  std::vector<odeon::actor_ref<start, pong>> pingers;
  std::vector<odeon::actor_ref<ping>> pongers;
  for (std::size_t i = 0; i < pairs; ++i) {
    pingers.push_back(system.spawn<pinger>(&done));
    pongers.push_back(system.spawn<ponger>(pingers.back()));
  }
  auto begin = clock::now();
  for (std::size_t i = 0; i < pairs; ++i) {
    pingers[i].tell<start>(pongers[i], share(rounds, pairs, i));
  }
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, pingers);
  finish(system, pongers);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t rounds = opt.scaled(pingpong::messages / 2, opt.size);
  auto elapsed =
      warmed(rounds, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("message", elapsed, 2 * rounds);
}

const registration entry{"pingpong", pingpong::pairs, run};

}  // namespace
}  // namespace bench
