#pragma once

#include <odeon/base/time.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <climits>
#include <cstdint>
#include <ctime>

/// @file The kernel's wait queue on a 32-bit word.

namespace odeon::detail {

inline constexpr duration forever = duration::max();

/// Sleeps while `word` holds `value`, at most `limit`. False: the limit has passed.
inline bool futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
                       duration limit) noexcept {
  timespec ts{};
  timespec* timeout = nullptr;
  if (limit != forever) {
    if (limit <= duration::zero()) return word.load(std::memory_order_acquire) != value;
    ts.tv_sec = static_cast<time_t>(limit.count() / 1'000'000'000);
    ts.tv_nsec = static_cast<long>(limit.count() % 1'000'000'000);
    timeout = &ts;
  }
  long r = syscall(SYS_futex, &word, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, value, timeout, nullptr, 0);
  return !(r == -1 && errno == ETIMEDOUT);
}

inline void futex_wake(const std::atomic<std::uint32_t>& word, int count) noexcept {
  syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count, nullptr, nullptr, 0);
}

}  // namespace odeon::detail
