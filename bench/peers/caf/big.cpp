/// How many messages a second flow when many actors ping random others all at once?

#include "caf_support.hpp"

namespace bench {
namespace {

using crowd = std::vector<caf::actor>;

struct member_state {
  random draw{0};
  std::uint64_t left = 0;
};

caf::behavior member(caf::stateful_actor<member_state>* self, const crowd* all, std::uint64_t index,
                     std::uint64_t pings, std::latch* done) {
  self->state.draw = random(index + 1);
  self->state.left = pings;
  auto send_ping = [=] {
    self->send((*all)[self->state.draw.below(all->size())], ping_atom::value, index);
  };
  return {
      [=](start_atom) { send_ping(); },
      [=](ping_atom, std::uint64_t from) { self->send((*all)[from], pong_atom::value); },
      [=](pong_atom) {
        if (--self->state.left == 0) {
          done->count_down();
        } else {
          send_ping();
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t size, std::uint64_t pings) {
  std::latch done(static_cast<std::ptrdiff_t>(size));
  crowd actors;
  actors.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    actors.push_back(
        system.spawn(member, &actors, static_cast<std::uint64_t>(i), share(pings, size, i), &done));
  }
  auto begin = clock::now();
  for (const caf::actor& a : actors) caf::anon_send(a, start_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t pings = opt.scaled(big::pings, opt.size);
  auto elapsed =
      warmed(pings, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, 2 * pings);
}

const registration entry{"big", big::actors, run};

}  // namespace
}  // namespace bench
