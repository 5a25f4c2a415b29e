#pragma once

#include "wire/internal/failure.hpp"
#include <odeon/wire/codec.hpp>

#include <cstdint>
#include <span>

/// @file The compiled codecs. Each returns false with `why` set.

namespace odeon::wire::internal {

/// No level of nesting is deeper, whatever `limits::max_depth` says: a level costs about a kilobyte
/// of stack.
inline constexpr std::uint32_t deepest = 512;

[[nodiscard]] bool write_msgpack(buffer& out, const schema& s, const void* value, bool by_name,
                                 const context& c, failure& why);
[[nodiscard]] bool read_msgpack(void* value, const schema& s, std::span<const std::byte> in,
                                const limits& bounds, const context& c, failure& why);

[[nodiscard]] bool write_cbor(buffer& out, const schema& s, const void* value, const context& c,
                              failure& why);
[[nodiscard]] bool read_cbor(void* value, const schema& s, std::span<const std::byte> in,
                             const limits& bounds, const context& c, failure& why);

[[nodiscard]] bool write_raw(buffer& out, const schema& s, const void* value, const context& c,
                             failure& why);
[[nodiscard]] bool read_raw(void* value, const schema& s, std::span<const std::byte> in,
                            const limits& bounds, const context& c, failure& why);

[[nodiscard]] bool write_json(buffer& out, const schema& s, const void* value, const context& c,
                              failure& why);
[[nodiscard]] bool read_json(void* value, const schema& s, std::span<const std::byte> in,
                             const limits& bounds, const context& c, failure& why);

}  // namespace odeon::wire::internal
