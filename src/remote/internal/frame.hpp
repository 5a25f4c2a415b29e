#pragma once

#include "handshake.hpp"
#include "protocol.hpp"
#include <odeon/net/crypto.hpp>
#include <odeon/wire/bytes.hpp>

#include <cstring>
#include <optional>
#include <span>

/// @file Frames: what protects what is said on an open connection.
///
///     u32 length (of all that follows) | u8 version | u8 lane | u16 flags (0) | u64 counter
///     items …
///     u32 CRC-32C, or with a shared secret 16 bytes AES-256-GMAC (NIST SP 800-38D)
///
/// The check covers everything before it. Counters begin with 0 and leave nothing out, in each
/// direction. The CRC begins with the handshake's transcript, the MAC's key comes from it: a frame
/// of another connection or direction, one that was left out, sent again, moved or cut is refused.

namespace odeon::remote::detail {

inline constexpr std::size_t frame_header = 16;
inline constexpr std::size_t frame_length = 4;  ///< the length itself, which it does not count
inline constexpr std::size_t crc_size = 4;
inline constexpr std::size_t mac_size = seal_tag_size;

/// Makes the checks of one direction, or looks at them. Not threadsafe.
class frame_check {
 public:
  frame_check(protection how, const direction_keys& keys);

  /// How many bytes stand behind the items.
  [[nodiscard]] std::size_t size() const noexcept { return mac_ ? mac_size : crc_size; }
  void make(std::uint64_t counter, const_bytes covered, std::byte* check) noexcept;
  [[nodiscard]] bool right(std::uint64_t counter, const_bytes covered,
                           const std::byte* check) noexcept;

 private:
  std::uint32_t crc_seed_;  // of the connection and the direction
  std::optional<seal_key> mac_;
};

/// Builds frames one after the other in a buffer: `begin`, items by the caller, `close`; counters
/// and checks are made when all is in order, by `seal`.
class frame_writer {
 public:
  explicit frame_writer(frame_check check) noexcept : check_(std::move(check)) {}

  /// A header at the end of `out`; gives where it stands.
  std::size_t begin(wire::buffer& out, lane l) const;
  /// The frame that began there ends with the buffer.
  void close(wire::buffer& out, std::size_t begun) const;
  /// Gives all (closed) frames of the buffer their counters and checks; how many there are.
  std::size_t seal(wire::buffer& out, std::size_t from = 0);
  [[nodiscard]] std::size_t check_size() const noexcept { return check_.size(); }

 private:
  frame_check check_;
  std::uint64_t counter_ = 0;
};

/// Calls `f` with the items of each frame of those that a `frame_writer` has made, and with where
/// that frame ends. They are this side's own and are not checked.
void each_frame(const_bytes frames, std::size_t check_size, auto&& f) {
  for (std::size_t at = 0; at != frames.size();) {
    std::uint32_t length;
    std::memcpy(&length, frames.data() + at, sizeof length);
    const std::size_t end = at + frame_length + length;
    f(frames.subspan(at + frame_header, end - check_size - at - frame_header), end);
    at = end;
  }
}

/// Takes frames apart.
class frame_reader {
 public:
  frame_reader(frame_check check, std::size_t frame_bytes) noexcept
      : check_(std::move(check)),
        bound_(frame_bytes) {}

  /// How long the frame at the front is, everything counted; 0: not enough of it is there to tell.
  /// `protocol_violation`: longer than allowed, shorter than possible.
  [[nodiscard]] result<std::size_t> measure(const_bytes bytes) const;

  struct opened {
    remote::detail::lane lane;
    const_bytes items;
  };
  /// A whole frame, checked. `protocol_violation`: nothing of it may be looked at.
  [[nodiscard]] result<opened> open(const_bytes frame);

 private:
  frame_check check_;
  std::size_t bound_;
  std::uint64_t counter_ = 0;
};

}  // namespace odeon::remote::detail
