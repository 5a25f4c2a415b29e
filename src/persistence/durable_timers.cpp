#include "persistence/internal/timer_service.hpp"
#include <odeon/persistence/install.hpp>

#include <algorithm>

namespace odeon {

namespace detail {

namespace {

std::shared_ptr<timer_extension> extension_of(actor_system& system) {
  // Two that make it at once: the second finds the first one's.
  for (;;) {
    if (auto there = system.find_extension<timer_extension>()) return there;
    auto made = std::make_shared<timer_extension>();
    made->system = &system;
    made->store = persistence::installed(system);
    if (!made->store)
      throw actor_error(errc::invalid_argument,
                        "durable timers need a journal: call persistence::install(system, "
                        "journal) first");
    made->receivers = persistence::receivers_of(system);
    try {
      system.add_extension(std::move(made));
    } catch (const actor_error& e) {
      if (e.which() != errc::name_taken) throw;
    }
  }
}

template <class T>
future<T> failed(runtime& rt, error why) {
  auto [p, f] = promise<T>::make(rt);
  p.fail(std::move(why));
  return std::move(f);
}

}  // namespace

timer_service_ref timer_extension::running() {
  const std::lock_guard lock(mutex);
  return service;
}
void timer_extension::was_set(wall_time due) {
  if (auto to = running()) to.tell(timer_set_before{due});
}
void timer_extension::owner_appeared(const std::string& owner) {
  if (auto to = running()) to.tell(timer_owner_appeared{owner});
}

void timer_was_set(actor_system& system, wall_time due) noexcept {
  if (auto there = system.find_extension<timer_extension>()) there->was_set(due);
}

}  // namespace detail

durable_timers::durable_timers(actor_system& system) : extension_(detail::extension_of(system)) {}

future<void> durable_timers::set(std::string owner, const durable_timer& timer) {
  runtime& rt = extension_->system->get_runtime();
  auto record = timer.to_record(rt.wall_now());
  if (!record) return detail::failed<void>(rt, std::move(record.error()));
  auto [p, f] = promise<void>::make(rt);
  const wall_time due = record->due;
  timer_change change{.persistence_id = std::move(owner), .timer_id = record->id};
  change.set = std::move(*record);
  std::vector<timer_change> all;
  all.push_back(std::move(change));
  extension_->store->change_timers(std::move(all), [done = std::move(p), with = extension_,
                                                    due](result<std::uint64_t> r) mutable {
    if (!r) {
      done.fail(std::move(r.error()));
      return;
    }
    with->was_set(due);
    done.set();
  });
  return std::move(f);
}

namespace {

/// How often a change is tried anew because the timer went on to its next round meanwhile.
constexpr int change_attempts = 16;

/// A call of the journal as a future.
template <class T, class Start>
future<T> called(runtime& rt, Start start) {
  auto [p, f] = promise<T>::make(rt);
  start([done = std::move(p)](result<T> r) mutable { done.set_result(std::move(r)); });
  return std::move(f);
}

/// Changes a timer that is there, as it is now: read, then changed on condition of its due time,
/// and read again when that has moved meanwhile. False: it is not there.
task<bool> change_existing(std::shared_ptr<detail::timer_extension> with, std::string owner,
                           std::string id, std::optional<timer_record> to) {
  runtime& rt = with->system->get_runtime();
  for (int left = change_attempts; left > 0; --left) {
    const auto all = co_await called<std::vector<timer_record>>(
        rt, [&](auto done) { with->store->timers_of(owner, std::move(done)); });
    const auto found = std::ranges::find(all, id, &timer_record::id);
    if (found == all.end()) co_return false;
    std::vector<timer_change> changes;
    changes.push_back(
        {.persistence_id = owner, .timer_id = id, .only_if_due = found->due, .set = to});
    const auto changed = co_await called<std::uint64_t>(
        rt, [&](auto done) { with->store->change_timers(std::move(changes), std::move(done)); });
    if (changed == 0) continue;
    if (to) with->was_set(to->due);
    co_return true;
  }
  throw actor_error(errc::version_conflict, "timer \"" + id + "\" of \"" + owner +
                                                "\" changed each time that it was to be changed");
}
task<void> fulfil(task<bool> work, promise<bool> done) {
  try {
    done.set(co_await std::move(work));
  } catch (const actor_error& e) {
    done.fail(e.reason());
  }
}

}  // namespace

future<bool> durable_timers::edit(std::string owner, const durable_timer& timer) {
  runtime& rt = extension_->system->get_runtime();
  auto record = timer.to_record(rt.wall_now());
  if (!record) return detail::failed<bool>(rt, std::move(record.error()));
  auto [p, f] = promise<bool>::make(rt);
  detail::branch_here(
      fulfil(change_existing(extension_, std::move(owner), timer.id(), std::move(*record)),
             std::move(p)),
      rt);
  return std::move(f);
}

future<bool> durable_timers::cancel(std::string owner, std::string id) {
  runtime& rt = extension_->system->get_runtime();
  auto [p, f] = promise<bool>::make(rt);
  detail::branch_here(
      fulfil(change_existing(extension_, std::move(owner), std::move(id), std::nullopt),
             std::move(p)),
      rt);
  return std::move(f);
}

future<std::vector<durable_timer>> durable_timers::of(std::string owner) {
  auto [p, f] = promise<std::vector<durable_timer>>::make(extension_->system->get_runtime());
  extension_->store->timers_of(
      std::move(owner), [done = std::move(p)](result<std::vector<timer_record>> all) mutable {
        if (!all) {
          done.fail(std::move(all.error()));
          return;
        }
        std::vector<durable_timer> out;
        for (const timer_record& r : *all) {
          auto t = durable_timer::from_record(r);
          if (t) {
            out.push_back(std::move(*t));
          } else if (t.error() != errc::unknown_manifest) {
            done.fail(std::move(t.error()));
            return;
          }
        }
        done.set(std::move(out));
      });
  return std::move(f);
}

future<std::vector<stored_timer>> durable_timers::list(timer_cursor after, std::size_t max,
                                                       wall_time until) {
  auto [p, f] = promise<std::vector<stored_timer>>::make(extension_->system->get_runtime());
  extension_->store->timers_due(
      until, std::move(after), max,
      [done = std::move(p)](result<std::vector<stored_timer>> page) mutable {
        done.set_result(std::move(page));
      });
  return std::move(f);
}

durable_timers_stats durable_timers::stats() const noexcept {
  const auto& e = *extension_;
  // Counters: each is read alone.
  constexpr auto alone = std::memory_order_relaxed;
  return {e.fired.load(alone), e.skipped.load(alone), e.failed.load(alone), e.reads.load(alone),
          e.under_way.load(alone)};
}

namespace persistence {

durable_timers start_timers(actor_system& system, durable_timers_options options) {
  durable_timers out(system);
  auto extension = system.find_extension<detail::timer_extension>();
  // The name decides when two start it at once; its options are those of the one that does.
  {
    const std::lock_guard lock(extension->mutex);
    if (!extension->service) {
      constexpr duration tick = std::chrono::milliseconds(1);
      constexpr duration day = std::chrono::hours(24);
      options.page = std::max<std::size_t>(options.page, 1);
      options.window = std::max<std::size_t>(options.window, 1);
      options.recheck = std::clamp(options.recheck, tick, day);
      options.min_backoff = std::clamp(options.min_backoff, tick, day);
      options.max_backoff = std::clamp(options.max_backoff, options.min_backoff, day);
      extension->options = options;
      extension->service = system.spawn<detail::timer_service>(
          {.name = "odeon-timers",
           .supervision = {.max_retries = 1000,
                           .backoff = {.initial = options.min_backoff,
                                       .max = options.max_backoff}}},
          std::weak_ptr(extension));
      extension->receivers->on_added([weak = std::weak_ptr(extension)](const std::string& owner) {
        if (const auto with = weak.lock()) with->owner_appeared(owner);
      });
      return out;
    }
  }
  throw actor_error(errc::name_taken, "the durable timers of this system have been started before");
}

}  // namespace persistence

}  // namespace odeon
