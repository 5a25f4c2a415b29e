// Times that invoke actors.
//
// Protocol. Each job has a mutex, a timer node and these: `next`, `running` (an invocation is under
// way), `owed` (one more run after it), `stopped`. While the node is armed the job holds the core
// (`self`): whoever takes `self` out – the timer that fires, or the stop that disarmed it – lets it
// go. A firing that finds `stopped` does nothing more. No lock is held while the target is called;
// a call is made inside the gate, which the destructor closes first, so that the target may end
// right after it. An answer that comes later finds the core still there, and begins nothing.
//
// Memory. A job that catches up has a state of its own: until when its times have been met. It is
// read at the start, and if a time has come since, one run is begun – unless one began meanwhile.
// It is written when a run has ended and none is owed, one write at a time: `met` is what it should
// say, `written` what it says or is being told.
//
// The wall clock may be set while a timer waits: no timer is armed for longer than a minute, and
// each firing compares.

#include "sidecar/internal/gate.hpp"
#include "sidecar/internal/request_body.hpp"
#include <odeon/runtime/runtime.hpp>
#include <odeon/sidecar/activator.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <mutex>
#include <utility>

namespace odeon::sidecar {

namespace {

constexpr duration longest_wait = std::chrono::minutes(1);
constexpr char met_type[] = "odeon/1/sidecar.cron";

/// No app has a system of that name: the protocol's reader refuses control characters.
actor_id memory_of(const std::string& node, const std::string& job) {
  return {"\x01odeon", "cron/" + node + "/" + job, ""};
}

std::optional<wall_time> time_in(const std::string& text) {
  duration::rep ns = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), ns);
  if (wrong != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return wall_time(duration(ns));
}

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
    bool began = false;  // a run, in this program
    bool writing = false;
    wall_time met{}, written{};
  };

  core(runtime& r, activation_target t, report_fn f, cron_memory m)
      : rt(r),
        target(std::move(t)),
        report(std::move(f)),
        memory(std::move(m)) {}

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
        j.running = j.began = true;
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
    // What failed because all ends, and what nobody was there for, is not met.
    const bool met = a.status == outcome::ok || (a.status == outcome::error && inside);
    if (again)
      run(j);
    else if (met)
      note_met(j);
    if (inside) door.leave(rt);
  }

  void recall(job& j) {
    memory.store->peek(memory_of(memory.node, j.what.name),
                       [weak = weak_from_this(), &j](result<std::optional<stored_state>> r) {
                         const auto me = weak.lock();
                         if (!me || !me->door.enter()) return;
                         me->recalled(j, std::move(r));
                         me->door.leave(me->rt);
                       });
  }

  /// Inside the gate.
  void recalled(job& j, result<std::optional<stored_state>> r) {
    std::optional<wall_time> met;
    if (r && *r) met = time_in((*r)->state.value);
    if (!r || (*r && !met)) {
      if (report)
        report(j.what.name, {outcome::error,
                             "it is not known when it ran last: " +
                                 (r ? "that is no time" : std::string(r.error().text())),
                             {}});
      return;
    }
    if (!met) return note_met(j);
    bool begins = false;
    {
      const std::lock_guard guard(j.mutex);
      const auto due = j.what.when.next_after(*met);
      begins = due && *due <= rt.wall_now() && !j.began && !j.stopped;
      if (begins) j.running = j.began = true;
    }
    if (!begins) return;
    ++caught_up;
    run(j);
  }

  /// All times until now are met.
  void note_met(job& j) {
    if (j.what.missed != catch_up::once) return;
    {
      const std::lock_guard guard(j.mutex);
      j.met = rt.wall_now();
    }
    write(j);
  }

  void write(job& j) {
    std::string value;
    {
      const std::lock_guard guard(j.mutex);
      if (j.writing || j.written == j.met) return;
      j.writing = true;
      j.written = j.met;
      value = std::to_string(j.met.time_since_epoch().count());
    }
    const auto ended = [weak = weak_from_this(), &j](const result<state_lease>& r) {
      if (const auto me = weak.lock()) me->wrote(j, r);
    };
    memory.store->open(memory_of(memory.node, j.what.name), 0,
                       [weak = weak_from_this(), ended, value](result<opened_state> r) {
                         const auto me = weak.lock();
                         if (!me) return;
                         if (!r) return ended(std::unexpected(std::move(r.error())));
                         me->memory.store->save(std::move(r->lease), {met_type, value}, ended);
                       });
  }

  /// What could not be written is tried again after the next run.
  void wrote(job& j, const result<state_lease>& r) {
    {
      const std::lock_guard guard(j.mutex);
      j.writing = false;
    }
    if (r) return write(j);
    if (!door.enter()) return;
    if (report)
      report(j.what.name,
             {outcome::error, "when it ran is not stored: " + std::string(r.error().text()), {}});
    door.leave(rt);
  }

  runtime& rt;
  const activation_target target;
  const report_fn report;
  const cron_memory memory;
  internal::gate door;
  std::vector<std::unique_ptr<job>> jobs;
  std::atomic<std::uint64_t> runs{0}, succeeded{0}, failed{0}, overruns{0}, caught_up{0};
};

cron_activators::cron_activators(runtime& rt, activation_target target, const descriptors& types,
                                 std::vector<cron_activator> all, report_fn report,
                                 cron_memory memory)
    : core_(std::make_shared<core>(rt, std::move(target), std::move(report), std::move(memory))) {
  for (cron_activator& a : all) {
    if (a.missed == catch_up::once && !core_->memory.store)
      throw actor_error(error(errc::invalid_argument,
                              "'" + a.name + "' is to catch up, and has no store to know by"));
    auto request = internal::invocation_of(a.what, a.json, types);
    if (!request) throw actor_error(std::move(request.error()));
    core_->jobs.push_back(std::make_unique<core::job>(std::move(a), std::move(*request)));
  }
  for (const auto& j : core_->jobs) {
    const std::lock_guard guard(j->mutex);
    j->next = j->what.when.next_after(rt.wall_now());
    core_->arm(*j);
  }
  for (const auto& j : core_->jobs)
    if (j->what.missed == catch_up::once) core_->recall(*j);
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
  return {core_->runs, core_->succeeded, core_->failed, core_->overruns, core_->caught_up};
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
