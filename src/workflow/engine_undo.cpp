// A run that fails: what is under way is drained, then the compensations run, latest first.

#include <workflow/internal/engine.hpp>

#include <algorithm>

namespace odeon::workflows::detail {

void run_engine::fail_run(error why) {
  if (phase_ != phase::running) return;
  phase_ = phase::draining;
  failure_ = std::move(why);
  marking_.clear();
  // What has a compensation is waited for: whether it happened decides what there is to undo.
  for (auto at = under_way_.begin(); at != under_way_.end();) {
    work& w = at->second;
    if (w.recording || (plan_->step(w.what.step).undo && !w.waits)) {
      ++at;
      continue;
    }
    give_up(w);
    marking_.given_up(w.what.step);
    at = under_way_.erase(at);
  }
  if (!pumping_) pump();
}

void run_engine::begin_undo() {
  phase_ = phase::undoing;
  if (completed_.empty() || failing_recorded_) {
    next_undo();
    return;
  }
  failing_recorded_ = true;
  record(run_failing{static_cast<int>(failure_->code()), std::string(failure_->text())},
         [this] { next_undo(); });
}

void run_engine::next_undo() {
  const auto at = std::ranges::find_if(completed_.rbegin(), completed_.rend(),
                                       [](const completed& c) { return !c.undone; });
  if (at == completed_.rend()) {
    finish_failed();
    return;
  }
  undoing_ = static_cast<std::size_t>(completed_.rend() - at) - 1;
  undo_ = work{.what = {at->step, {at->visit}, at->input}};
  undo_attempt();
}

void run_engine::undo_attempt() {
  const completed& c = completed_[undoing_];
  const step_def& s = plan_->step(c.step);
  undo_.waits = false;
  undo_.info = std::make_shared<step_info>();
  undo_.info->run_id = run_id_;
  undo_.info->step = s.name;
  undo_.info->key = run_id_ + "/" + s.name + "/" + std::to_string(c.visit) + "/undo";
  undo_.info->attempt = undo_.attempt;
  undo_.info->state = request_.options.state;
  undo_.info->system = &ctx_->system();
  try {
    run_in_host(true, undo_, s.options.timeout,
                [undo = s.undo, in = c.input, out = c.output, ctx = step_context(undo_.info)] {
                  return undo(in, out, ctx);
                });
  } catch (const actor_error& e) {
    undo_arrived(std::unexpected(e.reason()));
  }
}

void run_engine::undo_arrived(result<value_ptr> r) {
  if (phase_ != phase::undoing || undo_.waits || !undo_.info) return;
  let_go(undo_, r.has_value());
  undo_.info.reset();
  completed& c = completed_[undoing_];
  const step_def& s = plan_->step(c.step);
  if (!r && undo_.attempt < s.options.retry.attempts && !(r.error() == errc::refused)) {
    duration wait = s.options.retry.min;
    for (unsigned i = 1; i < undo_.attempt && wait < s.options.retry.max; ++i) wait *= 2;
    ++undo_.attempt;
    undo_.waits = true;
    ctx_->send_after(std::min(wait, s.options.retry.max), run_tick{tick_first + c.visit});
    return;
  }
  c.undone = true;
  step_undone done;
  done.step = s.name;
  done.visit = c.visit;
  if (!r) {
    done.code = static_cast<int>(r.error().code());
    done.text = r.error().text();
    undo_failures_.push_back("the compensation of '" + s.name + "' failed: " + done.text);
  }
  record(std::move(done), [this] { next_undo(); });
}

void run_engine::finish_failed() {
  std::string text(failure_->text());
  for (const std::string& more : undo_failures_) text += "; " + more;
  error why(failure_->code(), std::move(text));
  run_finished last;
  last.code = static_cast<int>(why.code());
  last.text = why.text();
  record(std::move(last), [this, why] { end(std::unexpected(why)); });
}

}  // namespace odeon::workflows::detail
