/// How many messages a second can many senders push into one actor?

#include "caf_support.hpp"

namespace bench {
namespace {

struct receiver_state {
  std::uint64_t left = 0;
};

caf::behavior receiver(caf::stateful_actor<receiver_state>* self, std::uint64_t messages,
                       std::latch* done) {
  self->state.left = messages;
  return {
      [=](std::uint64_t) {
        if (--self->state.left == 0) done->count_down();
      },
  };
}

struct sender_state {
  std::uint64_t left = 0;
};

/// Sends a burst a turn and tells itself to go on, so that no sender holds a worker for long.
caf::behavior sender(caf::stateful_actor<sender_state>* self, caf::actor peer,
                     std::uint64_t messages) {
  self->state.left = messages;
  return {
      [=](next_atom) {
        auto& left = self->state.left;
        std::uint64_t burst = std::min(left, fanin::burst);
        for (std::uint64_t i = 0; i < burst; ++i) self->send(peer, i);
        left -= burst;
        if (left != 0) self->send(self, next_atom::value);
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t senders, std::uint64_t messages) {
  std::latch done(1);
  std::vector<caf::actor> actors;
  actors.push_back(system.spawn(receiver, messages, &done));
  for (std::size_t i = 0; i < senders; ++i) {
    actors.push_back(system.spawn(sender, actors[0], share(messages, senders, i)));
  }
  auto begin = clock::now();
  for (std::size_t i = 1; i <= senders; ++i) caf::anon_send(actors[i], next_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t messages = opt.scaled(fanin::messages, opt.size);
  auto elapsed =
      warmed(messages, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, messages);
}

const registration entry{"fanin", fanin::senders, run};

}  // namespace
}  // namespace bench
