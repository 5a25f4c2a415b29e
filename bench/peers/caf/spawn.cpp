/// How many actors a second can be spawned, told one thing and stopped?

#include "caf_support.hpp"

namespace bench {
namespace {

/// One batch's tally: the last child whose state is destroyed tells the parent to go on.
struct tally {
  std::atomic<std::uint64_t> alive = 0;
  std::atomic<std::uint64_t> handled = 0;
};

class child : public caf::event_based_actor {
 public:
  child(caf::actor_config& cfg, tally* count, caf::actor parent)
      : caf::event_based_actor(cfg),
        count_(count),
        parent_(std::move(parent)) {}

  ~child() override {
    if (count_->alive.fetch_sub(1) == 1) caf::anon_send(parent_, next_atom::value);
  }

  caf::behavior make_behavior() override {
    return {
        [this](ping_atom) {
          count_->handled.fetch_add(1, std::memory_order_relaxed);
          quit();
        },
    };
  }

 private:
  tally* count_;
  caf::actor parent_;
};

struct parent_state {
  std::uint64_t left = 0;
};

caf::behavior parent(caf::stateful_actor<parent_state>* self, std::uint64_t batch,
                     std::uint64_t total, tally* count, std::latch* done) {
  self->state.left = total;
  return {
      [=](next_atom) {
        std::uint64_t now = std::min(self->state.left, batch);
        if (now == 0) {
          done->count_down();
          return;
        }
        self->state.left -= now;
        count->alive = now;
        for (std::uint64_t i = 0; i < now; ++i) {
          self->send(self->spawn<child>(count, caf::actor(self)), ping_atom::value);
        }
      },
  };
}

nanoseconds pass(caf::actor_system& system, std::size_t batch, std::uint64_t total) {
  std::latch done(1);
  tally count;
  std::vector<caf::actor> actors;
  actors.push_back(system.spawn(parent, batch, total, &count, &done));
  auto begin = clock::now();
  caf::anon_send(actors[0], next_atom::value);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  require(count.handled == total, "not every spawned actor handled its message");
  return elapsed;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  std::uint64_t total = opt.scaled(spawn::actors);
  auto elapsed = warmed(total, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, total);
}

const registration entry{"spawn", spawn::batch, run};

}  // namespace
}  // namespace bench
