#pragma once

#include <cstddef>
#include <type_traits>
#include <utility>

/// @file Aggregates taken apart: how many fields, and references to them. Internal; see
/// `wire/reflect.hpp`.
///
/// C++23 has no reflection. The count comes from brace initialisation: an aggregate of n fields can
/// be initialised from n values of a type that converts to anything, and not from n + 1. The
/// references come from a structured binding of that many names, so there is one line below for
/// each count up to `max_fields`.

namespace odeon::wire::detail {

/// The most fields a reflected type may have.
inline constexpr std::size_t max_fields = 64;

struct any_field {
  template <class T>
  operator T()
      const noexcept;  // NOLINT(google-explicit-constructor): never called, only asked about
};

template <class T>
struct any_base {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  operator U() const noexcept;  // NOLINT(google-explicit-constructor)
};

struct no_field {};

template <std::size_t>
using any_field_at = any_field;

template <class T, std::size_t... I>
consteval bool braces_take(std::index_sequence<I...>) {
  return requires { T{any_field_at<I>{}...}; };
}

// Parentheses initialise an aggregate as braces do, except that a member array swallows no scalars:
// where the two disagree, there is a member array.
template <class T, std::size_t... I>
consteval bool parentheses_take(std::index_sequence<I...>) {
  return requires { T(any_field_at<I>{}...); };
}

template <class T, std::size_t N>
consteval bool takes() {
  return braces_take<T>(std::make_index_sequence<N>{});
}

// The fewest values that initialise a T: more than none when its first fields have no default.
template <class T, std::size_t N = 0>
consteval std::size_t fewest_values() {
  if constexpr (N > max_fields || takes<T, N>()) {
    return N;
  } else {
    return fewest_values<T, N + 1>();
  }
}

// Above the fewest, "takes N" is true up to the count and false after it: gallop, then bisect.
template <class T, std::size_t Good, std::size_t Bad>
consteval std::size_t most_values_between() {
  if constexpr (Bad - Good == 1) {
    return Good;
  } else {
    constexpr std::size_t middle = Good + (Bad - Good) / 2;
    if constexpr (takes<T, middle>()) {
      return most_values_between<T, middle, Bad>();
    } else {
      return most_values_between<T, Good, middle>();
    }
  }
}

template <class T, std::size_t Good, std::size_t Step>
consteval std::size_t most_values() {
  if constexpr (Good > max_fields) {
    return Good;
  } else if constexpr (takes<T, Good + Step>()) {
    return most_values<T, Good + Step, Step * 2>();
  } else {
    return most_values_between<T, Good, Good + Step>();
  }
}

/// Why an aggregate cannot be taken apart, or `none`.
enum class obstacle { none, base_class, member_array, too_many, no_values };

struct aggregate_shape {
  std::size_t count = 0;
  obstacle why_not = obstacle::none;
};

template <class T>
consteval aggregate_shape shape_of_aggregate() {
  if constexpr (std::is_empty_v<T>) {
    return {};
  } else if constexpr (requires { T{any_base<T>{}}; } && !requires { T{no_field{}}; }) {
    return {0, obstacle::base_class};
  } else {
    constexpr std::size_t fewest = fewest_values<T>();
    if constexpr (fewest > max_fields) {
      return {0, obstacle::no_values};
    } else {
      constexpr std::size_t count = most_values<T, fewest, 1>();
      if constexpr (count > max_fields) {
        return {count, obstacle::too_many};
      } else if constexpr (count > 1 && !parentheses_take<T>(std::make_index_sequence<count>{})) {
        return {count, obstacle::member_array};
      } else {
        return {count, obstacle::none};
      }
    }
  }
}

#define ODEON_WIRE_1(x) x##0
#define ODEON_WIRE_2(x) x##0, x##1
#define ODEON_WIRE_3(x) x##0, x##1, x##2
#define ODEON_WIRE_4(x) x##0, x##1, x##2, x##3
#define ODEON_WIRE_5(x) ODEON_WIRE_4(x), x##4
#define ODEON_WIRE_6(x) ODEON_WIRE_4(x), x##4, x##5
#define ODEON_WIRE_7(x) ODEON_WIRE_4(x), x##4, x##5, x##6
#define ODEON_WIRE_8(x) ODEON_WIRE_4(x), x##4, x##5, x##6, x##7
#define ODEON_WIRE_16 ODEON_WIRE_8(a), ODEON_WIRE_8(b)
#define ODEON_WIRE_32 ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_8(d)
#define ODEON_WIRE_48 ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_8(f)
#define ODEON_WIRE_TAKE(count, ...)  \
  else if constexpr (N == (count)) { \
    auto& [__VA_ARGS__] = value;     \
    return visitor(__VA_ARGS__);     \
  }

/// Calls `visitor(field...)` with a reference to each of the N fields of an aggregate, in order.
template <std::size_t N, class V, class F>
constexpr decltype(auto) visit_aggregate(V& value, F&& visitor) {
  static_assert(N <= max_fields);
  // clang-format off
  if constexpr (N == 0) {
    return visitor();
  }
  ODEON_WIRE_TAKE(1, ODEON_WIRE_1(a))
  ODEON_WIRE_TAKE(2, ODEON_WIRE_2(a))
  ODEON_WIRE_TAKE(3, ODEON_WIRE_3(a))
  ODEON_WIRE_TAKE(4, ODEON_WIRE_4(a))
  ODEON_WIRE_TAKE(5, ODEON_WIRE_5(a))
  ODEON_WIRE_TAKE(6, ODEON_WIRE_6(a))
  ODEON_WIRE_TAKE(7, ODEON_WIRE_7(a))
  ODEON_WIRE_TAKE(8, ODEON_WIRE_8(a))
  ODEON_WIRE_TAKE(9, ODEON_WIRE_8(a), ODEON_WIRE_1(b))
  ODEON_WIRE_TAKE(10, ODEON_WIRE_8(a), ODEON_WIRE_2(b))
  ODEON_WIRE_TAKE(11, ODEON_WIRE_8(a), ODEON_WIRE_3(b))
  ODEON_WIRE_TAKE(12, ODEON_WIRE_8(a), ODEON_WIRE_4(b))
  ODEON_WIRE_TAKE(13, ODEON_WIRE_8(a), ODEON_WIRE_5(b))
  ODEON_WIRE_TAKE(14, ODEON_WIRE_8(a), ODEON_WIRE_6(b))
  ODEON_WIRE_TAKE(15, ODEON_WIRE_8(a), ODEON_WIRE_7(b))
  ODEON_WIRE_TAKE(16, ODEON_WIRE_16)
  ODEON_WIRE_TAKE(17, ODEON_WIRE_16, ODEON_WIRE_1(c))
  ODEON_WIRE_TAKE(18, ODEON_WIRE_16, ODEON_WIRE_2(c))
  ODEON_WIRE_TAKE(19, ODEON_WIRE_16, ODEON_WIRE_3(c))
  ODEON_WIRE_TAKE(20, ODEON_WIRE_16, ODEON_WIRE_4(c))
  ODEON_WIRE_TAKE(21, ODEON_WIRE_16, ODEON_WIRE_5(c))
  ODEON_WIRE_TAKE(22, ODEON_WIRE_16, ODEON_WIRE_6(c))
  ODEON_WIRE_TAKE(23, ODEON_WIRE_16, ODEON_WIRE_7(c))
  ODEON_WIRE_TAKE(24, ODEON_WIRE_16, ODEON_WIRE_8(c))
  ODEON_WIRE_TAKE(25, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_1(d))
  ODEON_WIRE_TAKE(26, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_2(d))
  ODEON_WIRE_TAKE(27, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_3(d))
  ODEON_WIRE_TAKE(28, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_4(d))
  ODEON_WIRE_TAKE(29, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_5(d))
  ODEON_WIRE_TAKE(30, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_6(d))
  ODEON_WIRE_TAKE(31, ODEON_WIRE_16, ODEON_WIRE_8(c), ODEON_WIRE_7(d))
  ODEON_WIRE_TAKE(32, ODEON_WIRE_32)
  ODEON_WIRE_TAKE(33, ODEON_WIRE_32, ODEON_WIRE_1(e))
  ODEON_WIRE_TAKE(34, ODEON_WIRE_32, ODEON_WIRE_2(e))
  ODEON_WIRE_TAKE(35, ODEON_WIRE_32, ODEON_WIRE_3(e))
  ODEON_WIRE_TAKE(36, ODEON_WIRE_32, ODEON_WIRE_4(e))
  ODEON_WIRE_TAKE(37, ODEON_WIRE_32, ODEON_WIRE_5(e))
  ODEON_WIRE_TAKE(38, ODEON_WIRE_32, ODEON_WIRE_6(e))
  ODEON_WIRE_TAKE(39, ODEON_WIRE_32, ODEON_WIRE_7(e))
  ODEON_WIRE_TAKE(40, ODEON_WIRE_32, ODEON_WIRE_8(e))
  ODEON_WIRE_TAKE(41, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_1(f))
  ODEON_WIRE_TAKE(42, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_2(f))
  ODEON_WIRE_TAKE(43, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_3(f))
  ODEON_WIRE_TAKE(44, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_4(f))
  ODEON_WIRE_TAKE(45, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_5(f))
  ODEON_WIRE_TAKE(46, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_6(f))
  ODEON_WIRE_TAKE(47, ODEON_WIRE_32, ODEON_WIRE_8(e), ODEON_WIRE_7(f))
  ODEON_WIRE_TAKE(48, ODEON_WIRE_48)
  ODEON_WIRE_TAKE(49, ODEON_WIRE_48, ODEON_WIRE_1(g))
  ODEON_WIRE_TAKE(50, ODEON_WIRE_48, ODEON_WIRE_2(g))
  ODEON_WIRE_TAKE(51, ODEON_WIRE_48, ODEON_WIRE_3(g))
  ODEON_WIRE_TAKE(52, ODEON_WIRE_48, ODEON_WIRE_4(g))
  ODEON_WIRE_TAKE(53, ODEON_WIRE_48, ODEON_WIRE_5(g))
  ODEON_WIRE_TAKE(54, ODEON_WIRE_48, ODEON_WIRE_6(g))
  ODEON_WIRE_TAKE(55, ODEON_WIRE_48, ODEON_WIRE_7(g))
  ODEON_WIRE_TAKE(56, ODEON_WIRE_48, ODEON_WIRE_8(g))
  ODEON_WIRE_TAKE(57, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_1(h))
  ODEON_WIRE_TAKE(58, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_2(h))
  ODEON_WIRE_TAKE(59, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_3(h))
  ODEON_WIRE_TAKE(60, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_4(h))
  ODEON_WIRE_TAKE(61, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_5(h))
  ODEON_WIRE_TAKE(62, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_6(h))
  ODEON_WIRE_TAKE(63, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_7(h))
  ODEON_WIRE_TAKE(64, ODEON_WIRE_48, ODEON_WIRE_8(g), ODEON_WIRE_8(h))
  // clang-format on
}

#undef ODEON_WIRE_TAKE
#undef ODEON_WIRE_48
#undef ODEON_WIRE_32
#undef ODEON_WIRE_16
#undef ODEON_WIRE_8
#undef ODEON_WIRE_7
#undef ODEON_WIRE_6
#undef ODEON_WIRE_5
#undef ODEON_WIRE_4
#undef ODEON_WIRE_3
#undef ODEON_WIRE_2
#undef ODEON_WIRE_1

}  // namespace odeon::wire::detail
