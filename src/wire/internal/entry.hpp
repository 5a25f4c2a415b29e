#pragma once

#include "wire/internal/failure.hpp"
#include <odeon/wire/codec.hpp>

#include <span>

/// @file The compiled codecs. Each returns false with `why` set.

namespace odeon::wire::internal {

[[nodiscard]] bool write_msgpack(buffer& out, const schema& s, const void* value, bool by_name,
                                 const context& c, failure& why);
[[nodiscard]] bool read_msgpack(void* value, const schema& s, std::span<const std::byte> in,
                                const limits& bounds, const context& c, failure& why);

[[nodiscard]] bool write_json(buffer& out, const schema& s, const void* value, const context& c,
                              failure& why);
[[nodiscard]] bool read_json(void* value, const schema& s, std::span<const std::byte> in,
                             const limits& bounds, const context& c, failure& why);

}  // namespace odeon::wire::internal
