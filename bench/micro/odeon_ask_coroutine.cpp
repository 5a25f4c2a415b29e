/// What does a message cost whose handler is a coroutine that awaits an ask?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct question {
  using reply = std::uint64_t;
  std::uint64_t value;
};
struct round {
  std::uint64_t left;
};

class answerer : public odeon::actor<question> {
 public:
  std::uint64_t on(question msg) { return msg.value + 1; }
};

/// Awaits one ask a message, then tells itself the next round. A wrong answer ends in no more
/// rounds, and the program waits for ever.
class asker : public odeon::actor<round> {
 public:
  asker(odeon::actor_ref<question> peer, std::latch* done) : peer_(std::move(peer)), done_(done) {}

  odeon::task<void> on(round msg) {
    std::uint64_t answer = co_await peer_.ask<question>(msg.left);
    if (answer != msg.left + 1) co_return;
    if (msg.left == 1) {
      done_->count_down();
    } else {
      self().tell<round>(msg.left - 1);
    }
  }

 private:
  odeon::actor_ref<question> peer_;
  std::latch* done_;
};

nanoseconds pass(odeon::actor_system& system, std::size_t askers, std::uint64_t asks) {
  std::latch done(static_cast<std::ptrdiff_t>(askers));
  std::vector<answerer::ref> peers;
  std::vector<asker::ref> actors;
  for (std::size_t i = 0; i < askers; ++i) {
    peers.push_back(system.spawn<answerer>());
    actors.push_back(system.spawn<asker>(peers.back(), &done));
  }
  auto begin = clock::now();
  for (std::size_t i = 0; i < askers; ++i) actors[i].tell<round>(share(asks, askers, i));
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  finish(system, peers);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t asks = opt.scaled(ask_coroutine::asks, opt.size);
  auto elapsed = warmed(asks, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("round_trip", elapsed, asks);
}

const registration entry{"ask_coroutine", ask_coroutine::askers, run};

}  // namespace
}  // namespace bench
