#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

/// @file CRC-32C (Castagnoli; RFC 3720, appendix B.4): what shows that a frame was altered by
/// accident. A MAC is what shows that it was altered on purpose.

namespace odeon::remote::detail {

/// The checksum of the bytes before (`seed`, 0 at the start) followed by `bytes`. With the
/// processor's instruction, where there is one, about 8 bytes a nanosecond.
[[nodiscard]] std::uint32_t crc32c(std::span<const std::byte> bytes,
                                   std::uint32_t seed = 0) noexcept;

/// The same by tables, for processors without the instruction, and for tests.
[[nodiscard]] std::uint32_t crc32c_portable(std::span<const std::byte> bytes,
                                            std::uint32_t seed = 0) noexcept;

}  // namespace odeon::remote::detail
