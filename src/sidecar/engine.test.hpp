#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/core/log.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/sidecar/engine.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

/// @file What tests of the engine share: a store in memory and an app of functions, whose failures
/// are in the test's hand, and a simulated world around them.

namespace odeon::sidecar::testing {

using namespace std::chrono_literals;

inline any text(std::string value) { return {"type.googleapis.com/test.Text", std::move(value)}; }
inline std::string text_of(const payload& p) { return p ? p->value : "(none)"; }

/// Keeps all revisions. @threadsafe
class test_store final : public state_store {
 public:
  struct record {
    std::uint64_t epoch = 0;
    std::vector<any> revisions = {};
  };

  void open(const actor_id& actor, std::uint64_t revision, completion<opened_state> done) override {
    run([this, actor, revision, done = std::move(done)]() mutable {
      if (auto e = failure()) return done(std::unexpected(*e));
      record& r = all_[actor.name];
      opened_state out{.lease = {.id = actor.name,
                                 .epoch = ++r.epoch,
                                 .revision = r.revisions.size(),
                                 .actor = actor}};
      const std::uint64_t wanted = revision != 0 ? revision : r.revisions.size();
      if (wanted > r.revisions.size())
        return done(fail(errc::not_found, "no revision " + std::to_string(wanted)));
      if (wanted != 0) out.stored = stored_state{r.revisions[wanted - 1], wanted};
      done(std::move(out));
    });
  }
  void peek(const actor_id& actor, completion<std::optional<stored_state>> done) override {
    run([this, actor, done = std::move(done)]() mutable {
      std::optional<stored_state> out;
      const record& r = all_[actor.name];
      if (!r.revisions.empty()) out = stored_state{r.revisions.back(), r.revisions.size()};
      done(std::move(out));
    });
  }
  void save(state_lease lease, any state, completion<state_lease> done) override {
    run([this, lease = std::move(lease), state = std::move(state),
         done = std::move(done)]() mutable {
      if (auto e = failure()) return done(std::unexpected(*e));
      record& r = all_[lease.id];
      if (lease.epoch != r.epoch) return done(fail(errc::fenced, "an older epoch"));
      if (lease.revision != r.revisions.size())
        return done(fail(errc::version_conflict, "another revision"));
      r.revisions.push_back(std::move(state));
      lease.revision = r.revisions.size();
      done(std::move(lease));
    });
  }
  void schedule(scheduled_invocation what, completion<void> done) override {
    run([this, what = std::move(what), done = std::move(done)]() mutable {
      if (auto e = failure()) return done(std::unexpected(*e));
      scheduled_[what.id] = what;
      done({});
    });
  }
  void due(wall_time until, std::size_t max,
           completion<std::vector<scheduled_invocation>> done) override {
    run([this, until, max, done = std::move(done)]() mutable {
      if (auto e = failure()) return done(std::unexpected(*e));
      std::vector<scheduled_invocation> out;
      for (const auto& [id, s] : scheduled_)
        if (s.due <= until) out.push_back(s);
      std::ranges::sort(out, {}, &scheduled_invocation::due);
      if (out.size() > max) out.resize(max);
      done(std::move(out));
    });
  }
  void unschedule(const std::string& id, completion<void> done) override {
    run([this, id, done = std::move(done)]() mutable {
      if (auto e = failure()) return done(std::unexpected(*e));
      if (keeps_records_) return done(fail(errc::io_failed, "the test's store refuses"));
      scheduled_.erase(id);
      done({});
    });
  }

  // -- in the test's hand -------------------------------------------------------------------------
  void fail_with(std::optional<errc> code) {
    std::lock_guard guard(mutex_);
    fails_ = code;
  }
  void refuse_removals(bool yes) {
    std::lock_guard guard(mutex_);
    keeps_records_ = yes;
  }
  /// Nothing is carried out until `release`.
  void hold() {
    std::lock_guard guard(mutex_);
    holding_ = true;
  }
  void release() {
    std::lock_guard guard(mutex_);
    holding_ = false;
    for (auto& f : std::exchange(held_, {})) f();
  }
  /// As another node that takes over.
  void take_over(const std::string& name) {
    std::lock_guard guard(mutex_);
    ++all_[name].epoch;
  }
  [[nodiscard]] std::vector<std::string> revisions(const std::string& name) {
    std::lock_guard guard(mutex_);
    std::vector<std::string> out;
    for (const any& a : all_[name].revisions) out.push_back(a.value);
    return out;
  }
  [[nodiscard]] std::string newest(const std::string& name) {
    const auto r = revisions(name);
    return r.empty() ? "(none)" : r.back();
  }
  [[nodiscard]] std::size_t scheduled() {
    std::lock_guard guard(mutex_);
    return scheduled_.size();
  }

 private:
  void run(std::move_only_function<void()> f) {
    std::lock_guard guard(mutex_);
    if (holding_)
      held_.push_back(std::move(f));
    else
      f();
  }
  [[nodiscard]] std::optional<error> failure() const {
    return fails_ ? std::optional(error(*fails_, "the test's store refuses")) : std::nullopt;
  }

  std::mutex mutex_;
  std::map<std::string, record> all_;
  std::map<std::string, scheduled_invocation> scheduled_;
  std::optional<errc> fails_;
  bool holding_ = false, keeps_records_ = false;
  std::vector<std::move_only_function<void()>> held_;
};

/// Functions by "actor.action"; the actor is the definition's name. @threadsafe
class test_app final : public host_app {
 public:
  using function = std::function<result<action_answer>(const action_call&)>;
  explicit test_app(std::string where = "127.0.0.1:8091") : where_(std::move(where)) {}

