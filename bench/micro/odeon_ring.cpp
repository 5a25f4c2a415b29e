/// What does one hop cost when a single token goes round a ring of actors?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct token {
  std::uint64_t left;
};
struct join {
  odeon::actor_ref<token> next;
};

class member : public odeon::actor<join, token> {
 public:
  member(std::latch* ready, std::latch* done) : ready_(ready), done_(done) {}

  void on(join msg) {
    next_ = std::move(msg.next);
    ready_->count_down();
  }
  void on(token msg) {
    if (msg.left == 0) {
      done_->count_down();
    } else {
      next_.tell<token>(msg.left - 1);
    }
  }

 private:
  std::latch* ready_;
  std::latch* done_;
  odeon::actor_ref<token> next_;
};

nanoseconds pass(odeon::actor_system& system, std::size_t size, std::uint64_t hops) {
  std::latch ready(static_cast<std::ptrdiff_t>(size));
  std::latch done(1);
  std::vector<member::ref> actors;
  for (std::size_t i = 0; i < size; ++i) actors.push_back(system.spawn<member>(&ready, &done));
  for (std::size_t i = 0; i < size; ++i) actors[i].tell<join>(actors[(i + 1) % size]);
  ready.wait();
  auto begin = clock::now();
  actors[0].tell<token>(hops);
  done.wait();
  auto elapsed = clock::now() - begin;
  finish(system, actors);
  return elapsed;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  std::uint64_t hops = opt.scaled(ring::hops, opt.size);
  auto elapsed = warmed(hops, opt.size, [&](std::uint64_t n) { return pass(system, opt.size, n); });
  out.each_ns("hop", elapsed, hops);
}

const registration entry{"ring", ring::actors, run};

}  // namespace
}  // namespace bench
