#pragma once

#include <odeon/base/time.hpp>
#include <odeon/runtime/fwd.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

/// @file The seams. Whatever a program needs from outside itself – time, threads, chance – it gets
/// here, and from nowhere else: that is what lets the same actors run on real threads, and under
/// virtual time from one seed.
///
/// `threaded_runtime` is the real one, `simulated_runtime` the deterministic one
/// (`runtime/simulated.hpp`).

namespace odeon {

/// Which clock. User timers and the runtime's own (ask time-outs, housekeeping) are separate, so
/// that a test may freeze one without the other.
enum class clock_domain : std::uint8_t { user, housekeeping };

/// A unit of work that an executor runs once for each `submit`. Intrusive: submitting allocates
/// nothing.
///
/// A runnable is in at most one executor's queue at a time, and its owner keeps it alive until
/// `run_now` was called.
class runnable {
 public:
  /// Called by the executor, on one of its threads. Must not throw.
  void run_now() noexcept { run_(*this); }

 protected:
  using run_fn = void (*)(runnable&) noexcept;
  explicit runnable(run_fn run) noexcept : run_(run) {}
  ~runnable() = default;

 private:
  friend struct runnable_access;
  run_fn run_;
  runnable* next_ = nullptr;  // of whatever queue holds it
};

/// For executors only: the intrusive link.
struct runnable_access {
  static runnable*& next(runnable& r) noexcept { return r.next_; }
};

/// Runs runnables. @threadsafe
class executor {
 public:
  virtual ~executor() = default;

  /// Runs `work` soon, on one of this executor's threads. Never runs it inside the call, never
  /// fails; O(1), wakes a thread only when one sleeps and is needed. Order is not promised.
  virtual void submit(runnable& work) noexcept = 0;

  /// As `submit`, behind what waits already: for work that has had its share.
  virtual void submit_last(runnable& work) noexcept { submit(work); }

  /// Whether the calling thread belongs to this executor.
  [[nodiscard]] virtual bool is_current() const noexcept = 0;

  /// Whether code on this executor may block its thread (pinned and blocking executors).
  [[nodiscard]] virtual bool may_block() const noexcept = 0;
};

/// A timer's place in a queue, embedded in its owner: arming allocates nothing. See `timer_queue`.
class timer_node {
 public:
  timer_node() noexcept = default;
  timer_node(const timer_node&) = delete;
  timer_node& operator=(const timer_node&) = delete;

 protected:
  /// Called once per arming, on the timer thread, without locks held; must be short and must not
  /// throw. After it was called the queue does not touch the node again, so the owner may free or
  /// re-arm it there.
  using fire_fn = void (*)(timer_node&) noexcept;
  explicit timer_node(fire_fn fire) noexcept : fire_(fire) {}
  ~timer_node() = default;

 private:
  friend class timer_wheel;
  fire_fn fire_ = nullptr;
  timer_node* next_ = nullptr;
  timer_node** link_ = nullptr;  // what points to this node; null when not armed
  std::int64_t due_ = 0;         // ticks
  std::uint16_t slot_ = 0;
};

/// One-shot timers with a resolution of one millisecond: fires at or after the due time, never
/// before. @threadsafe
class timer_queue {
 public:
  virtual ~timer_queue() = default;

  /// Arms a node that is not armed. O(1). The owner keeps it alive until it fired or `disarm`
  /// returned true.
  virtual void arm(timer_node& node, time_point due) noexcept = 0;

  /// True: it was armed and will not fire. False: it fired, is firing on the timer thread now, or
  /// was never armed – the owner must then be ready for one more call. O(1).
  virtual bool disarm(timer_node& node) noexcept = 0;

  /// How many nodes are armed. O(1).
  [[nodiscard]] virtual std::size_t size() const noexcept = 0;
};

enum class executor_kind : std::uint8_t {
  work_stealing,  ///< `threads` workers that share the work: the default dispatcher
  pinned,         ///< one thread of its own, for code that needs to stay on a thread; it may block
  blocking,       ///< threads come and go with the work, for code that blocks; at most `threads`
};

struct executor_options {
  executor_kind kind = executor_kind::work_stealing;
  std::string name = "default";  ///< of the threads, as debuggers show them: "<name>-<n>"
  unsigned threads = 0;          ///< 0: one per core (work_stealing), 64 (blocking)
  duration idle_after = std::chrono::seconds(10);  ///< blocking: when a thread without work ends
  /// Called by a work-stealing worker that found no work, before it sleeps, and every 64 turns.
  /// Must not throw.
  void (*on_idle)() noexcept = nullptr;
};

/// Everything from outside. @threadsafe
class runtime {
 public:
  virtual ~runtime() = default;

  /// The monotonic clock of a domain. About 20 ns on the threaded runtime.
  [[nodiscard]] virtual time_point now(clock_domain domain = clock_domain::user) const noexcept = 0;
  [[nodiscard]] virtual wall_time wall_now() const noexcept = 0;

  /// Fills with random bytes: the kernel's, or the seed's. Not for hot paths.
  virtual void random(std::span<std::byte> out) noexcept = 0;
  [[nodiscard]] std::uint64_t random_u64() noexcept;

  [[nodiscard]] virtual timer_queue& timers(clock_domain domain) noexcept = 0;

  /// A new executor; its destructor runs what is queued, and what that submits, and ends when
  /// nothing is left.
  [[nodiscard]] virtual std::unique_ptr<executor> make_executor(executor_options options) = 0;
  [[nodiscard]] virtual std::unique_ptr<serial_executor> make_serial(std::string name) = 0;

  /// Blocks the calling thread while `word` holds `value`, until `wake` or `deadline` (housekeeping
  /// clock; `time_point::max()`: none). May return early: callers check again. False: the deadline
  /// has passed. The simulated runtime runs the system's work meanwhile, moves virtual time on when
  /// nothing else can happen, and throws `actor_error(errc::would_block)` when nothing at all is
  /// left that could end the wait.
  virtual bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                    time_point deadline) = 0;

  /// Wakes all who wait on `word`, which the caller has changed before.
  virtual void wake(const std::atomic<std::uint32_t>& word) noexcept = 0;

  /// True when all of it runs on the calling thread, under virtual time.
  [[nodiscard]] virtual bool is_simulated() const noexcept = 0;
};

/// Signals that ask a process to end. One user a process.
class termination_signals {
 public:
  /// Handles SIGTERM and SIGINT from here on, until destroyed.
  termination_signals();
  ~termination_signals();
  termination_signals(const termination_signals&) = delete;
  /// How many came. Async-signal safe behind it: a counter.
  [[nodiscard]] unsigned count() const noexcept;
  /// Blocks until at least one came. False: `limit` passed before.
  bool wait(duration limit) noexcept;
};

/// The real one: steady clock, one timer thread, kernel entropy, threads. Threads start with the
/// first need.
[[nodiscard]] std::unique_ptr<runtime> make_threaded_runtime();

}  // namespace odeon
