/// How many messages a second go from one actor to another in acknowledged windows?

#include "caf_support.hpp"

namespace bench {
namespace {

struct receiver_state {
  std::uint64_t seen = 0;
};

caf::behavior receiver(caf::stateful_actor<receiver_state>* self, std::uint64_t window) {
  return {
      [=](std::uint64_t value) {
        if (value != self->state.seen) return;  // out of order: no acknowledgement ever comes
        if (++self->state.seen == window) {
          self->state.seen = 0;
          self->send(caf::actor_cast<caf::actor>(self->current_sender()), next_atom::value);
        }
      },
  };
}

struct sender_state {
  std::uint64_t windows = 0;
};

caf::behavior sender(caf::stateful_actor<sender_state>* self, caf::actor peer, std::uint64_t window,
                     std::uint64_t windows, std::latch* done) {
  self->state.windows = windows + 1;
  return {
      [=](next_atom) {
        if (--self->state.windows == 0) {
          done->count_down();
        } else {
          for (std::uint64_t i = 0; i < window; ++i) self->send(peer, i);
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t window, std::uint64_t windows) {
  std::latch done(1);
  std::vector<caf::actor> actors;
  actors.push_back(system.spawn(receiver, window));
  actors.push_back(system.spawn(sender, actors[0], window, windows, &done));
  auto begin = clock::now();
  caf::anon_send(actors[1], next_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t windows = opt.scaled(tell_window::messages) / opt.size + 1;
  auto elapsed = warmed(windows, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, windows * opt.size);
}

const registration entry{"tell_window", tell_window::window, run};

}  // namespace
}  // namespace bench
