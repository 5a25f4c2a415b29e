#pragma once

#include <odeon/base/type_name.hpp>
#include <odeon/wire/detail/names.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

/// @file Names of enumerators at compile time. Internal; see `wire/reflect.hpp`.

namespace odeon::wire::detail {

/// Enumerators have names on the wire when their values lie in this range.
inline constexpr int enum_name_min = -128;
inline constexpr int enum_name_max = 255;

#if defined(__clang__)
#pragma clang diagnostic push
// An unscoped enum without a fixed underlying type has a small range; values outside it are only
// spelled, not used.
#pragma clang diagnostic ignored "-Wenum-constexpr-conversion"
#endif

template <auto... Value>
consteval std::string_view spell_values() {
  return {__PRETTY_FUNCTION__, sizeof(__PRETTY_FUNCTION__) - 1};
}

template <class E, int First, int... I>
consteval std::string_view spell_enum(std::integer_sequence<int, I...>) {
  using under = std::underlying_type_t<E>;
  return spell_values<static_cast<E>(static_cast<under>(First + I))...>();
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

struct value_range {
  int first;
  int count;
};

template <class E>
consteval value_range candidate_values() {
  using under = std::underlying_type_t<E>;
  // Naming a member makes the compiler instantiate the definition of an enum inside a class
  // template, whose enumerators it would spell as casts otherwise.
  if constexpr (requires { E::odeon_asks_for_the_definition; }) return {0, 0};
  if constexpr (std::is_same_v<under, bool>) {
    return {0, 2};
  } else {
    constexpr long long low = std::numeric_limits<under>::min();
    constexpr unsigned long long high = std::numeric_limits<under>::max();
    constexpr int first = low > enum_name_min ? static_cast<int>(low) : enum_name_min;
    constexpr int last =
        high < std::uint64_t{enum_name_max} ? static_cast<int>(high) : int{enum_name_max};
    return {first, last - first + 1};
  }
}

// Where the spelling of a name that starts at `at` ends: at a comma or the closing '>' outside of
// brackets.
consteval std::size_t end_of_name(std::string_view text, std::size_t at) {
  for (int open = 0; at < text.size(); ++at) {
    char c = text[at];
    if (open == 0 && (c == ',' || c == '>')) break;
    if (c == '<' || c == '(') ++open;
    if (c == '>' || c == ')') --open;
  }
  return at;
}

// The last value, going up, that is written with as many characters.
consteval int last_of_as_many_digits(int value) {
  for (int bound : {-100, -10, -1, 9, 99}) {
    if (value <= bound) return bound;
  }
  return 999;
}

consteval std::size_t digits_of(int value) {
  std::size_t n = value < 0 ? 2 : 1;
  for (; value > 9 || value < -9; value /= 10) ++n;
  return n;
}

struct found_enumerator {
  std::int16_t value;
  std::uint16_t length;
  std::uint32_t start;
};

template <std::size_t Most>
struct found_enumerators {
  std::array<found_enumerator, Most> list{};
  std::size_t count = 0;
  std::size_t chars = 0;
};

template <class E>
struct enumerators_of {
  static constexpr value_range range = candidate_values<E>();
  static constexpr std::string_view text =
      spell_enum<E, range.first>(std::make_integer_sequence<int, range.count>{});

  static constexpr std::size_t cast = type_name<E>.size() + 2;

  // A value without a name is spelled as a cast; a name may begin with a parenthesis as well, that
  // of a namespace without a name.
  static consteval bool is_cast(const char* c) {
    return *c == '(' && c[cast - 1] == ')' &&
           (c[cast] == '-' || (c[cast] >= '0' && c[cast] <= '9'));
  }

  // "... [Value = <(app::color)-1, app::color::red, (app::color)1>]": the length of a cast is
  // known, so only a few of its characters are looked at.
  static consteval auto find() {
    const char* const c = text.data();
    std::size_t at = find_char(c, 0, '<') + 1;
    found_enumerators<static_cast<std::size_t>(range.count)> found;
    for (int value = range.first; value < range.first + range.count;) {
      const int same_digits = last_of_as_many_digits(value);
      const std::size_t step = cast + digits_of(value) + 2;
      const int stop = std::min(same_digits, range.first + range.count - 1);
      for (; value <= stop; ++value) {
        if (is_cast(c + at)) {
          at += step;
          continue;
        }
        const std::size_t end = end_of_name(text, at);
        std::size_t name = end;
        while (name > at && c[name - 1] != ':') --name;
        found.list[found.count++] = {static_cast<std::int16_t>(value),
                                     static_cast<std::uint16_t>(end - name),
                                     static_cast<std::uint32_t>(name)};
        found.chars += end - name;
        at = end + 2;
      }
    }
    return found;
  }

  static consteval auto pack() {
    constexpr auto found = find();
    packed_names<found.count, found.chars> packed;
    std::size_t to = 0;
    for (std::size_t i = 0; i < found.count; ++i) {
      packed.start[i] = static_cast<std::uint16_t>(to);
      packed.value[i] = found.list[i].value;
      copy_chars(packed.text.data() + to, text.data() + found.list[i].start, found.list[i].length);
      to += found.list[i].length;
    }
    packed.start[found.count] = static_cast<std::uint16_t>(to);
    return packed;
  }

  static constexpr auto names = pack();
};

}  // namespace odeon::wire::detail
