#pragma once

#include "ring.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

/// @file What the records of a worker's channel hold: one message and whom it is for.

namespace odeon::python {

/// A run of bytes inside a segment.
struct segment_part {
  std::shared_ptr<segment> whole;
  std::uint64_t offset = 0;
  std::uint64_t size = 0;

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept {
    return {whole->data() + offset, static_cast<std::size_t>(size)};
  }
};

/// A message as it is handed over. What the numbers mean is `odeon.subprocess_worker`'s.
struct frame {
  std::uint8_t kind = 0;
  std::uint64_t actor = 0;
  std::uint64_t request = 0;
  std::uint32_t version = 1;
  std::string_view manifest;
  std::span<const std::byte> payload;
};

/// A payload of this many bytes or more, or of more than a record takes, goes through a segment.
inline constexpr std::size_t payload_beside_at = std::size_t{64} << 10U;

/// Sends `what` with `buffers`, which stay as they are: those inside a segment of this process are
/// handed over with it, the others are copied into one. Results as `channel::send`; errors
/// `io_failed` when there is no memory or there are no descriptors, `invalid_argument` for a
/// manifest of 64 KiB.
[[nodiscard]] result<channel_status> send_frame(
    channel& to, const frame& what, std::span<const std::span<const std::byte>> buffers);

/// A frame that arrived, and what it points into.
struct received_frame {
  channel_record record;
  frame content;
  std::vector<std::byte> copied;  ///< a payload from a segment that may change
  std::vector<std::shared_ptr<segment>> files;
  std::vector<segment_part> buffers;
};

/// The next frame. `broken` also when the record's bytes are no frame.
[[nodiscard]] channel_status receive_frame(channel& from, received_frame& to);

}  // namespace odeon::python
