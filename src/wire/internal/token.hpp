#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace odeon::wire::internal {

/// What the next value of the input is.
enum class token : std::uint8_t {
  nil,
  boolean,
  integer,
  real,
  text,
  blob,
  array,
  map,
  other,
  none
};

/// "an integer", "a string", … for messages.
[[nodiscard]] constexpr std::string_view describe(token t) noexcept {
  constexpr std::string_view words[] = {
      "nil",   "a boolean", "an integer", "a number",           "a string",
      "bytes", "an array",  "a map",      "an extension value", "nothing"};
  return words[static_cast<std::size_t>(t)];
}

/// What may still be used of a bound.
struct budget {
  std::size_t left;

  bool take(std::size_t count, std::size_t size) noexcept {
    if (count > left / (size == 0 ? 1 : size)) return false;
    left -= count * size;
    return true;
  }
};

}  // namespace odeon::wire::internal
