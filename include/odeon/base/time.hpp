#pragma once

#include <chrono>
#include <string>

/// @file Time as Odeon counts it. Nothing outside `runtime` reads a clock; these are the types a
/// clock's reading has.

namespace odeon {

using duration = std::chrono::nanoseconds;

/// A reading of the runtime's monotonic clock. Its epoch is arbitrary; it never goes back.
struct monotonic_clock {
  using duration = odeon::duration;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<monotonic_clock, duration>;
  static constexpr bool is_steady = true;
};
using time_point = monotonic_clock::time_point;

/// Wall time since 1970-01-01 00:00 UTC, for people and for what is stored. It may jump.
using wall_time = std::chrono::sys_time<duration>;

/// "1.5 s", "20 ms", "350 us", "17 ns": three significant digits, for texts.
[[nodiscard]] std::string to_string(duration d);

}  // namespace odeon
