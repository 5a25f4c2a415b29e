#pragma once

#include <odeon/persistence/durable_timer.hpp>
#include <odeon/persistence/fwd.hpp>
#include <odeon/task/future.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

/// @file The service that fires durable timers, and the list of them.
///
///     persistence::install(system, journal);
///     durable_timers timers = persistence::start_timers(system);
///     co_await timers.set("account-7", durable_timer::after("review", 24h, review{}));
///     for (const durable_timer& t : co_await timers.of("account-7")) …
///
/// Timers stand in the journal, each under its owner: the address of a durable receiver
/// (`persistence::receivers`). The service, one actor of the system, hands a due timer's message to
/// its owner **at least once**: the timer is removed, or set to its next round, in the same
/// transaction as the effects of a durable actor's handler, and after the handler has ended for a
/// plain actor. A delivery that fails is repeated after a while, that of one timer or, where nobody
/// receives, of all timers of the owner, whose activator is called each time. Timers that are due
/// together are handed over at the same time, to one owner in the order of their due times as far
/// as none is repeated.
///
/// Memory: what is due is read in pages, at most `window` deliveries are under way, and what is due
/// later stays in the journal. The wall clock may jump: it is looked at every `recheck` at least.
/// A timer that is cancelled or set again while its message is being handed over may still come.

namespace odeon {

class actor_system;

/// An aggregate with defaults. `recheck` and the backoffs are at least 1 ms and at most a day.
struct durable_timers_options {
  /// A round that is looked at later than this has been missed: see `catch_up`.
  duration grace = std::chrono::minutes(1);
  /// The store and the wall clock are looked at as often as this at least. Timers that other
  /// processes set in a shared store are seen then.
  duration recheck = std::chrono::seconds(5);
  std::size_t page = 1024;                                ///< timers of one read
  std::size_t window = 4096;                              ///< deliveries under way
  std::size_t window_bytes = 64u << 20;                   ///< of their messages; one may exceed it
  duration min_backoff = std::chrono::milliseconds(100);  ///< after a failure; then doubled, …
  duration max_backoff = std::chrono::minutes(1);         ///< … up to this
};

/// A delivery failed, and will be repeated. Published on the event stream. Without owner and id: a
/// timer in the store is damaged (`corrupt_record`, with its place); it is passed over, and told of
/// once.
struct durable_timer_failed {
  std::string owner;
  std::string id;
  std::uint32_t attempts = 0;  ///< in a row, since the service began
  error why;
};

/// What the service of a system has done since it began, and has in hand.
struct durable_timers_stats {
  std::uint64_t fired = 0;    ///< handed over, and handled
  std::uint64_t skipped = 0;  ///< rounds, by `catch_up::skip`
  std::uint64_t failed = 0;   ///< deliveries that will be repeated
  std::uint64_t reads = 0;    ///< of the store
  std::size_t under_way = 0;  ///< now
};

namespace detail {
struct timer_extension;
}

/// The timers of a system's journal. A small handle; copies are the same. @threadsafe
class durable_timers {
 public:
  /// Throws `errc::invalid_argument` when the system has no journal (`persistence::install`). The
  /// service need not run here: a timer is then fired by whoever runs it on the store.
  explicit durable_timers(actor_system& system);

  /// Sets a timer, or replaces the owner's one of that id. Durable when it completes. Fails as
  /// `durable_timer::to_record`, or as the store does.
  [[nodiscard]] future<void> set(std::string owner, const durable_timer& timer);
  /// Replaces the owner's timer of that id; false: there is none, and none is made.
  [[nodiscard]] future<bool> edit(std::string owner, const durable_timer& timer);
  /// False: there is none.
  [[nodiscard]] future<bool> cancel(std::string owner, std::string id);

  /// The owner's timers, by their ids. What is not of this kind is left out.
  [[nodiscard]] future<std::vector<durable_timer>> of(std::string owner);
  /// A page of all owners' timers, of any kind, by due time; the last one's place is where to read
  /// on.
  [[nodiscard]] future<std::vector<stored_timer>> list(timer_cursor after = {},
                                                       std::size_t max = 1000,
                                                       wall_time until = wall_time::max());

  /// All zeroes where no service runs.
  [[nodiscard]] durable_timers_stats stats() const noexcept;

 private:
  std::shared_ptr<detail::timer_extension> extension_;
};

namespace persistence {

/// Starts the service of this system, once; throws `errc::name_taken` the second time, and
/// `errc::invalid_argument` without a journal.
durable_timers start_timers(actor_system& system, durable_timers_options options = {});

}  // namespace persistence

namespace detail {

/// A commit of this system's has set a timer: the service, if there is one, need not wait for its
/// next look. @threadsafe
void timer_was_set(actor_system& system, wall_time due) noexcept;

}  // namespace detail

}  // namespace odeon
