#pragma once

#include <odeon/base/type_name.hpp>
#include <odeon/wire/detail/aggregate.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>
#include <utility>

/// @file Names of fields and of enumerators at compile time. Internal; see `wire/reflect.hpp`.
///
/// A compiler spells template arguments in the name of a function. One function takes the addresses
/// of all fields of an object that is declared and never defined (so T needs no constexpr
/// constructor); another takes the candidate values of an enum. Their names are cut apart and only
/// the pieces are kept in the program.

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

template <std::size_t Count>
struct found_names {
  std::array<std::string_view, Count + 1> name{};
  std::size_t count = 0;
  std::size_t chars = 0;

  constexpr void add(std::string_view s) {
    name[count++] = s;
    chars += s.size();
  }
};

// `Source::find()` gives `found_names`, whose views point into a compiler's text; only the names
// are copied.
template <class Source>
consteval auto pack_names() {
  constexpr auto found = Source::find();
  packed_names<found.count, found.chars> packed;
  std::size_t at = 0;
  for (std::size_t i = 0; i < found.count; ++i) {
    packed.start[i] = static_cast<std::uint16_t>(at);
    for (char c : found.name[i]) packed.text[at++] = c;
  }
  packed.start[found.count] = static_cast<std::uint16_t>(at);
  return packed;
}

// --- fields
// -------------------------------------------------------------------------------------------------------

template <class T>
struct imaginary_holder {
  T value;
};

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-internal"
#pragma clang diagnostic ignored "-Wundefined-var-template"
#endif

template <class T>
extern const imaginary_holder<T> imaginary;  // never defined: only addresses inside it are formed

struct field_address {
  const void* at;
};

template <field_address... Address>
consteval std::string_view spell_addresses() {
  return {__PRETTY_FUNCTION__, sizeof(__PRETTY_FUNCTION__) - 1};
}

template <class T, std::size_t N>
consteval std::string_view spell_fields() {
  constexpr auto addresses = visit_aggregate<N>(imaginary<T>.value, [](const auto&... field) {
    return std::array<field_address, N>{field_address{&field}...};
  });
  return [&]<std::size_t... I>(std::index_sequence<I...>) {
    return spell_addresses<addresses[I]...>();
  }(std::make_index_sequence<N>{});
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

// "... [Address = <{&imaginary.value.id}, {&imaginary.value.amount}>]"
template <class T, std::size_t N>
struct field_names_source {
  static consteval found_names<N> find() {
    found_names<N> found;
    if constexpr (N > 0) {
      constexpr std::string_view mark = ".value.";
      std::string_view text = spell_fields<T, N>();
      for (std::size_t i = 0; i < N; ++i) {
        text.remove_prefix(text.find(mark) + mark.size());
        found.add(text.substr(0, text.find('}')));
      }
    }
    return found;
  }
};

template <class T, std::size_t N>
inline constexpr auto aggregate_names = pack_names<field_names_source<T, N>>();

// --- enumerators
// --------------------------------------------------------------------------------------------------

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

consteval std::size_t digits_of(int value) {
  std::size_t n = value < 0 ? 2 : 1;
  for (; value > 9 || value < -9; value /= 10) ++n;
  return n;
}

/// One named value of an enum.
struct enumerator {
  std::int64_t value;
  std::string_view name;
};

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

  // "... [Value = <(app::color)-1, app::color::red, (app::color)1>]": a value without a name is
  // spelled as a cast, whose length is known, so only a few of its characters are looked at:
  // reading text at compile time is slow.
  static consteval auto find() {
    constexpr std::size_t cast = type_name<E>.size() + 2;
    const char* const c = text.data();
    std::size_t at = text.find("= <") + 3;
    found_enumerators<static_cast<std::size_t>(range.count)> found;
    for (int value = range.first; value < range.first + range.count; ++value) {
      if (c[at] == '(' && c[at + cast - 1] == ')' &&
          (c[at + cast] == '-' || (c[at + cast] >= '0' && c[at + cast] <= '9'))) {
        at += cast + digits_of(value) + 2;
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
    return found;
  }

  static consteval auto pack() {
    constexpr auto found = find();
    packed_names<found.count, found.chars> packed;
    std::size_t at = 0;
    for (std::size_t i = 0; i < found.count; ++i) {
      packed.start[i] = static_cast<std::uint16_t>(at);
      packed.value[i] = found.list[i].value;
      for (std::size_t k = 0; k < found.list[i].length; ++k) {
        packed.text[at++] = text[found.list[i].start + k];
      }
    }
    packed.start[found.count] = static_cast<std::uint16_t>(at);
    return packed;
  }

  static constexpr auto names = pack();
  static constexpr auto table = [] {
    std::array<enumerator, names.count> all{};
    for (std::size_t i = 0; i < names.count; ++i) all[i] = {names.value[i], names[i]};
    return all;
  }();
};

}  // namespace odeon::wire::detail
