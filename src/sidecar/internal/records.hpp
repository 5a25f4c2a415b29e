#pragma once

#include <odeon/base/error.hpp>
#include <odeon/sidecar/message.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file The sidecar's own bytes: a state as the journal keeps it, and invocations and answers as
/// they are stored and sent between sidecars. docs/guide/sidecar-stores.md describes them.
///
/// Texts are bytes here, because names may hold anything. Invocations, answers and broadcasts are
/// maps of MessagePack by field names: fields may be added.

namespace odeon::sidecar::records {

inline constexpr std::uint32_t layout = 1;            ///< of everything here
inline constexpr std::size_t actor_name_max = 1024;   ///< bytes of a system's or actor's name
inline constexpr std::size_t type_in_manifest = 256;  ///< longer type URLs stand in the payload

/// The persistence id of an actor's state: "sidecar/", what is readable of both names, and 128 bits
/// of SHA-256 of both. At most 130 bytes.
[[nodiscard]] std::string state_id(const actor_id& actor);

/// Empty names, and those past `actor_name_max`: `invalid_argument`.
[[nodiscard]] result<void> check_names(const actor_id& actor);

/// What a journal's state record says of a type: its URL, or "" when that stands in the payload.
[[nodiscard]] std::string state_manifest(const any& state);

/// The head – four bytes of its length, little-endian, and a map of system, name and type – and
/// then the value as it is.
[[nodiscard]] std::vector<std::byte> write_state(const actor_id& actor, const any& state);
/// `corrupt_record`: no such bytes, or the state of another actor; `newer_version`.
[[nodiscard]] result<any> read_state(const actor_id& actor, std::string_view manifest,
                                     std::uint32_t version, std::span<const std::byte> payload);

[[nodiscard]] std::vector<std::byte> write_invocation(const invocation& what);
[[nodiscard]] result<invocation> read_invocation(std::span<const std::byte> bytes);
/// An invocation on its way to another sidecar.
struct forwarded {
  duration time_left{};  ///< until its deadline
  invocation what = {};
};
[[nodiscard]] std::vector<std::byte> write_forwarded(const forwarded& what);
[[nodiscard]] result<forwarded> read_forwarded(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::byte> write_answer(const invocation_answer& what);
[[nodiscard]] result<invocation_answer> read_answer(std::span<const std::byte> bytes);
[[nodiscard]] std::vector<std::byte> write_broadcast(const broadcast& what);
[[nodiscard]] result<broadcast> read_broadcast(std::span<const std::byte> bytes);

}  // namespace odeon::sidecar::records
