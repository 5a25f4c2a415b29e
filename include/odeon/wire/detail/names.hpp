#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

/// @file Names cut from what the compiler spells. Internal; see `wire/reflect.hpp`.
///
/// A compiler spells template arguments in the name of a function. One function takes the addresses
/// of all fields of an object that is declared and never defined (so T needs no constexpr
/// constructor): `field_names.hpp`. Another takes the candidate values of an enum:
/// `enum_names.hpp`. Only the names are kept in the program.

namespace odeon::wire::detail {

/// `Count` short texts in one array of characters.
template <std::size_t Count, std::size_t Chars>
struct packed_names {
  static constexpr std::size_t count = Count;
  std::array<char, Chars + 1> text{};
  std::array<std::uint16_t, Count + 1> start{};
  std::array<std::int16_t, Count + 1> value{};  ///< of enumerators

  [[nodiscard]] constexpr std::string_view operator[](std::size_t i) const noexcept {
    return {text.data() + start[i], static_cast<std::size_t>(start[i + 1] - start[i])};
  }
};

// Where `what` stands at or behind `from`, which it must. A builtin, as the compiler runs loops
// over text slowly.
consteval std::size_t find_char(const char* text, std::size_t from, char what) {
#if defined(__clang__)
  constexpr std::size_t most = std::size_t{1} << 24U;
  return static_cast<std::size_t>(__builtin_char_memchr(text + from, what, most) - text);
#else
  while (text[from] != what) ++from;
  return from;
#endif
}

consteval void copy_chars(char* to, const char* from, std::size_t count) {
  if (count != 0) __builtin_memcpy(to, from, count);
}

}  // namespace odeon::wire::detail
