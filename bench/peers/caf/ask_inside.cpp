/// What does a round trip cost when one actor asks another?

#include "caf_support.hpp"

namespace bench {
namespace {

caf::behavior answerer() {
  return {[](std::uint64_t question) { return question + 1; }};
}

struct asker_state {
  std::uint64_t asked = 0;
  std::uint64_t answered = 0;
};

/// Keeps `open` asks going: each answer asks the next.
class asker : public caf::stateful_actor<asker_state> {
 public:
  asker(caf::actor_config& cfg, caf::actor peer, std::uint64_t open, std::uint64_t total,
        std::latch* done)
      : caf::stateful_actor<asker_state>(cfg),
        peer_(std::move(peer)),
        open_(open),
        total_(total),
        done_(done) {}

  caf::behavior make_behavior() override {
    return {
        [this](start_atom) {
          for (std::uint64_t i = 0; i < open_; ++i) ask();
        },
    };
  }

 private:
  void ask() {
    std::uint64_t question = state.asked++;
    request(peer_, caf::infinite, question).then([this, question](std::uint64_t answer) {
      if (answer == question + 1) ++state.answered;
      if (state.answered == total_) {
        done_->count_down();
      } else if (state.asked < total_) {
        ask();
      }
    });
  }

  caf::actor peer_;
  std::uint64_t open_;
  std::uint64_t total_;
  std::latch* done_;
};

nanoseconds pass(caf::actor_system& system, std::uint64_t open, std::uint64_t total) {
  std::latch done(1);
  std::vector<caf::actor> actors{system.spawn(answerer)};
  actors.push_back(system.spawn<asker>(actors[0], open, total, &done));
  auto begin = clock::now();
  caf::anon_send(actors[1], start_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t total = opt.scaled(ask_inside::asks, opt.size);
  auto elapsed =
      warmed(total, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("round_trip", elapsed, total);
}

const registration entry{"ask_inside", ask_inside::open, run};

}  // namespace
}  // namespace bench
