/// What does one message cost when two actors take turns, and nothing else is going on?

#include "caf_support.hpp"

namespace bench {
namespace {

caf::behavior ponger(caf::event_based_actor* self, caf::actor peer, std::latch* ready) {
  ready->count_down();
  return {[=](ping_atom) { self->send(peer, pong_atom::value); }};
}

struct pinger_state {
  pinger_state() = default;  // no aggregate: CAF would set the first member to the actor
  caf::actor peer;
  std::uint64_t left = 0;
};

caf::behavior pinger(caf::stateful_actor<pinger_state>* self, std::latch* done) {
  return {
      [=](start_atom, const caf::actor& peer, std::uint64_t rounds) {
        self->state.peer = peer;
        self->state.left = rounds;
        self->send(peer, ping_atom::value);
      },
      [=](pong_atom) {
        if (--self->state.left == 0) {
          done->count_down();
        } else {
          self->send(self->state.peer, ping_atom::value);
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t pairs, std::uint64_t rounds) {
  std::latch ready(static_cast<std::ptrdiff_t>(pairs));
  std::latch done(static_cast<std::ptrdiff_t>(pairs));
  std::vector<caf::actor> actors;
  for (std::size_t i = 0; i < pairs; ++i) {
    actors.push_back(system.spawn(pinger, &done));
    actors.push_back(system.spawn(ponger, actors.back(), &ready));
  }
  ready.wait();
  auto begin = clock::now();
  for (std::size_t i = 0; i < pairs; ++i) {
    caf::anon_send(actors[2 * i], start_atom::value, actors[2 * i + 1], share(rounds, pairs, i));
  }
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t rounds = opt.scaled(pingpong::messages / 2, opt.size);
  auto elapsed =
      warmed(rounds, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("message", elapsed, 2 * rounds);
}

const registration entry{"pingpong", pingpong::pairs, run};

}  // namespace
}  // namespace bench
