/// How many messages a second go from one actor to another when the sender never waits?

#include "caf_support.hpp"

namespace bench {
namespace {

struct receiver_state {
  std::uint64_t expected = 0;
  std::uint64_t seen = 0;
  std::uint64_t sum = 0;
};

/// Counts a flood; when it is whole, checks it and asks the sender for the next.
caf::behavior receiver(caf::stateful_actor<receiver_state>* self, std::uint64_t flood,
                       std::atomic<bool>* wrong) {
  self->state.expected = flood;
  return {
      [=](std::uint64_t value) {
        auto& state = self->state;
        state.sum += value;
        if (++state.seen == state.expected) {
          if (state.sum != flood * (flood - 1) / 2) *wrong = true;
          state.seen = state.sum = 0;
          self->send(caf::actor_cast<caf::actor>(self->current_sender()), next_atom::value);
        }
      },
  };
}

struct sender_state {
  std::uint64_t floods = 0;
};

/// Sends a whole flood in one turn, as often as it is told to.
caf::behavior sender(caf::stateful_actor<sender_state>* self, caf::actor peer, std::uint64_t flood,
                     std::latch* done) {
  self->state.floods = tell::floods + 1;
  return {
      [=](next_atom) {
        if (--self->state.floods == 0) {
          done->count_down();
        } else {
          for (std::uint64_t i = 0; i < flood; ++i) self->send(peer, i);
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t pairs, std::uint64_t flood) {
  std::latch done(static_cast<std::ptrdiff_t>(pairs));
  std::atomic<bool> wrong = false;
  std::vector<caf::actor> actors;
  for (std::size_t i = 0; i < pairs; ++i) {
    actors.push_back(system.spawn(receiver, flood, &wrong));
    actors.push_back(system.spawn(sender, actors.back(), flood, &done));
  }
  auto begin = clock::now();
  for (std::size_t i = 0; i < pairs; ++i) caf::anon_send(actors[2 * i + 1], next_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  require(!wrong, "a receiver's sum is wrong");
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t flood = opt.scaled(tell::messages) / tell::floods / opt.size + 1;
  auto elapsed = warmed(flood, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, flood * tell::floods * opt.size);
}

const registration entry{"tell", tell::pairs, run};

}  // namespace
}  // namespace bench
