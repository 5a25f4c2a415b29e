#pragma once

#include <odeon/wire/schema.hpp>

#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>

/// @file Numbers in and out of memory whose type is only known as a width and a sign.

namespace odeon::wire::internal {

/// Any integer of 64 bits, signed or not: `negative` means that `bits` is a negative int64.
struct integer {
  std::uint64_t bits = 0;
  bool negative = false;

  static constexpr integer of(std::int64_t v) noexcept {
    return {static_cast<std::uint64_t>(v), v < 0};
  }
  static constexpr integer of(std::uint64_t v) noexcept { return {v, false}; }
  [[nodiscard]] constexpr std::int64_t as_signed() const noexcept {
    return static_cast<std::int64_t>(bits);
  }
};

template <class T>
T load(const void* p) noexcept {
  T v;
  std::memcpy(&v, p, sizeof(T));
  return v;
}

inline integer load_integer(const schema& s, const void* p) noexcept {
  switch (s.width) {
    case 1:
      return s.is_signed ? integer::of(std::int64_t{load<std::int8_t>(p)})
                         : integer::of(std::uint64_t{load<std::uint8_t>(p)});
    case 2:
      return s.is_signed ? integer::of(std::int64_t{load<std::int16_t>(p)})
                         : integer::of(std::uint64_t{load<std::uint16_t>(p)});
    case 4:
      return s.is_signed ? integer::of(std::int64_t{load<std::int32_t>(p)})
                         : integer::of(std::uint64_t{load<std::uint32_t>(p)});
    default:
      return s.is_signed ? integer::of(load<std::int64_t>(p)) : integer::of(load<std::uint64_t>(p));
  }
}

/// Stores `v`; false, storing nothing, when the type cannot hold it.
inline bool store_integer(const schema& s, void* p, integer v) noexcept {
  if (s.width == 8) {
    const bool fits = s.is_signed ? v.negative || v.as_signed() >= 0 : !v.negative;
    if (fits) std::memcpy(p, &v.bits, 8);
    return fits;
  }
  const unsigned bits = s.width * 8U;
  if (s.is_signed) {
    const std::int64_t low = std::numeric_limits<std::int64_t>::min() >> (64U - bits);
    const std::int64_t high = std::numeric_limits<std::int64_t>::max() >> (64U - bits);
    const bool fits =
        v.negative ? v.as_signed() >= low : v.bits <= static_cast<std::uint64_t>(high);
    if (!fits) return false;
  } else {
    const std::uint64_t high = std::numeric_limits<std::uint64_t>::max() >> (64U - bits);
    if (v.negative || v.bits > high) return false;
  }
  std::memcpy(p, &v.bits, s.width);  // little-endian: the low bytes come first
  return true;
}
static_assert(std::endian::native == std::endian::little, "numbers are stored as little-endian");

}  // namespace odeon::wire::internal
