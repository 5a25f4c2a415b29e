#pragma once

#include <odeon/wire/detail/aggregate.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

/// @file How many fields an aggregate has. Internal; see `wire/reflect.hpp`.

namespace odeon::wire::detail {

// T takes Good empty braces; does it take Step more? Gallop, then bisect between what it takes and
// what it does not.
template <class T, std::size_t Good, std::size_t Bad>
consteval std::size_t most_braces_between() {
  if constexpr (Bad - Good == 1) {
    return Good;
  } else {
    constexpr std::size_t middle = Good + (Bad - Good) / 2;
    if constexpr (aggregate<middle>::template take<T>) {
      return most_braces_between<T, middle, Bad>();
    } else {
      return most_braces_between<T, Good, middle>();
    }
  }
}

template <class T, std::size_t Good = 0, std::size_t Step = 2>
consteval std::size_t most_braces() {
  constexpr std::size_t more = Good + Step > max_fields ? max_fields + 1 : Good + Step;
  if constexpr (!aggregate<more>::template take<T>) {
    return most_braces_between<T, Good, more>();
  } else if constexpr (more > max_fields) {
    return more;
  } else {
    return most_braces<T, more, Step * 2>();
  }
}

template <class T>
struct any_base {
  template <class U>
    requires(std::is_base_of_v<U, T> && !std::is_same_v<U, T>)
  // NOLINTNEXTLINE(google-explicit-constructor): never called, only asked about
  operator U() const noexcept;
};

struct no_field {};

template <std::size_t>
using any_field_at = any_field;

// Parentheses initialise an aggregate as braces do, except that a member array swallows no scalars:
// where the two disagree, a count of values is not a count of fields.
template <class T, std::size_t... I>
consteval bool takes_values(std::index_sequence<I...>) {
  return requires { T{any_field_at<I>{}...}; } &&
         (sizeof...(I) < 2 || requires { T(any_field_at<I>{}...); });
}

// The slow way, for what has a field that empty braces do not initialise: one value after the
// other.
template <class T, std::size_t N, bool Found = false>
consteval std::size_t most_values() {
  constexpr bool takes = takes_values<T>(std::make_index_sequence<N>{});
  if constexpr (Found && !takes) {
    return N - 1;
  } else if constexpr (N > max_fields) {
    return N;
  } else {
    return most_values<T, N + 1, takes>();
  }
}

/// Why an aggregate cannot be taken apart, or `none`.
enum class obstacle { none, base_class, too_many };

struct aggregate_shape {
  std::size_t count = 0;
  obstacle why_not = obstacle::none;
};

template <class T>
consteval std::size_t count_fields() {
  if constexpr (!aggregate<0>::take<T>) {
    return most_values<T, 1>();
  } else {
    constexpr std::size_t count = most_braces<T>();
    if constexpr (count > max_fields) {
      return count;
    } else if constexpr (aggregate<count>::template take_more<T>) {
      return most_values<T, count + 1, true>();
    } else {
      return count;
    }
  }
}

template <class T>
consteval aggregate_shape shape_of_aggregate() {
  if constexpr (std::is_empty_v<T>) {
    return {};
  } else if constexpr (requires { T{any_base<T>{}}; } && !requires { T{no_field{}}; }) {
    return {0, obstacle::base_class};
  } else {
    constexpr std::size_t count = count_fields<T>();
    return {count, count > max_fields ? obstacle::too_many : obstacle::none};
  }
}

}  // namespace odeon::wire::detail
