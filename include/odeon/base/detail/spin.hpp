#pragma once

#include <atomic>

/// @file A lock for sections of a few instructions. A sleeping lock there costs a wake-up (tens of
/// microseconds) each time two threads meet; this one spins briefly and then gives its time slice
/// away, so that a holder that lost its core gets on.

namespace odeon::detail {

inline void cpu_pause() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Looks for a while whether `done()`: something from another core often comes within the
/// microseconds that sleeping would cost. False: it did not come; 4 to 40 microseconds have passed.
template <class Done>
bool spin_until(Done&& done) noexcept {
  constexpr int looks = 800;
  for (int i = 0; i < looks; ++i) {
    if (done()) return true;
    cpu_pause();
  }
  return false;
}

/// Gives the rest of the time slice away; out of line, because it is a system call.
void yield_thread() noexcept;

/// A test-and-test-and-set lock. Meets *Lockable*.
class spin_lock {
 public:
  void lock() noexcept {
    for (unsigned spins = 0; taken_.exchange(true, std::memory_order_acquire);) {
      while (taken_.load(std::memory_order_relaxed)) {
        cpu_pause();
        if (++spins % 256 == 0) yield_thread();
      }
    }
  }
  [[nodiscard]] bool try_lock() noexcept {
    return !taken_.load(std::memory_order_relaxed) &&
           !taken_.exchange(true, std::memory_order_acquire);
  }
  void unlock() noexcept { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

/// Holds the lock for a scope; `std::lock_guard` without its header.
class spin_guard {
 public:
  explicit spin_guard(spin_lock& lock) noexcept : lock_(lock) { lock_.lock(); }
  spin_guard(const spin_guard&) = delete;
  spin_guard& operator=(const spin_guard&) = delete;
  ~spin_guard() { lock_.unlock(); }

 private:
  spin_lock& lock_;
};

}  // namespace odeon::detail
