#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <vector>

/// @file Little-endian numbers in byte buffers.

namespace odeon::detail {

static_assert(std::endian::native == std::endian::little, "numbers are copied as they lie");

/// The number at an offset that the caller has checked.
template <class T>
[[nodiscard]] T get(std::span<const std::byte> from, std::size_t at) noexcept {
  T out;
  std::memcpy(&out, from.data() + at, sizeof out);
  return out;
}

/// Overwrites the number at an offset that exists.
template <class T>
void set(std::vector<std::byte>& in, std::size_t at, T value) noexcept {
  std::memcpy(in.data() + at, &value, sizeof value);
}

template <class T>
void put(std::vector<std::byte>& to, T value) {
  const auto* raw = reinterpret_cast<const std::byte*>(&value);
  to.insert(to.end(), raw, raw + sizeof value);
}

inline void put(std::vector<std::byte>& to, std::span<const std::byte> bytes) {
  to.insert(to.end(), bytes.begin(), bytes.end());
}

inline void put(std::vector<std::byte>& to, std::string_view text) {
  put(to, std::as_bytes(std::span(text)));
}

[[nodiscard]] inline std::string_view as_text(std::span<const std::byte> bytes) noexcept {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace odeon::detail
