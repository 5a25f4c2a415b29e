#pragma once

#include "persistence/internal/seal.hpp"
#include <odeon/persistence/record.hpp>

#include <cstdint>
#include <string_view>

/// @file What the payloads of a journal are bound to: the table in
/// `odeon/persistence/encryption.hpp`.

namespace odeon::detail {

[[nodiscard]] seal_place place_of_event(std::string_view id, std::uint64_t sequence,
                                        std::string_view manifest, std::uint32_t version);
[[nodiscard]] seal_place place_of_snapshot(std::string_view id, std::uint64_t sequence,
                                           std::string_view manifest, std::uint32_t version);
[[nodiscard]] seal_place place_of(std::string_view id, std::uint64_t sequence,
                                  const outbox_message& m);
[[nodiscard]] seal_place place_of(std::string_view id, const timer_record& t);

}  // namespace odeon::detail
