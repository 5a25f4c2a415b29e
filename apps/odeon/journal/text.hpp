#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file How the journal commands show what is stored.

namespace odeon::journal_tool {

/// A JSON string with its quotes. Bytes that are not UTF-8 come as U+FFFD.
[[nodiscard]] std::string json_text(std::string_view text);

[[nodiscard]] bool is_utf8(std::string_view text) noexcept;

/// For a terminal: as it is when all of it can be printed, otherwise quoted, with \x.. for the
/// rest.
[[nodiscard]] std::string shown(std::string_view text);

/// "2026-03-01T12:00:00.000000001Z". Any time that fits; years beyond 9999 have more digits.
[[nodiscard]] std::string iso_time(wall_time t);

[[nodiscard]] std::string to_hex(std::span<const std::byte> bytes);

[[nodiscard]] std::string to_base64(std::span<const std::byte> bytes);
/// Error: `bad_encoding`, with the offset.
[[nodiscard]] result<std::vector<std::byte>> from_base64(std::string_view text);

/// MessagePack as JSON. Nothing: the bytes are not exactly one value, or nest deeper than 64.
/// Binary is {"$bin": hex}, an extension {"$ext": type, "hex": …}, a key that is no text its JSON
/// as text.
[[nodiscard]] std::optional<std::string> msgpack_as_json(std::span<const std::byte> bytes);

/// The id of the key that a payload is sealed with; nothing: it is not sealed.
[[nodiscard]] std::optional<std::string> sealed_with(std::span<const std::byte> payload);

/// A payload for a terminal: JSON where it decodes, else hexadecimal digits.
[[nodiscard]] std::string payload_text(std::span<const std::byte> payload);

/// A payload as members of a JSON object: "payload": …, or "payload_hex": …, or both "sealed_with"
/// and "payload_hex".
[[nodiscard]] std::string payload_members(std::span<const std::byte> payload);

/// CRC-32C, as `sum` goes on.
[[nodiscard]] std::uint32_t crc32c(std::string_view bytes, std::uint32_t sum = 0) noexcept;

}  // namespace odeon::journal_tool