  void on(const std::string& name, function f) { functions_[name] = std::move(f); }

  void call(action_call what, time_point, done_fn done) override {
    std::unique_lock guard(mutex_);
    const std::string name =
        (what.actor.parent.empty() ? what.actor.name : what.actor.parent) + "." + what.action;
    if (keeps_calls_) calls_.push_back(what);
    if (unreachable_) {
      guard.unlock();
      return done(fail(errc::unreachable, "connection refused"));
    }
    const auto held = std::ranges::find(holding_, name);
    const auto f = functions_.find(name);
    if (f == functions_.end()) {
      guard.unlock();
      return done(fail(errc::handler_failed, "500 for " + name));
    }
    if (held != holding_.end()) {
      held_.push_back([f = f->second, what = std::move(what), done = std::move(done)]() mutable {
        done(f(what));
      });
      return;
    }
    guard.unlock();
    done(f->second(what));
  }
  std::string where() const override { return where_; }

  /// Those actions are answered by `release` alone.
  void hold(const std::string& name) { holding_.push_back(name); }
  void release() {
    std::unique_lock guard(mutex_);
    holding_.clear();
    auto all = std::exchange(held_, {});
    guard.unlock();
    for (auto& f : all) f();
  }
  void unreachable(bool yes) { unreachable_ = yes; }
  void keeps_calls(bool yes) { keeps_calls_ = yes; }
  [[nodiscard]] std::size_t held() {
    std::lock_guard guard(mutex_);
    return held_.size();
  }
  /// "actor.action" of all calls, in order.
  [[nodiscard]] std::vector<std::string> calls() {
    std::lock_guard guard(mutex_);
    std::vector<std::string> out;
    for (const auto& c : calls_) out.push_back(c.actor.name + "." + c.action);
    return out;
  }
  [[nodiscard]] action_call last() {
    std::lock_guard guard(mutex_);
    return calls_.back();
  }
  [[nodiscard]] std::size_t count(const std::string& name) {
    const auto all = calls();
    return static_cast<std::size_t>(std::ranges::count(all, name));
  }
  void forget_calls() {
    std::lock_guard guard(mutex_);
    calls_.clear();
  }

 private:
  const std::string where_;
  std::mutex mutex_;
  std::map<std::string, function> functions_;
  std::vector<std::string> holding_;
  std::vector<std::move_only_function<void()>> held_;
  std::vector<action_call> calls_;
  bool unreachable_ = false, keeps_calls_ = true;
};

/// Adds what it is given to its state, and answers with the state.
inline result<action_answer> add_up(const action_call& c) {
  const std::string now = (c.state ? c.state->value : "") + (c.value ? c.value->value : "");
  return action_answer{.state = text(now), .value = text(now)};
}

/// Of all worlds: `ODEON_TEST_SEED`, or 1. Another one lets actors run in another order.
inline std::uint64_t seed() {
  const char* given = std::getenv("ODEON_TEST_SEED");
  return given ? std::strtoull(given, nullptr, 10) : 1;
}
inline const bool quiet = (set_log_level(log_level::off), true);

/// An engine on a simulated runtime. What is asked is answered when the world settles.
struct world {
  simulated_runtime rt{{.seed = seed()}};
  std::shared_ptr<test_store> store = std::make_shared<test_store>();
  std::shared_ptr<test_app> app = std::make_shared<test_app>();
  std::map<std::string, actor_def> actors;
  std::unique_ptr<actor_system> system;
  std::unique_ptr<engine> sidecar;

  explicit world(engine_options options = {}) { start(options); }
  ~world() { end(); }
  world(const world&) = delete;

  void start(engine_options options = {}) {
    system = std::make_unique<actor_system>("sidecar", system_options{.runtime = &rt});
    sidecar = std::make_unique<engine>(*system, store, options);
  }
  void end() {
    sidecar.reset();
    if (system) rt.settle();
    system.reset();
  }
  /// A stateful named actor unless `d` says otherwise.
  void define(actor_def d) { actors[d.name] = std::move(d); }
  void register_all() {
    const auto ok = sidecar->register_app({"bank", actors, app});
    REQUIRE_MESSAGE(ok.has_value(), (ok ? "" : ok.error().to_string()));
    rt.settle();
  }

  struct pending {
    std::shared_ptr<std::vector<invocation_answer>> answers =
        std::make_shared<std::vector<invocation_answer>>();
    [[nodiscard]] bool done() const { return !answers->empty(); }
    [[nodiscard]] const invocation_answer& get() const {
      REQUIRE(answers->size() == 1);
      return answers->front();
    }
  };
  pending begin(invocation what, duration limit = 60s) {
    pending p;
    sidecar->invoke(std::move(what), rt.now() + limit,
                    [to = p.answers](invocation_answer a) { to->push_back(std::move(a)); });
    rt.settle();
    return p;
  }
  pending begin(const std::string& name, const std::string& action, payload value = {}) {
    return begin({.actor = {"bank", name}, .action = action, .value = std::move(value)});
  }
  invocation_answer invoke(const std::string& name, const std::string& action, payload value = {}) {
    return begin(name, action, std::move(value)).get();
  }
  void tell(const std::string& name, const std::string& action, payload value = {}) {
    invocation i{.actor = {"bank", name}, .action = action, .value = std::move(value)};
    i.async = true;
    CHECK(begin(std::move(i)).get().status == outcome::ok);
  }
  std::string state(const std::string& name) {
    auto f = sidecar->state_of({"bank", name});
    rt.settle();
    auto s = f.result();
    REQUIRE(s);
    return *s ? (*s)->state.value : "(none)";
  }
};

}  // namespace odeon::sidecar::testing
