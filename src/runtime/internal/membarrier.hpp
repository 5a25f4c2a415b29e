#pragma once

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

/// @file A full memory barrier on every running thread of the process: membarrier(2). It lets the
/// frequent side of a protocol do without a barrier of its own.

namespace odeon::detail {

/// Once a process, before `membarrier`. False: the kernel does not have it (or a sanitizer would
/// not understand it), and it must not be relied on. @threadsafe
inline bool register_membarrier() noexcept {
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
  return false;
#endif
#endif
  static const bool works =
      syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) == 0;
  return works;
}

/// Some microseconds: it interrupts the other cores.
inline void membarrier() noexcept {
  syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
}

}  // namespace odeon::detail
