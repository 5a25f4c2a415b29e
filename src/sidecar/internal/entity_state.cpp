// The state in memory and in the store. One write at a time is under way. `dirty_` says that what
// is in memory was not part of the last write; it is set back when a write begins, and again when
// that write fails. After a failed write the lease is opened anew, because nobody knows whether it
// was written.

#include "sidecar/internal/engine_core.hpp"
#include "sidecar/internal/entity.hpp"

#include <algorithm>
#include <utility>

namespace odeon::sidecar::detail {

void entity::set_state(any fresh) {
  if (state_ && *state_ == fresh) return;
  state_ = std::move(fresh);
  dirty_ = true;
  arm_snapshot();
}

/// The next point of the grid that begins after the activation.
void entity::arm_snapshot() {
  if (!stateful_ || snapshot_armed_ || leaving_ || !def_) return;
  const time_point t = core_->now();
  duration wait = snapshot_from_ - t;
  if (wait <= duration::zero()) {
    const duration every = def_->def.snapshot_every;
    wait = every - (t - snapshot_from_) % every;
  }
  snapshot_armed_ = true;
  ctx().send_after(wait, alarm{alarm_of::snapshot});
}

void entity::save() {
  saving_ = true;
  dirty_ = false;
  if (lease_good_) return write();
  core_->store->open(seed_->stored_as, 0, [me = self()](result<opened_state> r) {
    me.tell<store_opened>(std::move(r));
  });
}

void entity::write() {
  dirty_ = false;
  core_->store->save(lease_, *state_,
                     [me = self()](result<state_lease> r) { me.tell<store_saved>(std::move(r)); });
}

void entity::on(store_saved m) { saved(std::move(m.how)); }

void entity::saved(result<state_lease> how) {
  if (ended_) return;
  saving_ = false;
  if (how) {
    lease_ = *std::move(how);
    seed_->load->revision.store(lease_.revision);
    core_->counts.snapshots.fetch_add(1);
    return after_save(true, "");
  }
  const error why = std::move(how.error());
  if (why == errc::fenced) {
    core_->counts.fenced.fetch_add(1);
    return fail_all("another activation of '" + seed_->stored_as.name +
                    "' has taken over: " + std::string(why.text()));
  }
  dirty_ = true;
  core_->counts.store_failures.fetch_add(1);
  if (std::exchange(lease_good_, false))  // the first of a row
    log().warn("the state of '{}' was not stored: {}", seed_->key, why.to_string());
  after_save(false, std::string(why.text()));
}

void entity::after_save(bool ok, const std::string& why) {
  if (run_ && run_->where == run::at::store) {
    if (ok && !dirty_) {
      core_->counts.checkpoints.fetch_add(1);
      return complete();
    }
    if (!std::exchange(run_->storing_own, true)) return save();  // that one was begun before
    arm_snapshot();
    return fail_run("the state of '" + seed_->stored_as.name +
                    "' is in memory and was not stored: " + why);
  }
  if (leaving_) {
    if (ok && !dirty_) return depart();
    if (at_once_) {
      core_->unsaved.fetch_add(1);
      return depart();
    }
    leaving_ = false;
    core_->where.stay(*seed_);
    arm_timers();
    arm_idle(leave_again);
    if (finishing_) ctx().send_after(leave_again, alarm{alarm_of::leave});
    return next();
  }
  if (dirty_) arm_snapshot();
  if (finishing_) try_leave();
}

}  // namespace odeon::sidecar::detail
