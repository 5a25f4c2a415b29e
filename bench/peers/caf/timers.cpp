/// What does it cost to set a timer among many, and to take it back?
///
/// CAF 0.17 cannot take back a delayed message; the timer that it can cancel is the deadline of
/// a request, so that one is measured, through the actor's clock.

#include "caf_support.hpp"

namespace bench {
namespace {

struct figures {
  nanoseconds schedule{};
  nanoseconds cancel{};
};

caf::behavior owner(caf::event_based_actor* self, figures* out, std::latch* done) {
  return {
      [=](std::uint64_t open) {
        std::vector<caf::message_id> ids(open);
        random draw(1);
        auto begin = clock::now();
        for (caf::message_id& id : ids) {
          id = self->new_request_id(caf::message_priority::normal).response_id();
          auto delay = timers::nearest + std::chrono::milliseconds(draw.below(timers::spread_ms));
          self->clock().set_request_timeout(self->clock().now() + delay, self, id);
        }
        auto middle = clock::now();
        for (const caf::message_id& id : ids) self->clock().cancel_request_timeout(self, id);
        auto end = clock::now();
        *out = {middle - begin, end - middle};
        done->count_down();
      },
  };
}

figures pass(caf::actor_system& system, std::uint64_t open) {
  figures out;
  std::latch done(1);
  std::vector<caf::actor> actors{system.spawn(owner, &out, &done)};
  caf::anon_send(actors[0], open);
  done.wait();
  finish(system, actors);
  return out;
}

void run(const options& opt, report& out) {
  caf_config config(opt.threads);
  caf::actor_system system(config);
  static_cast<void>(pass(system, std::max<std::uint64_t>(1, opt.size / 10)));
  figures measured = pass(system, opt.size);
  out.each_ns("schedule", measured.schedule, opt.size);
  out.each_ns("cancel", measured.cancel, opt.size);
}

const registration entry{"timers", timers::open, run};

}  // namespace
}  // namespace bench
