#pragma once

/// @file `ODEON_ASSERT`: a broken invariant of the runtime itself. Never for bytes from outside,
/// and never for a user's mistake: those are errors. It stays on in release builds; a check on the
/// hot path uses `ODEON_DEBUG_ASSERT`.

namespace odeon::detail {

/// Prints "odeon: broken invariant: <message> (<condition>) at <file>:<line>" on stderr and aborts.
[[noreturn]] void assert_failed(const char* condition, const char* message, const char* file,
                                int line) noexcept;

}  // namespace odeon::detail

#define ODEON_ASSERT(condition, message) \
  (static_cast<bool>(condition)          \
       ? void(0)                         \
       : ::odeon::detail::assert_failed(#condition, message, __FILE__, __LINE__))

#ifdef NDEBUG
#define ODEON_DEBUG_ASSERT(condition, message) void(0)
#else
#define ODEON_DEBUG_ASSERT(condition, message) ODEON_ASSERT(condition, message)
#endif
