#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>

namespace odeon::wire::internal {

/// The bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, nothing above
/// U+10FFFF).
[[nodiscard]] bool is_utf8_beyond_ascii(std::string_view text) noexcept;

[[nodiscard]] inline bool is_utf8(std::string_view text) noexcept {
  constexpr std::uint64_t high = 0x8080808080808080U;
  const char* p = text.data();
  std::size_t left = text.size();
  std::uint64_t word = 0;
  if (left >= 8) {
    std::uint64_t all = 0;
    for (; left > 8; left -= 8, p += 8) {
      std::memcpy(&word, p, 8);
      all |= word;
    }
    std::memcpy(&word, p + left - 8, 8);
    if (((all | word) & high) == 0) return true;
  } else {
    unsigned char all = 0;
    for (std::size_t i = 0; i < left; ++i) all |= static_cast<unsigned char>(p[i]);
    if (all < 0x80) return true;
  }
  return is_utf8_beyond_ascii(text);
}

/// Equality for texts that are mostly shorter than 16 characters, without a call.
[[nodiscard]] inline bool same_text(std::string_view a, std::string_view b) noexcept {
  const std::size_t n = a.size();
  if (n != b.size()) return false;
  const auto differ = [&]<class Word>(std::size_t at, Word) {
    Word x;
    Word y;
    std::memcpy(&x, a.data() + at, sizeof(Word));
    std::memcpy(&y, b.data() + at, sizeof(Word));
    return x != y;
  };
  if (n >= 16) return std::memcmp(a.data(), b.data(), n) == 0;
  if (n >= 8) return !differ(0, std::uint64_t{}) && !differ(n - 8, std::uint64_t{});
  if (n >= 4) return !differ(0, std::uint32_t{}) && !differ(n - 4, std::uint32_t{});
  for (std::size_t i = 0; i < n; ++i) {
    if (a[i] != b[i]) return false;
  }
  return true;
}

/// Characters that base64 (RFC 4648, section 4, padded) needs for `count` bytes.
[[nodiscard]] constexpr std::size_t base64_size(std::size_t count) noexcept {
  return (count + 2) / 3 * 4;
}

/// Writes `base64_size(data.size())` characters.
void to_base64(std::span<const std::byte> data, char* out) noexcept;

/// How many bytes a base64 text stands for; nothing when its length or padding cannot be right.
[[nodiscard]] std::optional<std::size_t> from_base64_size(std::string_view text) noexcept;

/// Writes `from_base64_size(text)` bytes. False when a character or a padding bit is not as
/// encoders write it.
[[nodiscard]] bool from_base64(std::string_view text, std::byte* out) noexcept;

}  // namespace odeon::wire::internal
