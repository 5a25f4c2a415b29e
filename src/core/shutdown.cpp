// The end of a system, in phases: work before → actors, children before parents → work after.
//
//   1. `terminate` sets `terminating`: spawns are refused from here on. A spawn that had passed the
//   check before stops
//      its actor itself when it sees the flag after linking it, so none is missed.
//   2. The closer, a serial executor, runs the work registered for `before_actors`.
//   3. The guardian is stopped, and with it, from the leaves up, everything below it.
//   4. Its end (`user_actors_ended`) has the closer run the work for `after_actors`, make the
//   report and wake all waiters.

#include "internal/cell_access.hpp"
#include "internal/side_mailbox.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <exception>

namespace odeon {

namespace detail {

namespace {

using clock = clock_domain;

/// Runs the registered work of a phase; an exception of one does not keep the others from running.
void run_works(system_core& core, actor_system::phase when) {
  std::vector<system_core::shutdown_work> works;
  {
    std::lock_guard guard(core.mutex);
    for (auto& w : core.shutdown_works)
      if (w.when == when) works.push_back(w);
  }
  for (auto& w : works) {
    const time_point began = core.rt.now(clock::housekeeping);
    try {
      w.work();
    } catch (const std::exception& e) {
      logger(core.name).error("the shutdown work \"{}\" threw: {}", w.name, e.what());
    } catch (...) {
      logger(core.name).error("the shutdown work \"{}\" threw", w.name);
    }
    const duration took = core.rt.now(clock::housekeeping) - began;
    std::lock_guard guard(core.mutex);
    core.building.phases.push_back({w.name, took});
  }
}

}  // namespace

void system_core::terminate() {
  if (terminating.exchange(true)) return;
  shutdown_began = rt.now(clock::housekeeping);
  closer = rt.make_serial(name + "-closer");
  closer->post([this] {
    run_works(*this, actor_system::phase::before_actors);
    send_stop(*guardian, false);
  });
}

void system_core::user_actors_ended() {
  closer->post([this] {
    const time_point now = rt.now(clock::housekeeping);
    {
      std::lock_guard guard(mutex);
      duration before{};
      for (const auto& p : building.phases) before += p.took;
      building.phases.push_back({"actors", now - shutdown_began - before});
    }
    run_works(*this, actor_system::phase::after_actors);
    std::vector<promise<shutdown_report>> told;
    shutdown_report final_report;
    {
      std::lock_guard guard(mutex);
      building.complete = true;
      building.took = rt.now(clock::housekeeping) - shutdown_began;
      report = building;
      final_report = building;
      told = std::move(waiters);
    }
    for (auto& p : told) p.set(final_report);
    ended.store(1);
    rt.wake(ended);
  });
}

void system_core::escalated(const failure& why) {
  logger(name).error("a failure of {} was escalated to the top, so the system stops: {}", why.path,
                     why.what);
  terminate();
}

}  // namespace detail

void actor_system::terminate() { core_->terminate(); }
bool actor_system::is_terminating() const noexcept { return core_->terminating.load(); }

void actor_system::on_shutdown(phase when, std::string name, std::function<void()> work) {
  std::lock_guard guard(core_->mutex);
  core_->shutdown_works.push_back({when, std::move(name), std::move(work)});
}

shutdown_report actor_system::terminate_and_wait(duration limit) {
  auto& core = *core_;
  if (detail::this_ambient)
    throw actor_error(errc::would_block, "a system cannot be waited for by one of its own actors");
  core.terminate();
  const time_point deadline = core.rt.now(clock_domain::housekeeping) + limit;
  try {
    while (core.ended.load() == 0 && core.rt.wait(core.ended, 0, deadline)) {
    }
  } catch (const actor_error&) {
    // Simulated, and nothing is left that could happen: as good as the limit.
  }
  std::lock_guard guard(core.mutex);
  if (core.report) return *core.report;
  shutdown_report partial = core.building;
  partial.took = core.rt.now(clock_domain::housekeeping) - core.shutdown_began;
  partial.held_up_by = core.who_holds_up();
  return partial;
}

future<shutdown_report> actor_system::when_terminated() {
  auto [p, f] = promise<shutdown_report>::make(core_->rt);
  std::lock_guard guard(core_->mutex);
  if (core_->report)
    p.set(*core_->report);
  else
    core_->waiters.push_back(std::move(p));
  return std::move(f);
}

shutdown_report actor_system::run_until_signal() {
  termination_signals signals;
  auto& core = *core_;
  while (!signals.wait(std::chrono::milliseconds(200)))
    if (core.ended.load()) break;  // somebody else terminated it
  const time_point deadline = core.rt.now(clock_domain::housekeeping) + core.options.shutdown_limit;
  shutdown_report report;
  do {
    report = terminate_and_wait(std::chrono::milliseconds(50));
  } while (!report.complete && signals.count() < 2 &&
           core.rt.now(clock_domain::housekeeping) < deadline);
  return report;
}

actor_system::~actor_system() {
  auto& core = *core_;
  shutdown_report report = terminate_and_wait(core.options.shutdown_limit);
  if (!report.complete) {
    logger(core.name).error("{}", report.to_string());
    // Suspended handlers can be ended by force; one that runs cannot, and is waited for.
    auto kill = [&](auto& self, detail::cell& c) -> void {
      for (const any_ref& child : core.children_of(c)) {
        self(self, *child.get());
        detail::send_stop(*child.get(), true);
      }
    };
    kill(kill, *core.guardian);
    report = terminate_and_wait(core.options.shutdown_limit);
    while (!report.complete && !core.rt.is_simulated()) {
      logger(core.name).error("{}", report.to_string());
      report = terminate_and_wait(core.options.shutdown_limit);
    }
    ODEON_ASSERT(report.complete, "a simulated system cannot end");
  }
}

}  // namespace odeon
