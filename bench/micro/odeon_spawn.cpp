/// How many actors a second can be spawned, told one thing and stopped?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct next {};
struct hit {};

/// One batch's tally: the last child whose state is destroyed tells the parent to go on.
struct tally {
  std::atomic<std::uint64_t> alive = 0;
  std::atomic<std::uint64_t> handled = 0;
};

class child : public odeon::actor<hit> {
 public:
  child(tally* count, odeon::actor_ref<next> parent) : count_(count), parent_(std::move(parent)) {}
  ~child() {
    if (count_->alive.fetch_sub(1) == 1) parent_.tell<next>();
  }

  void on(hit) {
    count_->handled.fetch_add(1, std::memory_order_relaxed);
    ctx().stop();
  }

 private:
  tally* count_;
  odeon::actor_ref<next> parent_;
};

class parent : public odeon::actor<next> {
 public:
  parent(std::uint64_t batch, std::uint64_t total, tally* count, std::latch* done)
      : batch_(batch),
        left_(total),
        count_(count),
        done_(done) {}

  void on(next) {
    std::uint64_t now = std::min(left_, batch_);
    if (now == 0) {
      done_->count_down();
      return;
    }
    left_ -= now;
    count_->alive = now;
    for (std::uint64_t i = 0; i < now; ++i) ctx().spawn<child>(count_, self()).tell<hit>();
  }

 private:
  std::uint64_t batch_;
  std::uint64_t left_;
  tally* count_;
  std::latch* done_;
};

nanoseconds pass(odeon::actor_system& system, std::uint64_t batch, std::uint64_t total) {
  std::latch done(1);
  tally count;
  std::vector<parent::ref> actors{system.spawn<parent>(batch, total, &count, &done)};
  auto begin = clock::now();
  actors[0].tell<next>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  require(count.handled == total, "not every spawned actor handled its message");
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t total = opt.scaled(spawn::actors);
  auto elapsed = warmed(total, 1, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.rate("throughput", elapsed, total);
}

const registration entry{"spawn", spawn::batch, run};

}  // namespace
}  // namespace bench
