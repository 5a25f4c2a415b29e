#pragma once

#include <unistd.h>

#include <cstddef>
#include <filesystem>
#include <fstream>

#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#include <sanitizer/allocator_interface.h>
#endif

/// @file What a process holds.

namespace odeon::stress {

inline long descriptors_open() {
  long n = 0;
  for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/fd"))
    ++n;
  return n;
}

/// Bytes in use. A sanitizer keeps what was freed, so there its own count is asked.
inline std::size_t bytes_in_use() {
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
  return __sanitizer_get_current_allocated_bytes();
#else
  std::size_t all = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> all >> resident;
  return resident * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
#endif
}

}  // namespace odeon::stress
