/// What does it cost to set a timer among many, and to take it back?

#include "odeon_support.hpp"

namespace bench {
namespace {

struct figures {
  nanoseconds schedule{};
  nanoseconds cancel{};
};

struct start {
  std::uint64_t open;
};
struct tick {};

class owner : public odeon::actor<start, tick> {
 public:
  owner(figures* out, std::latch* done) : out_(out), done_(done) {}

  void on(start msg) {
    std::vector<odeon::timer> set(msg.open);
    random draw(1);
    auto begin = clock::now();
    for (odeon::timer& t : set) {
      auto delay = timers::nearest + std::chrono::milliseconds(draw.below(timers::spread_ms));
      t = ctx().send_after(delay, tick{});
    }
    auto middle = clock::now();
    for (odeon::timer& t : set) t.cancel();
    auto end = clock::now();
    *out_ = {middle - begin, end - middle};
    done_->count_down();
  }
  void on(tick) {}

 private:
  figures* out_;
  std::latch* done_;
};

figures pass(odeon::actor_system& system, std::uint64_t open) {
  figures out;
  std::latch done(1);
  std::vector<owner::ref> actors{system.spawn<owner>(&out, &done)};
  actors[0].tell<start>(open);
  done.wait();
  finish(system, actors);
  return out;
}

void run(const options& opt, report& out) {
  odeon::actor_system system("bench", system_options(opt));
  static_cast<void>(pass(system, std::max<std::uint64_t>(1, opt.size / 10)));
  figures measured = pass(system, opt.size);
  out.each_ns("schedule", measured.schedule, opt.size);
  out.each_ns("cancel", measured.cancel, opt.size);
}

const registration entry{"timers", timers::open, run};

}  // namespace
}  // namespace bench
