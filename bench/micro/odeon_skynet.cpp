/// How long does a tree of actors take that fans out by ten, sums its leaves and goes away?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct start {};
struct sum {
  std::uint64_t value;
};

/// A node of `size` leaves numbered from `first`; a leaf answers at once, an inner node when its
/// ten children have. Either stops then.
class node : public odeon::actor<sum> {
 public:
  node(odeon::actor_ref<sum> parent, std::uint64_t first, std::uint64_t size)
      : parent_(std::move(parent)),
        first_(first),
        size_(size) {}

  void pre_start() {
    if (size_ == 1) {
      answer(first_);
      return;
    }
    std::uint64_t part = size_ / skynet::fan_out;
    for (std::uint64_t i = 0; i < skynet::fan_out; ++i) {
      ctx().spawn<node>(self(), first_ + i * part, part);
    }
  }

  void on(sum msg) {
    sum_ += msg.value;
    if (--open_ == 0) answer(sum_);
  }

 private:
  void answer(std::uint64_t value) {
    parent_.tell<sum>(value);
    ctx().stop();
  }

  odeon::actor_ref<sum> parent_;
  std::uint64_t first_;
  std::uint64_t size_;
  std::uint64_t sum_ = 0;
  std::size_t open_ = skynet::fan_out;
};

class root : public odeon::actor<start, sum> {
 public:
  root(std::uint64_t leaves, std::latch* done, std::uint64_t* result)
      : leaves_(leaves),
        done_(done),
        result_(result) {}

  void on(start) { ctx().spawn<node>(self(), std::uint64_t{0}, leaves_); }
  void on(sum msg) {
    *result_ = msg.value;
    done_->count_down();
  }

 private:
  std::uint64_t leaves_;
  std::latch* done_;
  std::uint64_t* result_;
};

nanoseconds pass(odeon::actor_system& system, std::uint64_t leaves) {
  std::latch done(1);
  std::uint64_t result = 0;
  std::vector<root::ref> actors{system.spawn<root>(leaves, &done, &result)};
  auto begin = clock::now();
  actors[0].tell<start>();
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  require(result == skynet::expected(leaves), "the tree's sum is wrong");
  return elapsed;
}

void run(const options& opt, report& out) {
  require(skynet::fits(opt.size), "the number of leaves must be a power of ten");
  odeon::actor_system system("bench", system_options(opt));
  static_cast<void>(pass(system, std::max<std::uint64_t>(1, opt.size / skynet::fan_out)));
  auto elapsed = pass(system, opt.size);
  out.add("total", "ms", better::lower, static_cast<double>(elapsed.count()) / 1e6);
}

const registration entry{"skynet", skynet::leaves, run};

}  // namespace
}  // namespace bench
