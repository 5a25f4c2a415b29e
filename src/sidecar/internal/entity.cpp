// Protocol. All of it runs on the entity's turns; the store and the app answer by messages. Its
// life: the state is opened (a stateless one has nothing to open), the init action runs, then what
// is queued, one run at a time. `leaving_`: the directory has agreed that nothing is on its way,
// and holds what comes; the state is stored, and it departs. Whatever is unanswered when it ends,
// in its queue or mailbox, is answered by the request's destructor.
//
// A run is known by its number, and each attempt at the app by its own: an answer that comes after
// the deadline, or for an earlier attempt, finds no match and changes nothing.

#include "sidecar/internal/entity.hpp"

#include "sidecar/internal/engine_core.hpp"
#include <odeon/task/future.hpp>

#include <algorithm>
#include <utility>

namespace odeon::sidecar::detail {

entity::entity(std::shared_ptr<const entity_seed> seed)
    : seed_(std::move(seed)),
      core_(seed_->core.lock()) {}

void entity::pre_start() {
  if (!core_) return ctx().stop();
  last_used_ = core_->now();
  refresh_definition();
  // Forgotten since it was routed to. It ends, so that one that is registered again begins with its
  // state.
  if (!def_) return fail_all("no app has '" + seed_->of + "' any more");
  stateful_ = is_stateful();
  if (!stateful_) return begin_life();
  core_->store->open(seed_->stored_as, seed_->revision, [me = self()](result<opened_state> r) {
    me.tell<store_opened>(std::move(r));
  });
}

void entity::on(store_opened m) {
  if (ended_) return;
  if (opened_) {  // once more, after a write that failed
    if (!m.how) return saved(std::unexpected(std::move(m.how.error())));
    lease_ = std::move(m.how->lease);
    lease_good_ = true;
    return write();
  }
  if (!m.how) {
    core_->counts.store_failures.fetch_add(1);
    return fail_all("the state of '" + seed_->stored_as.name +
                    "' cannot be read: " + std::string(m.how.error().text()));
  }
  opened(*std::move(m.how));
}

void entity::opened(opened_state with) {
  lease_ = std::move(with.lease);
  lease_good_ = true;
  seed_->load->revision.store(lease_.revision);
  if (with.stored) {
    state_ = std::move(with.stored->state);
    dirty_ = with.stored->revision != lease_.revision;  // an older one: it becomes the newest
  } else if (def_) {
    state_ = def_->def.initial_state;
  }
  begin_life();
}

void entity::begin_life() {
  opened_ = true;
  const time_point t = core_->now();
  last_used_ = t;
  snapshot_from_ = t + core_->options.first_snapshot;
  spread_ = static_cast<std::uint16_t>(core_->rt.random_u64());
  for (look_at_state& l : std::exchange(looks_, {})) on(std::move(l));
  if (dirty_) arm_snapshot();
  subscribe();
  arm_timers();
  if (def_) arm_idle(idle_time());
  if (def_ && !def_->init.empty()) {
    auto init = std::make_unique<request>(core_);
    init->to = seed_->id;
    init->key = seed_->key;
    init->action = def_->init;
    init->from = origin::init;
    init->since = t;
    queue_.push_front(std::move(init));
  }
  next();
}

/// The definition may have been registered anew, with another app behind it.
void entity::refresh_definition() {
  const std::uint64_t now = core_->defs.generation();
  if (now == generation_) return;
  generation_ = now;
  auto fresh = core_->defs.template_of(seed_->id.system, seed_->of);
  if (fresh == def_) return;
  const bool had = def_ != nullptr;
  def_ = std::move(fresh);
  if (!had || !opened_) return;
  subscribe();
  arm_timers();
}

void entity::subscribe() {
  if (def_ && !def_->def.channel.empty() && def_->def.kind == actor_kind::unnamed)
    core_->defs.subscribe(seed_->id.system, def_->def.channel, seed_->id.name);
}

void entity::arm_timers() {
  ++timer_set_;
  if (!def_ || leaving_) return;
  for (std::size_t i = 0; i < def_->def.timers.size(); ++i)
    ctx().send_after(def_->def.timers[i].every, alarm{alarm_of::timer, timer_set_ << 16U | i});
}

void entity::on(redefined) {
  if (ended_) return;
  refresh_definition();
  if (run_ && run_->where == run::at::rest) attempt();
}

void entity::on(work m) {
  ++taken_;
  if (ended_) return;  // answered by its destructor
  if (at_once_) {
    m.what->answer({outcome::error, "the sidecar is stopping", {}});
    m.what.reset();
    return try_leave();
  }
  last_used_ = core_->now();
  m.what->note("it waits behind " + std::to_string(queue_.size() + (run_ ? 1 : 0)) +
               " others for '" + seed_->stored_as.name + "'");
  queue_.push_back(std::move(m.what));
  next();
}

void entity::on(alarm m) {
  if (ended_) return;
  const time_point t = core_->now();
  switch (m.what) {
    case alarm_of::idle: {
      idle_armed_ = false;
      const duration after = idle_time();
      const duration left = last_used_ + after - t;
      if (left <= duration::zero()) try_leave();
      if (!ended_ && !leaving_)
        arm_idle(left > duration::zero() ? left : std::min(leave_again, after));
      return;
    }
    case alarm_of::leave: return try_leave();
    case alarm_of::snapshot:
      snapshot_armed_ = false;
      if (dirty_ && !saving_) save();
      return;
    case alarm_of::rest:
      if (!run_ || run_->id != m.number || run_->where != run::at::rest) return;
      if (run_->deadline <= t) return fail_run("the deadline passed: " + run_->trouble);
      return attempt();
    case alarm_of::guard:
      if (t >= guard_at_) guard_at_ = time_point::max();
      if (!run_ || run_->where == run::at::store) return;
      if (run_->deadline > t) return arm_guard();
      return fail_run("the deadline passed: " +
                      (run_->trouble.empty() ? whereabouts() : run_->trouble));
    case alarm_of::timer: {
      const std::size_t which = m.number & 0xffffU;
      if (m.number >> 16U != timer_set_ || !def_ || leaving_ || finishing_) return;
      auto due = std::make_unique<request>(core_);
      due->to = seed_->id;
      due->key = seed_->key;
      due->action = def_->def.timers[which].action;
      due->caller = seed_->id;
      due->from = origin::timer;
      due->timer = m.number;
      due->since = t;
      core_->counts.timers.fetch_add(1);
      queue_.push_back(std::move(due));
      return next();
    }
  }
}

void entity::on(look_at_state m) {
  if (ended_) return;  // the store is asked instead, as with all that nobody answers
  if (!opened_) {
    if (looks_.size() < looks_max) looks_.push_back(std::move(m));
    return;
  }
  std::optional<stored_state> out;
  if (state_) out = stored_state{*state_, lease_.revision};
  m.done(std::move(out));
}

void entity::on(finish m) {
  if (ended_) return;
  finishing_ = true;
  at_once_ = at_once_ || m.at_once;
  if (m.at_once) {
    for (auto& r : std::exchange(queue_, {}))
      r->answer({outcome::error, "the sidecar is stopping", {}});
    tell_waiting();
    if (run_) return fail_run("the sidecar is stopping");
  }
  try_leave();
}

duration entity::idle_time() const {
  if (!def_) return leave_again;
  const duration after = def_->def.deactivate_after;
  const duration spread = std::min(core_->options.deactivate_spread, after);
  return after + spread / 65536 * spread_;
}

void entity::arm_idle(duration wait) {
  if (seed_->stays || std::exchange(idle_armed_, true)) return;
  ctx().send_after(wait, alarm{alarm_of::idle});
}

// -- the end ------------------------------------------------------------------------------------

void entity::try_leave() {
  if (ended_ || leaving_ || run_ || !queue_.empty()) return;
  if (!opened_) {
    if (at_once_ && core_->where.leave(*seed_, taken_)) depart();
    return;
  }
  if (saving_) return;  // its end tries again
  if (!core_->where.leave(*seed_, taken_)) return;
  leaving_ = true;
  if (stateful_ && dirty_)
    save();
  else
    depart();
}

void entity::depart() {
  ended_ = true;
  looks_.clear();
  core_->counts.deactivations.fetch_add(1);
  core_->where.gone(*seed_);
  ctx().stop();
}

void entity::fail_all(const std::string& why) {
  ended_ = true;
  auto all = std::exchange(queue_, {});
  tell_waiting();
  looks_.clear();
  if (run_) {
    leave_gate();
    core_->waiting.end(run_->id);
    all.push_front(std::move(run_->what));
    run_.reset();
  }
  core_->where.gone(*seed_);
  for (auto& r : all) r->answer({outcome::error, why, {}});
  ctx().stop();
}

task<void> entity::post_stop() {
  if (!core_) co_return;
  if (run_) {
    leave_gate();
    core_->waiting.end(run_->id);
    run_.reset();
  }
  queue_.clear();
  looks_.clear();
  if (!ended_) {
    tell_waiting();
    // Stopped with its system, or failed. What it has is stored when it is in order.
    ended_ = true;
    const bool in_order = ctx().stopping_as() == exit_kind::stopped;
    if (in_order && stateful_ && dirty_ && !saving_ && lease_good_ && state_) {
      auto [to, out] = promise<state_lease>::make(core_->rt);
      core_->store->save(lease_, *state_, [p = std::move(to)](result<state_lease> r) mutable {
        p.set_result(std::move(r));
      });
      if (auto how = co_await std::move(out).as_result(); !how)
        log().warn("the state of '{}' was not stored: {}", seed_->key, how.error().to_string());
    }
    core_->where.gone(*seed_);
  }
}

}  // namespace odeon::sidecar::detail
