// One request after the other: at most one is with the app, or has its state being stored. The
// state changes in `apply` alone, by a good answer to the attempt under way that came before the
// deadline.

#include "sidecar/internal/engine_core.hpp"
#include "sidecar/internal/entity.hpp"

#include <algorithm>
#include <exception>
#include <string_view>
#include <utility>

namespace odeon::sidecar::detail {

namespace {

constexpr duration rest_max = std::chrono::seconds(2);
constexpr unsigned doublings_max = 20;
constexpr std::string_view state_names[] = {"get", "Get", "get_state", "getState", "GetState"};

std::string declared(const actor_def& d) {
  std::string all;
  for (const std::string& a : d.actions) all += (all.empty() ? "" : ", ") + a;
  for (const timer_def& t : d.timers) all += (all.empty() ? "" : ", ") + t.action;
  return all.empty() ? "it has none" : "it has " + all;
}

}  // namespace

void entity::next() {
  while (opened_ && !run_ && !leaving_ && !ended_ && !queue_.empty()) {
    request_ptr what = std::move(queue_.front());
    queue_.pop_front();
    if (what->given_up()) continue;  // its deadline passed while it waited
    start(std::move(what));
  }
  tell_waiting();
  if (finishing_ && queue_.empty()) try_leave();
}

void entity::tell_waiting() const noexcept {
  seed_->load->waits_since.store(queue_.empty() ? time_point::max() : queue_.front()->since);
}

void entity::start(request_ptr what) {
  refresh_definition();
  if (!def_)
    return what->answer({outcome::actor_not_found, "no app has '" + seed_->of + "' any more", {}});
  if (!def_->has(what->action)) {
    if (std::ranges::find(state_names, what->action) != std::end(state_names))
      return what->answer({outcome::ok, "", state_});
    return what->answer({outcome::error,
                         "actor '" + seed_->stored_as.name + "' has no action '" + what->action +
                             "': " + declared(def_->def),
                         {}});
  }
  if (what->deadline <= core_->now())
    return what->answer(
        {outcome::error, "the deadline passed on the way to '" + seed_->stored_as.name + "'", {}});
  run_.emplace();
  run_->id = core_->waiting.begin(seed_->key);
  // One that nobody waits for has its time from here on, so that it is not lost by waiting.
  if (what->reply)
    what->deadline = what->reply->deadline();
  else if (what->deadline == time_point::max())
    what->deadline = core_->now() + core_->options.request_time;
  run_->deadline = what->deadline;
  run_->what = std::move(what);
  arm_guard();
  attempt();
}

/// One alarm is under way as a rule: a run whose deadline is before the last one's needs another.
void entity::arm_guard() {
  if (guard_at_ <= run_->deadline) return;
  guard_at_ = run_->deadline;
  ctx().send_after(std::max(run_->deadline - core_->now(), duration(0)), alarm{alarm_of::guard});
}

std::string entity::whereabouts() const {
  const std::string at = def_ ? " at " + def_->app->app().where() : "";
  switch (run_->where) {
    case run::at::place: return "'" + run_->what->action + "' waited for its turn" + at;
    case run::at::app: return "'" + run_->what->action + "' was under way" + at;
    case run::at::rest:
    case run::at::store: break;
  }
  return "'" + run_->what->action + "' was not done";
}

void entity::attempt() {
  refresh_definition();
  run& r = *run_;
  if (!def_) return fail_run("no app has '" + seed_->of + "' any more");
  ++r.attempt;
  r.where = run::at::place;
  r.what->note(whereabouts());
  // What a run of another actor waits for needs no place: it holds one already.
  if (r.what->waiter == 0) {
    r.gate = def_->app;
    if (!r.gate->enter(r.id, [me = self(), id = r.id] { me.tell<place_free>(id); })) return;
  }
  call();
}

void entity::on(place_free m) {
  if (!run_ || run_->id != m.run || run_->where != run::at::place) return;
  call();
}

void entity::leave_gate() {
  if (auto gate = std::exchange(run_->gate, nullptr)) gate->leave(run_->id);
}

void entity::call() {
  run& r = *run_;
  r.where = run::at::app;
  r.app_at = def_->app->app().where();
  r.trouble.clear();
  r.what->note(whereabouts());
  action_call c{.actor = seed_->id,
                .action = r.what->action,
                .value = r.what->value,
                .state = state_,
                .caller = r.what->caller,
                .metadata = r.what->metadata,
                .actor_tags = def_->def.actor_tags};
  c.metadata[waits::metadata_key] = std::to_string(r.id);
  auto done = [me = self(), id = r.id, attempt = r.attempt](result<action_answer> how) {
    me.tell<app_answered>(id, attempt, std::move(how));
  };
  const definition_ptr with = def_;
  try {
    with->app->app().call(std::move(c), r.deadline, done);
  } catch (const std::exception& e) {
    done(fail(errc::handler_failed, e.what()));
  }
}

void entity::on(app_answered m) {
  if (!run_ || run_->id != m.run || run_->attempt != m.attempt || run_->where != run::at::app)
    return;
  leave_gate();
  if (!m.how) return failed_attempt(std::move(m.how.error()));
  if (core_->now() >= run_->deadline || run_->what->given_up())
    return fail_run("the deadline passed before the app answered");
  apply(*std::move(m.how));
}

void entity::failed_attempt(error why) {
  run& r = *run_;
  core_->counts.app_failures.fetch_add(1);
  // The definition of now may be of another app, or of none.
  r.trouble =
      "the app at " + r.app_at + " failed '" + r.what->action + "': " + std::string(why.text());
  if (why != errc::unreachable || at_once_) return fail_run(r.trouble);
  r.trouble = "the app at " + r.app_at + " cannot be reached: " + std::string(why.text());
  r.what->note(r.trouble);
  // It cannot have run: it is tried again while there is time.
  duration wait = core_->options.retry_first * (1 << std::min(r.attempt - 1, doublings_max));
  wait = std::min(wait, rest_max);
  const auto spread = static_cast<std::int64_t>(core_->rt.random_u64() % 401);  // 0.8 to 1.2
  wait = wait * (800 + spread) / 1000;
  core_->counts.app_retries.fetch_add(1);
  r.where = run::at::rest;
  ctx().send_after(std::max(std::min(wait, r.deadline - core_->now()), duration(0)),
                   alarm{alarm_of::rest, r.id});
}

void entity::apply(action_answer answer) {
  run& r = *run_;
  if (answer.state) set_state(*std::exchange(answer.state, std::nullopt));
  for (invocation& e : answer.then.effects) core_->effect(std::move(e), seed_->id);
  answer.then.effects.clear();
  if (auto to = std::exchange(answer.then.to_channel, std::nullopt))
    core_->publish(seed_->id.system, *to, seed_->id);
  r.answer = std::move(answer);
  if (!r.answer.checkpoint || !stateful_ || !state_ || (!dirty_ && !saving_)) {
    if (r.answer.checkpoint) core_->counts.checkpoints.fetch_add(1);
    return complete();
  }
  r.where = run::at::store;
  r.what->note("the state of '" + seed_->stored_as.name + "' was being stored");
  r.storing_own = !saving_;
  if (!saving_) save();
}

/// The run is over, and its outcome goes to whoever is next.
void entity::complete() {
  action_answer a = std::move(run_->answer);
  request_ptr what = end_run();
  if (const auto* to = std::get_if<pipe_to>(&a.then.route)) {
    core_->counts.pipes.fetch_add(1);
    core_->pass_on(std::move(what), seed_->id, to->actor, to->action, std::move(a.value));
  } else if (const auto* on = std::get_if<forward_to>(&a.then.route)) {
    core_->counts.forwards.fetch_add(1);
    payload value = std::move(what->value);
    core_->pass_on(std::move(what), seed_->id, on->actor, on->action, std::move(value));
  } else {
    what->answer({outcome::ok, "", std::move(a.value)});
  }
  next();
}

void entity::fail_run(std::string why) {
  request_ptr what = end_run();
  if (what->from != origin::invoked)
    log().warn("'{}' of {} failed: {}", what->action, seed_->key, why);
  what->answer({outcome::error, why, {}});
  next();
}

request_ptr entity::end_run() {
  leave_gate();
  core_->waiting.end(run_->id);
  request_ptr what = std::move(run_->what);
  run_.reset();
  if (what->from == origin::timer) {
    if (what->timer >> 16U == timer_set_ && !finishing_)
      ctx().send_after(def_->def.timers[what->timer & 0xffffU].every,
                       alarm{alarm_of::timer, what->timer});
  } else {
    last_used_ = core_->now();
  }
  return what;
}

}  // namespace odeon::sidecar::detail
