#include "wire/internal/text.hpp"

#include <array>
#include <cstdint>
#include <cstring>

namespace odeon::wire::internal {

namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::uint8_t no_digit = 0xff;

constexpr std::array<std::uint8_t, 256> digit_values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(no_digit);
  for (std::size_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::uint8_t>(i);
  }
  return table;
}();

// The length of the well-formed sequence at `p`, which begins with a byte above 0x7f; 0 when there
// is none.
std::size_t sequence_length(const unsigned char* p, std::size_t left) noexcept {
  const unsigned char lead = p[0];
  const auto follows = [&](std::size_t i, unsigned char low = 0x80, unsigned char high = 0xbf) {
    return i < left && p[i] >= low && p[i] <= high;
  };
  if (lead >= 0xc2 && lead <= 0xdf) return follows(1) ? 2 : 0;
  if (lead >= 0xe0 && lead <= 0xef) {
    const unsigned char low = lead == 0xe0 ? 0xa0 : 0x80;
    const unsigned char high = lead == 0xed ? 0x9f : 0xbf;
    return follows(1, low, high) && follows(2) ? 3 : 0;
  }
  if (lead >= 0xf0 && lead <= 0xf4) {
    const unsigned char low = lead == 0xf0 ? 0x90 : 0x80;
    const unsigned char high = lead == 0xf4 ? 0x8f : 0xbf;
    return follows(1, low, high) && follows(2) && follows(3) ? 4 : 0;
  }
  return 0;
}

}  // namespace

bool is_utf8_beyond_ascii(std::string_view text) noexcept {
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  std::size_t left = text.size();
  while (left != 0) {
    if (left >= 8) {
      std::uint64_t word = 0;
      std::memcpy(&word, p, 8);
      if ((word & 0x8080808080808080U) == 0) {
        p += 8;
        left -= 8;
        continue;
      }
    }
    const std::size_t step = *p < 0x80 ? 1 : sequence_length(p, left);
    if (step == 0) return false;
    p += step;
    left -= step;
  }
  return true;
}

void to_base64(std::span<const std::byte> data, char* out) noexcept {
  const auto byte_at = [&](std::size_t i) {
    return i < data.size() ? std::to_integer<std::uint32_t>(data[i]) : 0U;
  };
  for (std::size_t i = 0; i < data.size(); i += 3) {
    const std::uint32_t three = byte_at(i) << 16U | byte_at(i + 1) << 8U | byte_at(i + 2);
    *out++ = alphabet[three >> 18U];
    *out++ = alphabet[three >> 12U & 63U];
    *out++ = i + 1 < data.size() ? alphabet[three >> 6U & 63U] : '=';
    *out++ = i + 2 < data.size() ? alphabet[three & 63U] : '=';
  }
}

std::optional<std::size_t> from_base64_size(std::string_view text) noexcept {
  if (text.size() % 4 != 0) return {};
  if (text.empty()) return 0;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  return text.size() / 4 * 3 - padding;
}

bool from_base64(std::string_view text, std::byte* out) noexcept {
  const std::size_t count = from_base64_size(text).value_or(0);
  std::size_t done = 0;
  for (std::size_t i = 0; i < text.size(); i += 4) {
    std::uint32_t three = 0;
    for (std::size_t k = 0; k < 4; ++k) {
      const bool pad =
          text[i + k] == '=' && i + k >= text.size() - (count % 3 == 0 ? 0 : 3 - count % 3);
      const std::uint8_t digit = pad ? 0 : digit_values[static_cast<unsigned char>(text[i + k])];
      if (digit == no_digit) return false;
      three = three << 6U | digit;
    }
    for (std::uint32_t shift = 16; done < count && shift <= 16; shift -= 8) {
      out[done++] = static_cast<std::byte>(three >> shift & 0xffU);
      three &= (1U << shift) - 1;
    }
    if (three != 0) return false;
  }
  return true;
}

}  // namespace odeon::wire::internal
