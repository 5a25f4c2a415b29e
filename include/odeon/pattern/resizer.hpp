#pragma once

#include <odeon/base/time.hpp>

#include <chrono>
#include <cstddef>

namespace odeon {

/// When a pool grows and shrinks by itself: `round_robin(4, {.resize = resizer{.min = 2, .max =
/// 10}})`. Every `every` the routees are looked at; one is *pressed* when at least `pressure`
/// messages wait for it. The number of routees stays within the bounds, also across `resize`.
struct resizer {
  std::size_t min = 1;        ///< routees; at least 1
  std::size_t max = 10;       ///< routees; at least `min`
  std::size_t pressure = 1;   ///< waiting messages; 0: a routee that is at work is pressed
  double grow = 0.2;          ///< when all are pressed: by this part of their number, rounded up
  double shrink_below = 0.3;  ///< when less than this part of them is pressed …
  double shrink = 0.1;        ///< … by this part of their number, rounded up; 0: never
  duration every = std::chrono::milliseconds(100);  ///< on the user clock

  /// By how many routees to grow, or, negative, to shrink, when `pressed` of `size` are. Stays
  /// within the bounds whatever `size` is.
  [[nodiscard]] std::ptrdiff_t delta(std::size_t pressed, std::size_t size) const noexcept;
  /// Null, or one sentence about the first setting that makes no sense.
  [[nodiscard]] const char* wrong() const noexcept;
};

}  // namespace odeon
