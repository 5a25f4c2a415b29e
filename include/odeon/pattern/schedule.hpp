#pragma once

#include <odeon/base/time.hpp>
#include <odeon/runtime/fwd.hpp>

/// @file How long to wait between attempts.

namespace odeon {

/// A rule for the pauses between attempts. A small value: copy it. @threadsafe
///
///     schedule::fixed(1s)                      1 s, 1 s, 1 s, …
///     schedule::exponential(100ms, 5s)         100 ms, 200 ms, 400 ms, … 5 s, 5 s, …, each ± 20 %
class schedule {
 public:
  /// No pause at all: for sources of trouble that are gone at once, and for tests.
  [[nodiscard]] static schedule immediate() noexcept { return {}; }

  /// `every` after each failure. `jitter` (0 to 1) spreads each pause by ± that part of itself.
  /// Throws `actor_error(errc::invalid_argument)` for a negative pause or another jitter.
  [[nodiscard]] static schedule fixed(duration every, double jitter = 0);

  /// `min` after the first failure, then twice as long each time, up to `max`; each spread by ±
  /// `jitter` of itself, so that those who failed together do not come back together. Throws
  /// `actor_error(errc::invalid_argument)`: a negative `min`, `max` below `min`, jitter outside
  /// 0…1.
  [[nodiscard]] static schedule exponential(duration min, duration max, double jitter = 0.2);

  /// The pause after the `attempt`-th failure, counted from 1, before it is spread; zero for 0.
  [[nodiscard]] duration delay_for(unsigned attempt) const noexcept;
  /// The same, spread by the runtime's chance: what is to be waited. Draws only where there is a
  /// jitter.
  [[nodiscard]] duration delay_for(unsigned attempt, runtime& rt) const noexcept;

  [[nodiscard]] duration min() const noexcept { return min_; }
  [[nodiscard]] duration max() const noexcept { return max_; }
  [[nodiscard]] double jitter() const noexcept { return jitter_; }

  friend bool operator==(const schedule&, const schedule&) noexcept = default;

 private:
  schedule() noexcept = default;
  schedule(duration min, duration max, double jitter);

  duration min_{0};
  duration max_{0};
  double jitter_ = 0;
};

}  // namespace odeon
