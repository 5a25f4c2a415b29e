#pragma once

#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <cstdint>

/// @file Who ends waits for those who are inside.

namespace odeon::sidecar::internal {

/// Callbacks of timers and libraries enter before they touch what their owner refers to, and leave
/// after; the owner closes, and then nobody is inside and nobody comes in. One word: the number of
/// those inside, and the highest bit when it is closed.
class gate {
 public:
  [[nodiscard]] bool enter() noexcept {
    auto now = word_.load();
    do {
      if ((now & closed_bit) != 0) return false;
    } while (!word_.compare_exchange_weak(now, now + 1));
    return true;
  }
  /// `rt`: of the owner, who may be gone right after.
  void leave(runtime& rt) noexcept {
    if (word_.fetch_sub(1) - 1 == closed_bit) rt.wake(word_);
  }
  /// Waits for those inside; never called from inside.
  void close(runtime& rt) {
    for (auto now = word_.fetch_or(closed_bit) | closed_bit; now != closed_bit; now = word_.load())
      rt.wait(word_, now, time_point::max());
  }

 private:
  static constexpr std::uint32_t closed_bit = 1U << 31U;
  std::atomic<std::uint32_t> word_{0};
};

}  // namespace odeon::sidecar::internal
