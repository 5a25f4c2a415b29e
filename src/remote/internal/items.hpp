#pragma once

#include "messages.hpp"
#include "names.hpp"
#include <odeon/wire/bytes.hpp>

#include <cstdint>
#include <memory>

/// @file A user message in bytes, and payloads that are made smaller by zstd.
///
///     u8 kind + 1 in the low three bits, then flags: 8 limit, 16 trace, 32 key, 64 priority,
///        128 packed
///     name to | name from | [varint ask, unless a tell] | [varint limit in ns] | [u64 trace]
///     | [u64 key] | [varint priority, zigzag] | name type | varint payload size
///     | [packed: varint its size expanded] | payload

namespace odeon::remote::detail {

/// Of everything but the texts of names and the payload.
inline constexpr std::size_t item_head_max = 3 * reference_max + 8 * varint_max;

/// What stands before a payload. `wire_size` is the payload's size as it is sent.
struct payload_sizes {
  std::size_t wire_size = 0;
  std::size_t expanded = 0;  ///< 0: not packed
};

/// Writes all but the payload; there must be room for `item_head_max` and the texts.
std::byte* put_head(std::byte* at, const user_message& m, const payload_sizes& sizes,
                    name_writer& names);

/// Reads all but the payload into `m`; a malformed one fails the cursor. Texts live as
/// `name_reader::get` says.
payload_sizes get_head(cursor& in, user_message& m, name_reader& names);

/// How many bytes an item may have at most.
[[nodiscard]] inline std::size_t item_bound(const user_message& m) noexcept {
  return item_head_max + m.to.path.size() + m.from.path.size() + m.message.manifest.size() +
         m.message.payload.size();
}

/// zstd without streams: one payload, one frame. Contexts are made when they are first needed and
/// used again. Not threadsafe.
class packer {
 public:
  /// The bytes made smaller, by an eighth at least; empty when that is not to be had. Valid until
  /// the next call.
  [[nodiscard]] std::span<const std::byte> pack(std::span<const std::byte> payload);
  /// The other way: exactly `expanded` bytes, or `protocol_violation`. The caller has looked at
  /// that size; nothing more is ever written. Valid until the next call.
  [[nodiscard]] result<std::span<const std::byte>> expand(std::span<const std::byte> packed,
                                                          std::size_t expanded);
  packer();
  packer(packer&&) noexcept;
  packer& operator=(packer&&) noexcept;
  ~packer();

 private:
  struct contexts;
  std::unique_ptr<contexts> z_;
  std::unique_ptr<std::byte[]> room_;
  std::size_t room_size_ = 0;
  std::byte* room(std::size_t size);
};

}  // namespace odeon::remote::detail
