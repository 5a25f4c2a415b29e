#pragma once

#include <cstddef>

/// @file Aggregates taken apart: how many fields, and references to them. Internal; see
/// `wire/reflect.hpp`.
///
/// C++23 has no reflection. The count comes from brace initialisation: an aggregate of n fields can
/// be initialised from n pairs of empty braces, and not from n + 1. The references come from a
/// structured binding of n names. So there is one line below for each count up to `max_fields`.

namespace odeon::wire::detail {

/// The most fields a reflected type may have.
inline constexpr std::size_t max_fields = 64;

// Converts to anything: initialises a field that empty braces do not (one without a default of its
// own).
struct any_field {
  template <class T>
  // NOLINTNEXTLINE(google-explicit-constructor): never called, only asked about
  operator T() const noexcept;
};

/// For each count N: `take<T>`, whether N empty braces initialise a T, `take_more<T>`, whether N of
/// them and a value more do, and `visit(value, visitor)`, which calls `visitor(field...)` with a
/// reference to each of the N fields of an aggregate, in order.
template <std::size_t N>
struct aggregate {
  template <class T>
  static constexpr bool take = false;
};

template <>
struct aggregate<0> {
  template <class T>
  static constexpr bool take = requires { T{}; };
  template <class T>
  static constexpr bool take_more = requires { T{any_field{}}; };

