#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/testkit/assertion_error.hpp>
#include <odeon/testkit/fwd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <utility>

/// @file `kit`: an actor system for a test.
///
///     odeon::testkit::kit k;                        // simulated: one thread, virtual time, a seed
///     auto p = k.probe<pong>();
///     auto a = k.system().spawn<player>(p.ref());
///     a.tell<ping>();
///     p.expect<pong>();                             // runs the system until it comes
///     k.advance(1min);                              // a minute, in no time
///
/// On the simulated runtime the same seed gives the same run, step by step; another one lets actors
/// run in another order. `ODEON_TEST_SEED` in the environment is the seed of all kits that name
/// none: run a test under many of them to see it under many interleavings.
///
/// A kit, its probes and its event logs belong to one thread: the test's.

namespace odeon::testkit {

struct kit_options {
  std::uint64_t seed = 0;  ///< 0: `ODEON_TEST_SEED` of the environment, or 1
  bool threaded = false;   ///< real threads and real time in place of the simulation
  bool moves_time = true;  ///< off: virtual time moves by `advance` alone, never while waiting
  duration patience = std::chrono::seconds(1);  ///< how long expectations wait unless told
  std::string name = "test";                    ///< the system's
  system_options system = {};                   ///< its further options; `runtime` is the kit's own
};

/// Owns a system (and a simulated runtime), or looks at one that is there.
class kit {
 public:
  kit();
  explicit kit(kit_options options);
  /// For a system of the test's own, threaded or simulated; it must outlive the kit.
  explicit kit(actor_system& system, duration patience = std::chrono::seconds(1));
  /// Ends the system, if it is the kit's.
  ~kit();
  kit(const kit&) = delete;
  kit& operator=(const kit&) = delete;

  [[nodiscard]] actor_system& system() noexcept { return *system_; }
  [[nodiscard]] runtime& get_runtime() noexcept { return system_->get_runtime(); }
  [[nodiscard]] bool is_simulated() const noexcept { return simulation_ != nullptr; }
  /// The simulated runtime. Throws `assertion_error` with a threaded system.
  [[nodiscard]] simulated_runtime& simulation(
      std::source_location at = std::source_location::current());
  [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }

  /// Ends the kit's own system now; the kit is of no further use but for `simulation`.
  void end_system() { own_system_.reset(); }

  // -- probes and events (testkit/probe.hpp, testkit/event_log.hpp) ---------------------------

  /// An actor that keeps what it receives. An empty name: a generated one.
  template <class... Ms>
  [[nodiscard]] testkit::probe<Ms...> probe(std::string name = {});

  /// Collects the events of type `E` that `accept` accepts, from here on.
  template <message E>
  [[nodiscard]] event_log<E> events(std::function<bool(const E&)> accept = nullptr);

  // -- time: the simulated runtime only -------------------------------------------------------

  /// Runs all that can run at the present virtual time. Returns the number of steps.
  std::size_t settle(std::source_location at = std::source_location::current());
  /// Settles, then moves both clocks (or one domain's) on by `d`, settling at each timer on the
  /// way.
  void advance(duration d, std::source_location at = std::source_location::current());
  void advance(duration d, clock_domain domain,
               std::source_location at = std::source_location::current());
  /// Stops a domain's clock until `thaw`; the other one goes on.
  void freeze(clock_domain domain, std::source_location at = std::source_location::current());
  void thaw(clock_domain domain, std::source_location at = std::source_location::current());
  /// What the clock of user timers shows.
  [[nodiscard]] time_point now() { return get_runtime().now(clock_domain::user); }

  // -- waiting --------------------------------------------------------------------------------

  /// Calls `f` and throws `assertion_error` when that took longer than `limit`, on the clock of the
  /// system. Expectations inside wait at most for what is left of it.
  template <class F>
  auto within(duration limit, F f, std::source_location at = std::source_location::current()) {
    block inside(*this, limit);
    if constexpr (std::is_void_v<decltype(f())>) {
      f();
      check_block(inside, at);
    } else {
      auto out = f();
      check_block(inside, at);
      return out;
    }
  }

  /// Runs the system until `holds()`, which is called after each step (simulated) or each
  /// millisecond. Throws `assertion_error` when `limit` passes first; `what` names the condition.
  void eventually(const std::function<bool()>& holds, duration limit, std::string_view what,
                  std::source_location at = std::source_location::current());
  void eventually(const std::function<bool()>& holds, std::string_view what = "the condition",
                  std::source_location at = std::source_location::current()) {
    eventually(holds, patience_, what, at);
  }

  /// For probes and logs: waits while `word` holds `value`, at most until `deadline` of `clock()`.
  /// False: nothing happened.
  bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t value, time_point deadline);
  /// The end of a wait that begins now; a negative limit means the kit's patience.
  [[nodiscard]] time_point deadline(duration limit) noexcept;
  [[nodiscard]] duration limit_or_patience(duration limit) const noexcept {
    return limit < duration::zero() ? patience_ : limit;
  }
  [[noreturn]] void fail(std::string text, const std::source_location& at) const;

 private:
  /// One `within` under way.
  struct block {
    block(kit& k, duration limit) noexcept;
    ~block();
    kit& owner;
    duration limit;
    time_point began;
    std::optional<time_point> outer;
  };
  void check_block(const block& b, const std::source_location& at) const;
  /// The clock that bounds waits: housekeeping, unless it is frozen.
  [[nodiscard]] time_point clock() const noexcept;
  bool pass_time(time_point deadline);

  std::unique_ptr<simulated_runtime> own_runtime_;
  std::unique_ptr<actor_system> own_system_;
  actor_system* system_ = nullptr;
  simulated_runtime* simulation_ = nullptr;
  std::uint64_t seed_ = 0;
  bool moves_time_ = true;
  bool frozen_[2] = {false, false};
  duration patience_;
  std::optional<time_point> block_ends_;
};

}  // namespace odeon::testkit
