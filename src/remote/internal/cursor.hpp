#pragma once

#include <odeon/wire/bytes.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>

/// @file Reading and writing the protocol's numbers: little-endian words, and variable ones of
/// seven bits a byte, the lowest first, in the shortest form only.

namespace odeon::remote::detail {

static_assert(std::endian::native == std::endian::little, "words are copied as they lie");

inline constexpr std::size_t varint_max = 10;  ///< bytes of one

/// Writes to memory of which the caller knows that it suffices; returns where it ends.
template <class Word>
inline std::byte* put_word(std::byte* at, Word w) noexcept {
  std::memcpy(at, &w, sizeof w);
  return at + sizeof w;
}
inline std::byte* put_varint(std::byte* at, std::uint64_t n) noexcept {
  for (; n >= 0x80; n >>= 7) *at++ = std::byte(n | 0x80);
  *at++ = std::byte(n);
  return at;
}
inline std::byte* put_bytes(std::byte* at, std::span<const std::byte> b) noexcept {
  if (!b.empty()) std::memcpy(at, b.data(), b.size());
  return at + b.size();
}

template <class Word>
void append_word(wire::buffer& out, Word w) {
  put_word(out.extend(sizeof w), w);
}
inline void append_varint(wire::buffer& out, std::uint64_t n) {
  std::byte bytes[varint_max];
  out.append(std::span<const std::byte>(bytes, put_varint(bytes, n)));
}

inline constexpr std::uint64_t zigzag(std::int64_t n) noexcept {
  return (static_cast<std::uint64_t>(n) << 1) ^ static_cast<std::uint64_t>(n >> 63);
}
inline constexpr std::int64_t unzigzag(std::uint64_t n) noexcept {
  return static_cast<std::int64_t>(n >> 1) ^ -static_cast<std::int64_t>(n & 1);
}

/// Bytes from outside, read from the front. What does not fit makes it bad for good: it then gives
/// zeros and nothing, and the caller asks once, at the end.
class cursor {
 public:
  explicit cursor(std::span<const std::byte> bytes) noexcept
      : at_(bytes.data()),
        end_(bytes.data() + bytes.size()) {}

  [[nodiscard]] bool bad() const noexcept { return bad_; }
  [[nodiscard]] bool done() const noexcept { return at_ == end_; }
  [[nodiscard]] std::size_t left() const noexcept { return static_cast<std::size_t>(end_ - at_); }
  [[nodiscard]] const std::byte* at() const noexcept { return at_; }
  void fail() noexcept {
    bad_ = true;
    at_ = end_;
  }

  template <class Word>
  [[nodiscard]] Word word() noexcept {
    Word w{};
    if (left() < sizeof w) {
      fail();
      return w;
    }
    std::memcpy(&w, at_, sizeof w);
    at_ += sizeof w;
    return w;
  }
  [[nodiscard]] std::uint64_t varint() noexcept {
    if (at_ != end_ && (*at_ & std::byte{0x80}) == std::byte{0}) [[likely]]
      return std::to_integer<std::uint64_t>(*at_++);
    return long_varint();
  }
  [[nodiscard]] std::span<const std::byte> bytes(std::uint64_t count) noexcept {
    if (left() < count) {
      fail();
      return {};
    }
    const std::span<const std::byte> b(at_, static_cast<std::size_t>(count));
    at_ += b.size();
    return b;
  }
  [[nodiscard]] std::string_view text(std::uint64_t count) noexcept {
    return wire::as_text(bytes(count));
  }

 private:
  [[nodiscard]] std::uint64_t long_varint() noexcept {
    std::uint64_t n = 0;
    for (unsigned shift = 0; shift < 64 && at_ != end_; shift += 7) {
      const auto b = std::to_integer<std::uint64_t>(*at_++);
      if (shift == 63 && b > 1) break;
      n |= (b & 0x7f) << shift;
      if (b < 0x80) {
        if (b == 0 && shift != 0) break;  // a longer form of a smaller number
        return n;
      }
    }
    fail();
    return 0;
  }

  const std::byte* at_;
  const std::byte* end_;
  bool bad_ = false;
};

}  // namespace odeon::remote::detail
