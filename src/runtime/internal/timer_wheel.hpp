#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/runtime/runtime.hpp>

#include <array>
#include <cstdint>
#include <functional>

namespace odeon {

/// A hierarchical timing wheel (Varghese and Lauck, 1987, scheme 7): five levels of 256, 64, 64, 64
/// and 64 slots of 1 ms, 256 ms, 16 s, 17 min and 19 h; later than 49 days waits in the last slot
/// and is sorted in again. Arm and disarm are O(1) under a short lock; moving on costs O(1) a tick
/// that has work, because empty ticks are skipped by bitmaps.
class timer_wheel final : public timer_queue {
 public:
  /// `earlier(due)` is called, without the lock, when a timer was armed that is due before all
  /// others.
  explicit timer_wheel(time_point start,
                       std::move_only_function<void(time_point)> earlier = nullptr);

  void arm(timer_node& node, time_point due) noexcept override;
  bool disarm(timer_node& node) noexcept override;
  [[nodiscard]] std::size_t size() const noexcept override;

  /// Fires all that are due at `now`, in order of their ticks. Not from two threads at once.
  /// Returns how many.
  std::size_t advance(time_point now) noexcept;

  /// When `advance` next has something to do (possibly only sorting): never after the first due
  /// time; `time_point::max()` when nothing is armed.
  [[nodiscard]] time_point next_due() noexcept;

 private:
  static constexpr unsigned levels = 5;
  static constexpr unsigned first_bits = 8;
  static constexpr unsigned other_bits = 6;
  static constexpr unsigned first_slots = 1U << first_bits;
  static constexpr unsigned other_slots = 1U << other_bits;
  static constexpr unsigned slot_count = first_slots + (levels - 1) * other_slots;
  static constexpr std::int64_t never = INT64_MAX;

  static unsigned shift(unsigned level) noexcept {
    return level == 0 ? 0 : first_bits + (level - 1) * other_bits;
  }
  static unsigned base(unsigned level) noexcept {
    return level == 0 ? 0 : first_slots + (level - 1) * other_slots;
  }
  void place(timer_node& node) noexcept;
  void unlink(timer_node& node) noexcept;
  timer_node* take_slot(unsigned slot) noexcept;
  [[nodiscard]] std::int64_t next_tick() const noexcept;

  mutable detail::spin_lock lock_;
  time_point start_;
  std::int64_t now_ = 0;           // the tick up to which all has fired
  std::int64_t promised_ = never;  // the tick that `earlier` or `next_due` last named
  std::size_t armed_ = 0;
  std::array<timer_node*, slot_count> slots_{};
  std::array<std::uint64_t, slot_count / 64> used_{};
  std::move_only_function<void(time_point)> earlier_;
};

}  // namespace odeon
