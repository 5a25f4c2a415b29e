#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>

/// @file Between the widths of IEEE 754 numbers without losing a bit, those of a NaN included: the
/// processor's own conversions make a signalling NaN a quiet one.

namespace odeon::wire::internal {

/// The float of a half.
[[nodiscard]] inline float from_half(std::uint16_t half) noexcept {
  const std::uint32_t sign = std::uint32_t{half & 0x8000U} << 16U;
  const std::uint32_t exponent = half >> 10U & 31U;
  const std::uint32_t mantissa = half & 0x3ffU;
  if (exponent == 0) {
    const float small = std::ldexp(static_cast<float>(mantissa), -24);
    return sign != 0 ? -small : small;
  }
  const std::uint32_t wide = exponent == 31 ? 0xffU : exponent + 127 - 15;
  return std::bit_cast<float>(sign | wide << 23U | mantissa << 13U);
}

/// The half that is exactly `v`, if there is one.
[[nodiscard]] inline std::optional<std::uint16_t> to_half(float v) noexcept {
  const auto bits = std::bit_cast<std::uint32_t>(v);
  const auto sign = static_cast<std::uint16_t>(bits >> 16U & 0x8000U);
  const auto exponent = static_cast<int>(bits >> 23U & 0xffU);
  const std::uint32_t mantissa = bits & 0x7fffffU;
  const auto whole = [&](std::uint32_t from, unsigned shift,
                         std::uint32_t more) -> std::optional<std::uint16_t> {
    if ((from & ((1U << shift) - 1)) != 0) return {};
    return static_cast<std::uint16_t>(sign | more | from >> shift);
  };
  if (exponent == 0xff) return whole(mantissa, 13, 31U << 10U);
  const int power = exponent - 127;
  if (power >= -14 && power <= 15) {
    return whole(mantissa, 13, static_cast<std::uint32_t>(power + 15) << 10U);
  }
  if (power >= -24 && power < -14) {
    return whole(mantissa | 0x800000U, static_cast<unsigned>(-1 - power), 0);
  }
  if (exponent == 0 && mantissa == 0) return sign;
  return {};
}

/// The double of a float.
[[nodiscard]] inline double widen(float v) noexcept {
  if (!std::isnan(v)) return v;
  const std::uint64_t bits = std::bit_cast<std::uint32_t>(v);
  return std::bit_cast<double>((bits & 0x80000000U) << 32U | std::uint64_t{0x7ff} << 52U |
                               (bits & 0x7fffffU) << 29U);
}

/// The float that is exactly `v`, if there is one.
[[nodiscard]] inline std::optional<float> to_float(double v) noexcept {
  const auto bits = std::bit_cast<std::uint64_t>(v);
  if (std::isnan(v)) {
    if ((bits & ((std::uint64_t{1} << 29U) - 1)) != 0) return {};
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits >> 32U & 0x80000000U) |
                                0x7f800000U | static_cast<std::uint32_t>(bits >> 29U & 0x7fffffU));
  }
  if (std::isfinite(v) && std::fabs(v) > double{std::numeric_limits<float>::max()}) return {};
  const auto narrow = static_cast<float>(v);
  if (std::bit_cast<std::uint64_t>(double{narrow}) != bits) return {};
  return narrow;
}

}  // namespace odeon::wire::internal
