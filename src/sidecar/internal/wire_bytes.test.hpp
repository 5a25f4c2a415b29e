#pragma once

#include <odeon/sidecar/message.hpp>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

/// @file Messages of protobuf written by hand, so that tests hold the numbers of the fields.

namespace odeon::sidecar::wire_bytes {

inline std::string varint(std::uint64_t n) {
  std::string out;
  for (; n >= 0x80U; n >>= 7U) out += static_cast<char>(n | 0x80U);
  return out += static_cast<char>(n);
}

/// A field of a number: integers, enums and bools.
inline std::string number(unsigned field, std::uint64_t value) {
  return varint(std::uint64_t{field} << 3U) + varint(value);
}

/// A field of bytes: strings and messages.
inline std::string bytes(unsigned field, std::string_view value) {
  return varint((std::uint64_t{field} << 3U) | 2U) + varint(value.size()) + std::string(value);
}

/// An entry of a map of strings.
inline std::string entry(unsigned field, std::string_view key, std::string_view value) {
  return bytes(field, bytes(1, key) + bytes(2, value));
}

inline std::string any_bytes(std::string_view type, std::string_view value) {
  return bytes(1, type) + bytes(2, value);
}

inline std::string id_bytes(std::string_view name, std::string_view system,
                            std::string_view parent = {}) {
  std::string out = bytes(1, name) + bytes(2, system);
  if (!parent.empty()) out += bytes(3, parent);
  return out;
}

/// An InvocationRequest as an SDK writes it.
inline std::string invocation_bytes(std::string_view system, std::string_view actor,
                                    std::string_view action, std::string_view more = {}) {
  return bytes(1, bytes(1, system)) + bytes(2, bytes(1, id_bytes(actor, system))) +
         bytes(3, action) + std::string(more);
}

/// An Actor of a registration.
inline std::string actor_bytes(std::string_view name, std::string_view system, unsigned kind,
                               bool stateful, std::initializer_list<std::string_view> actions,
                               std::string_view more = {}) {
  std::string out = bytes(1, id_bytes(name, system)) + bytes(2, {}) +
                    bytes(3, number(1, kind) + number(2, stateful ? 1 : 0));
  for (const std::string_view a : actions) out += bytes(4, bytes(1, a));
  return out + std::string(more);
}

/// A RegistrationRequest of one actor.
inline std::string registration_bytes(std::string_view system, std::string_view key,
                                      std::string_view actor) {
  return bytes(1, bytes(1, "test")) +
         bytes(2, bytes(1, system) + bytes(2, bytes(1, bytes(1, key) + bytes(2, actor))));
}

}  // namespace odeon::sidecar::wire_bytes