  template <class V, class F>
  static constexpr decltype(auto) visit(V& /*value*/, F&& visitor) {
    return visitor();
  }
};

// NOLINTBEGIN(cppcoreguidelines-macro-usage, bugprone-macro-parentheses): lists of names need
// macros
// clang-format off
#define ODEON_WIRE_NAMES1(x) x##0
#define ODEON_WIRE_NAMES2(x) x##0, x##1
#define ODEON_WIRE_NAMES3(x) x##0, x##1, x##2
#define ODEON_WIRE_NAMES4(x) x##0, x##1, x##2, x##3
#define ODEON_WIRE_NAMES5(x) x##0, x##1, x##2, x##3, x##4
#define ODEON_WIRE_NAMES6(x) x##0, x##1, x##2, x##3, x##4, x##5
#define ODEON_WIRE_NAMES7(x) x##0, x##1, x##2, x##3, x##4, x##5, x##6
#define ODEON_WIRE_NAMES8(x) x##0, x##1, x##2, x##3, x##4, x##5, x##6, x##7
#define ODEON_WIRE_BRACES1 {}
#define ODEON_WIRE_BRACES2 {}, {}
#define ODEON_WIRE_BRACES3 {}, {}, {}
#define ODEON_WIRE_BRACES4 {}, {}, {}, {}
#define ODEON_WIRE_BRACES5 {}, {}, {}, {}, {}
#define ODEON_WIRE_BRACES6 {}, {}, {}, {}, {}, {}
#define ODEON_WIRE_BRACES7 {}, {}, {}, {}, {}, {}, {}
#define ODEON_WIRE_BRACES8 {}, {}, {}, {}, {}, {}, {}, {}
#define ODEON_WIRE_FULL_NAMES0
#define ODEON_WIRE_FULL_NAMES1 ODEON_WIRE_NAMES8(a),
#define ODEON_WIRE_FULL_NAMES2 ODEON_WIRE_FULL_NAMES1 ODEON_WIRE_NAMES8(b),
#define ODEON_WIRE_FULL_NAMES3 ODEON_WIRE_FULL_NAMES2 ODEON_WIRE_NAMES8(c),
#define ODEON_WIRE_FULL_NAMES4 ODEON_WIRE_FULL_NAMES3 ODEON_WIRE_NAMES8(d),
#define ODEON_WIRE_FULL_NAMES5 ODEON_WIRE_FULL_NAMES4 ODEON_WIRE_NAMES8(e),
#define ODEON_WIRE_FULL_NAMES6 ODEON_WIRE_FULL_NAMES5 ODEON_WIRE_NAMES8(f),
#define ODEON_WIRE_FULL_NAMES7 ODEON_WIRE_FULL_NAMES6 ODEON_WIRE_NAMES8(g),
#define ODEON_WIRE_FULL_BRACES0
#define ODEON_WIRE_FULL_BRACES1 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES2 ODEON_WIRE_FULL_BRACES1 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES3 ODEON_WIRE_FULL_BRACES2 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES4 ODEON_WIRE_FULL_BRACES3 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES5 ODEON_WIRE_FULL_BRACES4 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES6 ODEON_WIRE_FULL_BRACES5 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES7 ODEON_WIRE_FULL_BRACES6 ODEON_WIRE_BRACES8,
#define ODEON_WIRE_FULL_BRACES8 ODEON_WIRE_FULL_BRACES7 ODEON_WIRE_BRACES8,
// `count` is eight times `eights` and `ones` more; `letter` begins the names of the last.
#define ODEON_WIRE_AGGREGATE(count, eights, ones, letter)                                       \
  template <>                                                                                   \
  struct aggregate<count> {                                                                     \
    template <class T>                                                                          \
    static constexpr bool take =                                                                \
        requires { T{ODEON_WIRE_FULL_BRACES##eights ODEON_WIRE_BRACES##ones}; };                \
    template <class T>                                                                          \
    static constexpr bool take_more =                                                           \
        requires { T{ODEON_WIRE_FULL_BRACES##eights ODEON_WIRE_BRACES##ones, any_field{}}; };   \
    template <class V, class F>                                                                 \
    static constexpr decltype(auto) visit(V& value, F&& visitor) {                              \
      auto& [ODEON_WIRE_FULL_NAMES##eights ODEON_WIRE_NAMES##ones(letter)] = value;             \
      return visitor(ODEON_WIRE_FULL_NAMES##eights ODEON_WIRE_NAMES##ones(letter));             \
    }                                                                                           \
  };

ODEON_WIRE_AGGREGATE(1, 0, 1, a)
ODEON_WIRE_AGGREGATE(2, 0, 2, a)
ODEON_WIRE_AGGREGATE(3, 0, 3, a)
ODEON_WIRE_AGGREGATE(4, 0, 4, a)
ODEON_WIRE_AGGREGATE(5, 0, 5, a)
ODEON_WIRE_AGGREGATE(6, 0, 6, a)
ODEON_WIRE_AGGREGATE(7, 0, 7, a)
ODEON_WIRE_AGGREGATE(8, 0, 8, a)
ODEON_WIRE_AGGREGATE(9, 1, 1, b)
ODEON_WIRE_AGGREGATE(10, 1, 2, b)
ODEON_WIRE_AGGREGATE(11, 1, 3, b)
ODEON_WIRE_AGGREGATE(12, 1, 4, b)
ODEON_WIRE_AGGREGATE(13, 1, 5, b)
ODEON_WIRE_AGGREGATE(14, 1, 6, b)
ODEON_WIRE_AGGREGATE(15, 1, 7, b)
ODEON_WIRE_AGGREGATE(16, 1, 8, b)
ODEON_WIRE_AGGREGATE(17, 2, 1, c)
ODEON_WIRE_AGGREGATE(18, 2, 2, c)
ODEON_WIRE_AGGREGATE(19, 2, 3, c)
ODEON_WIRE_AGGREGATE(20, 2, 4, c)
ODEON_WIRE_AGGREGATE(21, 2, 5, c)
ODEON_WIRE_AGGREGATE(22, 2, 6, c)
ODEON_WIRE_AGGREGATE(23, 2, 7, c)
ODEON_WIRE_AGGREGATE(24, 2, 8, c)
ODEON_WIRE_AGGREGATE(25, 3, 1, d)
ODEON_WIRE_AGGREGATE(26, 3, 2, d)
ODEON_WIRE_AGGREGATE(27, 3, 3, d)
ODEON_WIRE_AGGREGATE(28, 3, 4, d)
ODEON_WIRE_AGGREGATE(29, 3, 5, d)
ODEON_WIRE_AGGREGATE(30, 3, 6, d)
ODEON_WIRE_AGGREGATE(31, 3, 7, d)
ODEON_WIRE_AGGREGATE(32, 3, 8, d)
ODEON_WIRE_AGGREGATE(33, 4, 1, e)
ODEON_WIRE_AGGREGATE(34, 4, 2, e)
ODEON_WIRE_AGGREGATE(35, 4, 3, e)
ODEON_WIRE_AGGREGATE(36, 4, 4, e)
ODEON_WIRE_AGGREGATE(37, 4, 5, e)
ODEON_WIRE_AGGREGATE(38, 4, 6, e)
ODEON_WIRE_AGGREGATE(39, 4, 7, e)
ODEON_WIRE_AGGREGATE(40, 4, 8, e)
ODEON_WIRE_AGGREGATE(41, 5, 1, f)
ODEON_WIRE_AGGREGATE(42, 5, 2, f)
ODEON_WIRE_AGGREGATE(43, 5, 3, f)
ODEON_WIRE_AGGREGATE(44, 5, 4, f)
ODEON_WIRE_AGGREGATE(45, 5, 5, f)
ODEON_WIRE_AGGREGATE(46, 5, 6, f)
ODEON_WIRE_AGGREGATE(47, 5, 7, f)
ODEON_WIRE_AGGREGATE(48, 5, 8, f)
ODEON_WIRE_AGGREGATE(49, 6, 1, g)
ODEON_WIRE_AGGREGATE(50, 6, 2, g)
ODEON_WIRE_AGGREGATE(51, 6, 3, g)
ODEON_WIRE_AGGREGATE(52, 6, 4, g)
ODEON_WIRE_AGGREGATE(53, 6, 5, g)
ODEON_WIRE_AGGREGATE(54, 6, 6, g)
ODEON_WIRE_AGGREGATE(55, 6, 7, g)
ODEON_WIRE_AGGREGATE(56, 6, 8, g)
ODEON_WIRE_AGGREGATE(57, 7, 1, h)
ODEON_WIRE_AGGREGATE(58, 7, 2, h)
ODEON_WIRE_AGGREGATE(59, 7, 3, h)
ODEON_WIRE_AGGREGATE(60, 7, 4, h)
ODEON_WIRE_AGGREGATE(61, 7, 5, h)
ODEON_WIRE_AGGREGATE(62, 7, 6, h)
ODEON_WIRE_AGGREGATE(63, 7, 7, h)
ODEON_WIRE_AGGREGATE(64, 7, 8, h)

template <>
struct aggregate<max_fields + 1> {
  template <class T>
  static constexpr bool take = requires { T{ODEON_WIRE_FULL_BRACES8 ODEON_WIRE_BRACES1}; };
};

#undef ODEON_WIRE_AGGREGATE
#undef ODEON_WIRE_FULL_BRACES0
#undef ODEON_WIRE_FULL_BRACES1
#undef ODEON_WIRE_FULL_BRACES2
#undef ODEON_WIRE_FULL_BRACES3
#undef ODEON_WIRE_FULL_BRACES4
#undef ODEON_WIRE_FULL_BRACES5
#undef ODEON_WIRE_FULL_BRACES6
#undef ODEON_WIRE_FULL_BRACES7
#undef ODEON_WIRE_FULL_BRACES8
#undef ODEON_WIRE_FULL_NAMES0
#undef ODEON_WIRE_FULL_NAMES1
#undef ODEON_WIRE_FULL_NAMES2
#undef ODEON_WIRE_FULL_NAMES3
#undef ODEON_WIRE_FULL_NAMES4
#undef ODEON_WIRE_FULL_NAMES5
#undef ODEON_WIRE_FULL_NAMES6
#undef ODEON_WIRE_FULL_NAMES7
#undef ODEON_WIRE_BRACES1
#undef ODEON_WIRE_BRACES2
#undef ODEON_WIRE_BRACES3
#undef ODEON_WIRE_BRACES4
#undef ODEON_WIRE_BRACES5
#undef ODEON_WIRE_BRACES6
#undef ODEON_WIRE_BRACES7
#undef ODEON_WIRE_BRACES8
#undef ODEON_WIRE_NAMES1
#undef ODEON_WIRE_NAMES2
#undef ODEON_WIRE_NAMES3
#undef ODEON_WIRE_NAMES4
#undef ODEON_WIRE_NAMES5
#undef ODEON_WIRE_NAMES6
#undef ODEON_WIRE_NAMES7
#undef ODEON_WIRE_NAMES8
// clang-format on
// NOLINTEND(cppcoreguidelines-macro-usage, bugprone-macro-parentheses)

}  // namespace odeon::wire::detail
