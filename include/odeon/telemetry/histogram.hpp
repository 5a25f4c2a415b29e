#pragma once

#include <odeon/telemetry/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <vector>

/// @file A histogram of durations, sizes or counts of which nobody knows the range beforehand.

namespace odeon {

/// Counts values in buckets whose width grows with the value: 64 of them for each power of two, so
/// that a quantile is off by at most 1/64 of itself (1.6 %), over the whole range of 64 bits;
/// values below 128 are exact. The smallest, the largest and the sum are exact. The unit is the
/// caller's.
///
/// The idea is that of HdrHistogram (G. Tene, https://hdrhistogram.org), with powers of two in
/// place of decimal digits. 30 kB once something was recorded.
///
/// A value: not for two threads at once. Each thread has its own, and `merge` adds them up.
class histogram {
 public:
  /// Adds `times` occurrences of `value`. O(1), allocates at the first call only.
  void record(std::uint64_t value, std::uint64_t times = 1);

  /// Adds all of `other`.
  void merge(const histogram& other);

  /// Back to empty.
  void clear() noexcept;

  [[nodiscard]] std::uint64_t count() const noexcept { return count_; }
  [[nodiscard]] std::uint64_t min() const noexcept { return count_ == 0 ? 0 : min_; }
  [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
  [[nodiscard]] double mean() const noexcept;

  /// The value that a share of `q` (0 to 1, else taken as the nearer end) of all recorded ones does
  /// not exceed: the upper end of the bucket it is in, and never more than `max()`. 0 when empty.
  /// Walks the buckets: about 2 us.
  [[nodiscard]] std::uint64_t quantile(double q) const noexcept;

 private:
  std::vector<std::uint64_t> buckets_;
  std::uint64_t count_ = 0;
  std::uint64_t min_ = 0;
  std::uint64_t max_ = 0;
  double sum_ = 0;
};

}  // namespace odeon
