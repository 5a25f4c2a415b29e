#include <odeon/pattern/backoff.hpp>

namespace odeon::detail {

namespace {

struct knock {};
class gone final : public actor<knock> {
 public:
  void on(knock) {}
};

}  // namespace

backoff_core::backoff_core(backoff_settings s)
    : settings_(std::move(s)),
      pauses_(odeon::schedule::exponential(settings_.min, settings_.max, settings_.jitter)) {}

spawn_options backoff_core::options_of_child() const {
  spawn_options o = settings_.child;
  if (!settings_.on_failure) return o;
  supervision& s = o.supervision;
  if (settings_.meanwhile == backoff_messages::keep) {
    s.otherwise = directive::restart;
    s.max_retries = settings_.max_restarts;
    s.within = settings_.reset_after;
    s.backoff = {settings_.min, settings_.max, 2.0, settings_.jitter};
  } else {
    // The front actor must know of the pause: so the child ends.
    s.otherwise = directive::stop;
    for (auto& d : s.decider)
      if (d.what == directive::restart) d.what = directive::stop;
  }
  return o;
}

void backoff_core::ended(context& ctx, const exit_reason& why, bool at_start) {
  const bool failed = why.kind == exit_kind::failed;
  // Kept messages mean that the child's own supervision has done the restarts there were to be.
  const bool again =
      failed ? settings_.on_failure && (at_start || settings_.meanwhile == backoff_messages::reject)
             : settings_.on_stop;
  if (!again && !failed) {
    ctx.stop();
    return;
  }
  if (!again) throw actor_error(errc::restart_limit, "its child ended for good: " + why.text);
  if (in_a_row_ >= settings_.max_restarts)
    throw actor_error(errc::restart_limit,
                      "its child was started anew " + std::to_string(in_a_row_) +
                          " times in a row, and ended again (" + to_string(why) + ")");
  ++in_a_row_;
  ++pause_;
  actor_system& system = ctx.system();
  const duration pause = pauses_.delay_for(in_a_row_, system.get_runtime());
  system.events().publish(backoff_paused{ctx.self(), ctx.path(), pause, in_a_row_, to_string(why)});
  ctx.send_after(pause, backoff_due{pause_});
}

void backoff_core::started(context& ctx) {
  if (in_a_row_ > 0 && settings_.reset_after > duration::zero())
    ctx.send_after(settings_.reset_after, backoff_quiet{pause_});
}

void backoff_core::quiet(backoff_quiet q) noexcept {
  if (q.n == pause_) in_a_row_ = 0;
}

any_ref backoff_core::nobody(context& ctx) {
  auto ref = ctx.spawn<gone>();
  ctx.stop(ref);
  return ref;
}

}  // namespace odeon::detail
