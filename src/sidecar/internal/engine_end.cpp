// An engine's end, in order: (1) `draining`: nothing new is taken in; actors finish what is queued,
// what that wants of other actors included, store their states and leave. (2) When three quarters
// of the time are over the others are told to end at once: what they have is answered with `error`.
// (3) When nobody is active, or the time is over, whoever waits is told how many are left. (4)
// `ended`, with the engine: no actor is made any more, and what is left is told to end at once.

#include "sidecar/internal/engine_core.hpp"

#include <algorithm>
#include <utility>

namespace odeon::sidecar::detail {

namespace {

struct stop_step {
  bool last;
};
/// Gives those that do not finish by themselves a last part of the time to store their states.
class stopper : public actor<stop_step> {
 public:
  stopper(const std::weak_ptr<engine_core>& core, duration limit) : core_(core), limit_(limit) {}
  void pre_start() {
    ctx().send_after(limit_ * 3 / 4, stop_step{false});
    ctx().send_after(limit_, stop_step{true});
  }
  void on(stop_step m) {
    const auto core = core_.lock();
    if (core && m.last) core->stopped();
    if (core && !m.last) core->where.tell_all([](const entity_ref& e) { e.tell<finish>(true); });
    if (!core || m.last) ctx().stop();
  }

 private:
  std::weak_ptr<engine_core> core_;
  duration limit_;
};

}  // namespace

future<std::size_t> engine_core::stop(duration limit) {
  auto [to, out] = promise<std::size_t>::make(rt);
  life running = life::running;
  life_.compare_exchange_strong(running, life::draining);
  {
    std::lock_guard guard(mutex_);
    stopped_.push_back(std::move(to));
  }
  where.tell_all([](const entity_ref& e) { e.tell<finish>(false); });
  if (where.active() == 0)
    stopped();
  else
    actors.spawn<stopper>(weak_from_this(), limit);
  return std::move(out);
}

void engine_core::nobody_is_active() {
  if (life_.load() != life::running) stopped();
}

void engine_core::stopped() {
  std::vector<promise<std::size_t>> all;
  {
    std::lock_guard guard(mutex_);
    all.swap(stopped_);
  }
  const std::size_t left = where.active() + unsaved.load();
  for (auto& p : all) p.set(left);
}

void engine_core::shut_down() {
  life_.store(life::ended);
  where.close();
  where.tell_all([](const entity_ref& e) { e.tell<finish>(true); });
  actors.stop(scheduler_);
  actors.stop(book_);
  set_elsewhere(nullptr);
}

engine_figures engine_core::figures() const {
  engine_figures f;
  f.active_now = where.active();
  f.waiting_now = where.waiting();
  if (const time_point since = where.waits_since(); since != time_point::max())
    f.oldest_waiting = std::max(now() - since, duration::zero());
  f.waiting_bytes = queued_bytes.load();
  f.calls_now = defs.calls_under_way();
  const auto take = [](std::uint64_t& to, const counters::count& from) { to = from.load(); };
  take(f.activations, counts.activations);
  take(f.deactivations, counts.deactivations);
  take(f.invocations, counts.invocations);
  take(f.succeeded, counts.succeeded);
  take(f.failed, counts.failed);
  take(f.not_found, counts.not_found);
  take(f.effects, counts.effects);
  take(f.broadcasts, counts.broadcasts);
  take(f.pipes, counts.pipes);
  take(f.forwards, counts.forwards);
  take(f.timers, counts.timers);
  take(f.scheduled, counts.scheduled);
  take(f.snapshots, counts.snapshots);
  take(f.checkpoints, counts.checkpoints);
  take(f.store_failures, counts.store_failures);
  take(f.fenced, counts.fenced);
  take(f.app_failures, counts.app_failures);
  take(f.app_retries, counts.app_retries);
  take(f.cycles, counts.cycles);
  return f;
}

}  // namespace odeon::sidecar::detail
