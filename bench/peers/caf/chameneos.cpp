/// How many meetings a second can one busy broker arrange between many actors?

#include "caf_support.hpp"

namespace bench {
namespace {

using chameneos::colour;

struct creature_state {
  colour own{};
  std::uint64_t met = 0;
};

/// Asks the mall for a partner, changes colour with it, asks again, until the mall is closed.
caf::behavior creature(caf::stateful_actor<creature_state>* self, caf::actor mall,
                       std::uint8_t first) {
  self->state.own = static_cast<colour>(first);
  auto met = [=](std::uint8_t other) {
    auto& state = self->state;
    state.own = chameneos::complement(state.own, static_cast<colour>(other));
    ++state.met;
    self->send(mall, ping_atom::value, self, static_cast<std::uint8_t>(state.own));
  };
  return {
      [=](start_atom) {
        self->send(mall, ping_atom::value, self, static_cast<std::uint8_t>(self->state.own));
      },
      [=](ping_atom, const caf::actor& partner, std::uint8_t other) {
        self->send(partner, pong_atom::value, static_cast<std::uint8_t>(self->state.own));
        met(other);
      },
      [=](pong_atom, std::uint8_t other) { met(other); },
      [=](done_atom) { self->send(mall, done_atom::value, self->state.met); },
  };
}

struct mall_state {
  mall_state() = default;  // no aggregate: CAF would set the first member to the actor
  caf::actor waiting;
  std::uint64_t left = 0;
  std::size_t open = 0;
  std::uint64_t met = 0;
};

/// Brings creatures together two by two; after the last meeting it collects their counts.
caf::behavior mall(caf::stateful_actor<mall_state>* self, std::size_t creatures,
                   std::uint64_t meetings, std::latch* done, std::uint64_t* met) {
  self->state.left = meetings;
  self->state.open = creatures;
  return {
      [=](ping_atom, const caf::actor& who, std::uint8_t own) {
        auto& state = self->state;
        if (state.left == 0) {
          self->send(who, done_atom::value);
        } else if (!state.waiting) {
          state.waiting = who;
        } else {
          --state.left;
          self->send(state.waiting, ping_atom::value, who, own);
          state.waiting = nullptr;
        }
      },
      [=](done_atom, std::uint64_t count) {
        self->state.met += count;
        if (--self->state.open == 0) {
          *met = self->state.met;
          done->count_down();
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t creatures, std::uint64_t meetings) {
  std::latch done(1);
  std::uint64_t met = 0;
  std::vector<caf::actor> actors;
  actors.push_back(system.spawn(mall, creatures, meetings, &done, &met));
  for (std::size_t i = 0; i < creatures; ++i) {
    actors.push_back(system.spawn(creature, actors[0], static_cast<std::uint8_t>(i % 3)));
  }
  auto begin = clock::now();
  for (std::size_t i = 1; i <= creatures; ++i) caf::anon_send(actors[i], start_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  require(met == 2 * meetings, "the creatures' meetings do not add up");
  return elapsed;
}

void run(const options& opt, report& out) {
  require(opt.size >= 2, "two creatures are the least that can meet");
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t meetings = opt.scaled(chameneos::meetings);
  auto elapsed = warmed(meetings, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("meetings", elapsed, meetings);
}

const registration entry{"chameneos", chameneos::creatures, run};

}  // namespace
}  // namespace bench
