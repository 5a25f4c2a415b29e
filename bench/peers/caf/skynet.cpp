/// How long does a tree of actors take that fans out by ten, sums its leaves and goes away?

#include "caf_support.hpp"

namespace bench {
namespace {

struct node_state {
  std::uint64_t sum = 0;
  std::size_t open = skynet::fan_out;
};

/// A node of `size` leaves numbered from `first`; a leaf answers at once, an inner node when its
/// ten children have. Either stops then.
caf::behavior node(caf::stateful_actor<node_state>* self, caf::actor parent, std::uint64_t first,
                   std::uint64_t size) {
  if (size == 1) {
    self->send(parent, first);
    return {};
  }
  for (std::uint64_t i = 0; i < skynet::fan_out; ++i) {
    std::uint64_t part = size / skynet::fan_out;
    self->spawn(node, caf::actor(self), first + i * part, part);
  }
  return {
      [=](std::uint64_t sum) {
        auto& state = self->state;
        state.sum += sum;
        if (--state.open == 0) {
          self->send(parent, state.sum);
          self->quit();
        }
      },
  };
}

caf::behavior root(caf::event_based_actor* self, std::uint64_t leaves, std::latch* done,
                   std::uint64_t* result) {
  return {
      [=](start_atom) { self->spawn(node, caf::actor(self), std::uint64_t{0}, leaves); },
      [=](std::uint64_t sum) {
        *result = sum;
        done->count_down();
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::uint64_t leaves) {
  std::latch done(1);
  std::uint64_t result = 0;
  std::vector<caf::actor> actors{system.spawn(root, leaves, &done, &result)};
  auto begin = clock::now();
  caf::anon_send(actors[0], start_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  require(result == skynet::expected(leaves), "the tree's sum is wrong");
  return elapsed;
}

void run(const options& opt, report& out) {
  require(skynet::fits(opt.size), "the number of leaves must be a power of ten");
  caf_config config(opt.threads);
  caf::actor_system system(config);
  static_cast<void>(pass(system, std::max<std::uint64_t>(1, opt.size / skynet::fan_out)));
  auto elapsed = pass(system, opt.size);
  out.add("total", "ms", better::lower, static_cast<double>(elapsed.count()) / 1e6);
}

const registration entry{"skynet", skynet::leaves, run};

}  // namespace
}  // namespace bench
