#pragma once

/// @file
/// The numbers of each workload and the little code that every system's version must share, so
/// that all of them do the same work. docs/guide/benchmarks.md tells what each workload does.
///
/// A workload's first constant is its default size: the number of the thing that it grows in.
/// The other counts are the amount of work of the timed pass, split over that many.

#include <chrono>
#include <cstddef>
#include <cstdint>

namespace bench {

namespace pingpong {
inline constexpr std::size_t pairs = 1;
inline constexpr std::uint64_t messages = 2'000'000;
}  // namespace pingpong

namespace ring {
inline constexpr std::size_t actors = 503;
inline constexpr std::uint64_t hops = 2'000'000;
}  // namespace ring

namespace tell {
inline constexpr std::size_t pairs = 1;
inline constexpr std::uint64_t messages = 2'000'000;
inline constexpr std::uint64_t floods = 4;  ///< the messages come in this many equal floods
}  // namespace tell

namespace tell_window {
inline constexpr std::size_t window = 1'000;
inline constexpr std::uint64_t messages = 5'000'000;
}  // namespace tell_window

namespace fanin {
inline constexpr std::size_t senders = 8;
inline constexpr std::uint64_t messages = 2'000'000;
inline constexpr std::uint64_t burst = 1'000;  ///< messages a sender sends in one turn
}  // namespace fanin

namespace big {
inline constexpr std::size_t actors = 120;
inline constexpr std::uint64_t pings = 1'000'000;
}  // namespace big

namespace chameneos {
inline constexpr std::size_t creatures = 100;
inline constexpr std::uint64_t meetings = 500'000;

enum class colour : std::uint8_t { blue, red, yellow };

/// The colour a creature takes after it met `other`: its own if both agree, the third if not.
constexpr colour complement(colour own, colour other) {
  if (own == other) return own;
  return static_cast<colour>(3 - static_cast<int>(own) - static_cast<int>(other));
}
}  // namespace chameneos

namespace spawn {
inline constexpr std::size_t batch = 1'000;
inline constexpr std::uint64_t actors = 500'000;
}  // namespace spawn

namespace idle {
inline constexpr std::size_t actors = 1'000'000;
inline constexpr std::chrono::milliseconds settle{300};  ///< between the spawning and the CPU
inline constexpr std::chrono::milliseconds watch{1'000};
}  // namespace idle

namespace skynet {
inline constexpr std::size_t leaves = 1'000'000;
inline constexpr std::size_t fan_out = 10;

/// The sum that the root must arrive at: 0 + 1 + … + (n − 1).
constexpr std::uint64_t expected(std::uint64_t n) { return n * (n - 1) / 2; }

/// Whether `n` is a power of ten, which the tree needs.
constexpr bool fits(std::size_t n) {
  while (n >= fan_out && n % fan_out == 0) n /= fan_out;
  return n == 1;
}
}  // namespace skynet

namespace ask_outside {
inline constexpr std::size_t actors = 1;
inline constexpr std::uint64_t asks = 20'000;
}  // namespace ask_outside

namespace ask_inside {
inline constexpr std::size_t open = 1;
inline constexpr std::uint64_t asks = 500'000;
}  // namespace ask_inside

namespace ask_coroutine {
inline constexpr std::size_t askers = 1;
inline constexpr std::uint64_t asks = 500'000;
}  // namespace ask_coroutine

namespace remote_tell {
inline constexpr std::size_t window = 1'000;  ///< messages that are acknowledged together
inline constexpr std::uint64_t messages = 2'000'000;
}  // namespace remote_tell

namespace remote_ask {
inline constexpr std::size_t open = 1'000;  ///< asks in flight, for the rate
inline constexpr std::uint64_t asks = 20'000;
inline constexpr std::uint64_t in_flight = 500'000;
}  // namespace remote_ask

namespace timers {
inline constexpr std::size_t open = 100'000;
inline constexpr std::chrono::milliseconds nearest{600'000};  ///< none comes due while we look
inline constexpr std::uint64_t spread_ms = 3'600'000;
}  // namespace timers

/// A small generator (xorshift64*, Vigna 2016), so that each system draws the same numbers.
class random {
 public:
  explicit constexpr random(std::uint64_t seed) : state_(seed * 0x9E3779B97F4A7C15ull + 1) {}

  /// A number in [0, bound). @pre bound > 0.
  constexpr std::uint64_t below(std::uint64_t bound) {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return ((state_ * 0x2545F4914F6CDD1Dull) >> 32) % bound;
  }

 private:
  std::uint64_t state_;
};

/// How much of `total` the `index`-th of `parts` gets when it is split as evenly as can be.
constexpr std::uint64_t share(std::uint64_t total, std::uint64_t parts, std::uint64_t index) {
  return total / parts + (index < total % parts ? 1 : 0);
}

}  // namespace bench
