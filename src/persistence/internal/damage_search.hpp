#pragma once

#include <odeon/base/time.hpp>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>

namespace odeon::detail {

/// Looks for the way past an item that cannot be read, in an order by time: the earliest time from
/// which on reading does not begin with it. In doubling steps, then by halves: at most about 130
/// reads, whatever lies between.
class damage_search {
 public:
  /// The item is the first one that is due at `base` or later; `what` is what is said of it.
  damage_search(wall_time base, std::string what) : base_(base), what_(std::move(what)) {}

  [[nodiscard]] const std::string& what() const noexcept { return what_; }
  /// Where to read from next.
  [[nodiscard]] wall_time probe() const noexcept { return at(probe_); }
  /// Whether reading from there began with the item. True: found, and `probe` is the way past it.
  bool told(bool item_is_first) noexcept {
    (item_is_first ? low_ : high_) = probe_;
    const std::uint64_t last = end_ - static_cast<std::uint64_t>(base_.time_since_epoch().count());
    if (high_ == 0) {
      probe_ = low_ > last / 2 ? last : std::max<std::uint64_t>(low_ * 2, 1);
      if (low_ < last) return false;
      high_ = last;
    }
    if (high_ - low_ <= 1) {
      probe_ = high_;
      return true;
    }
    probe_ = low_ + (high_ - low_) / 2;
    return false;
  }

 private:
  static constexpr auto end_ =
      static_cast<std::uint64_t>(std::numeric_limits<duration::rep>::max());
  [[nodiscard]] wall_time at(std::uint64_t offset) const noexcept {
    const auto sum = static_cast<std::uint64_t>(base_.time_since_epoch().count()) + offset;
    return wall_time(duration(static_cast<duration::rep>(sum)));
  }

  wall_time base_;
  std::string what_;
  // Offsets from the base, in nanoseconds; two's complement makes their sums right.
  std::uint64_t probe_ = 1;
  std::uint64_t low_ = 0;   // from here the item is the first
  std::uint64_t high_ = 0;  // from here it is not; 0: not known
};

}  // namespace odeon::detail
