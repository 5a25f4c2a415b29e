// Times that invoke actors.
//
// Protocol. Each job has a mutex, a timer node and these: `next`, `running` (an invocation is under
// way), `owed` (one more run after it), `stopped`. While the node is armed the job holds the core
// (`self`): whoever takes `self` out – the timer that fires, or the stop that disarmed it – lets it
// go. A firing that finds `stopped` does nothing more. No lock is held while the target is called;
// a call is made inside the gate, which the destructor closes first, so that the target may end
// right after it. An answer that comes later finds the core still there, and begins nothing.
//
// The wall clock may be set while a timer waits: no timer is armed for longer than a minute, and
// each firing compares.

#include "sidecar/internal/gate.hpp"
#include "sidecar/internal/request_body.hpp"
#include <odeon/runtime/runtime.hpp>
#include <odeon/sidecar/activator.hpp>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <utility>

namespace odeon::sidecar {

namespace {

constexpr duration longest_wait = std::chrono::minutes(1);

}  // namespace

struct cron_activators::core : std::enable_shared_from_this<core> {
  struct job final : timer_node {
    job(cron_activator a, invocation request)
        : timer_node(&fired),
          what(std::move(a)),
          wanted(std::move(request)) {}

    static void fired(timer_node& n) noexcept {
      auto& j = static_cast<job&>(n);
      std::shared_ptr<core> held;
      {
        const std::lock_guard guard(j.mutex);
        held = std::move(j.self);
      }
      held->look(j);
    }

    const cron_activator what;
    const invocation wanted;
    std::mutex mutex;  // guards all below
    std::shared_ptr<core> self;
    std::optional<wall_time> next;
    bool running = false, owed = false, stopped = false;
  };

  core(runtime& r, activation_target t, report_fn f)
      : rt(r),
        target(std::move(t)),
        report(std::move(f)) {}

  /// Under the job's lock.
  void arm(job& j) {
    if (!j.next || j.stopped) return;
    const duration left = std::max(*j.next - rt.wall_now(), duration::zero());
    j.self = shared_from_this();
    rt.timers(clock_domain::user).arm(j, rt.now() + std::min(left, longest_wait));
  }

  /// Its timer has fired.
  void look(job& j) {
    if (!door.enter()) return;
    bool begins = false;
    {
      const std::lock_guard guard(j.mutex);
      const wall_time now = rt.wall_now();
      if (!j.stopped && j.next && now >= *j.next) {
        j.next = j.what.when.next_after(now);
        begins = !j.running;
        if (!begins) {
          ++overruns;
          j.owed = j.what.late == overrun::once;
        }
        j.running = true;
      }
      arm(j);
    }
    if (begins) run(j);
    door.leave(rt);
  }

  /// Inside the gate.
  void run(job& j) {
    ++runs;
    target.invoke(j.wanted, rt.now() + j.what.what.timeout,
                  [held = shared_from_this(), &j](invocation_answer a) { held->ended(j, a); });
  }

  void ended(job& j, const invocation_answer& a) {
    ++(a.status == outcome::ok ? succeeded : failed);
    const bool inside = door.enter();
    if (inside && a.status != outcome::ok && report) report(j.what.name, a);
    bool again = false;
    {
      const std::lock_guard guard(j.mutex);
      again = std::exchange(j.owed, false) && inside && !j.stopped;
      j.running = again;
    }
    if (again) run(j);
    if (inside) door.leave(rt);
  }

  runtime& rt;
  const activation_target target;
  const report_fn report;
  internal::gate door;
  std::vector<std::unique_ptr<job>> jobs;
  std::atomic<std::uint64_t> runs{0}, succeeded{0}, failed{0}, overruns{0};
};

cron_activators::cron_activators(runtime& rt, activation_target target, const descriptors& types,
                                 std::vector<cron_activator> all, report_fn report)
    : core_(std::make_shared<core>(rt, std::move(target), std::move(report))) {
  for (cron_activator& a : all) {
    auto request = internal::invocation_of(a.what, a.json, types);
    if (!request) throw actor_error(std::move(request.error()));
    core_->jobs.push_back(std::make_unique<core::job>(std::move(a), std::move(*request)));
  }
  for (const auto& j : core_->jobs) {
    const std::lock_guard guard(j->mutex);
    j->next = j->what.when.next_after(rt.wall_now());
    core_->arm(*j);
  }
}

cron_activators::~cron_activators() {
  for (const auto& j : core_->jobs) {
    std::shared_ptr<core> let_go;
    const std::lock_guard guard(j->mutex);
    j->stopped = true;
    if (j->self && core_->rt.timers(clock_domain::user).disarm(*j)) let_go = std::move(j->self);
  }
  core_->door.close(core_->rt);
}

cron_figures cron_activators::figures() const {
  return {core_->runs, core_->succeeded, core_->failed, core_->overruns};
}

std::optional<wall_time> cron_activators::next(const std::string& name) const {
  for (const auto& j : core_->jobs) {
    if (j->what.name != name) continue;
    const std::lock_guard guard(j->mutex);
    return j->next;
  }
  return std::nullopt;
}

}  // namespace odeon::sidecar
