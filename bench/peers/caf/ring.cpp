/// What does one hop cost when a single token goes round a ring of actors?

#include "caf_support.hpp"

namespace bench {
namespace {

struct member_state {
  member_state() = default;  // no aggregate: CAF would set the first member to the actor
  caf::actor next;
};

caf::behavior member(caf::stateful_actor<member_state>* self, std::latch* ready, std::latch* done) {
  return {
      [=](start_atom, const caf::actor& next) {
        self->state.next = next;
        ready->count_down();
      },
      [=](std::uint64_t left) {
        if (left == 0) {
          done->count_down();
        } else {
          self->send(self->state.next, left - 1);
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t size, std::uint64_t hops) {
  std::latch ready(static_cast<std::ptrdiff_t>(size));
  std::latch done(1);
  std::vector<caf::actor> actors;
  for (std::size_t i = 0; i < size; ++i) actors.push_back(system.spawn(member, &ready, &done));
  for (std::size_t i = 0; i < size; ++i) {
    caf::anon_send(actors[i], start_atom::value, actors[(i + 1) % size]);
  }
  ready.wait();
  auto begin = clock::now();
  caf::anon_send(actors[0], hops);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t hops = opt.scaled(ring::hops, opt.size);
  auto elapsed = warmed(hops, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("hop", elapsed, hops);
}

const registration entry{"ring", ring::actors, run};

}  // namespace
}  // namespace bench
