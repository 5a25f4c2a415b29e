#pragma once

#include <odeon/wire/detail/aggregate.hpp>
#include <odeon/wire/detail/count_fields.hpp>
#include <odeon/wire/detail/field_names.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

/// @file What a type consists of: the number of its fields, references to them, and their names.
///
/// An aggregate needs nothing: `struct deposit { std::string account; long amount = 0; };` is
/// reflected as it stands, in any namespace, inside a function, with members that have no constexpr
/// constructor. It must have no base class, no member array (`std::array` is fine), no bit-field,
/// no reference, and at most 64 fields. Any other class opts in with one line inside it:
///
///     class account {
///       ODEON_REFLECT(account, id_, balance_)      // on the wire: "id", "balance"
///       std::string id_;
///       long balance_ = 0;
///     };

namespace odeon::wire {

namespace detail {

template <class T>
concept reflects_itself = requires(T& value) {
  odeon_reflect_visit(value, [](auto&...) {});
  odeon_reflect_names(static_cast<const T*>(nullptr));
};

template <class T>
concept tuple_like = requires { std::tuple_size<T>::value; };

template <class T>
concept plain_aggregate =
    std::is_class_v<T> && std::is_aggregate_v<T> && !std::is_union_v<T> && !tuple_like<T>;

// "id_, balance_" as the preprocessor writes a list: the pieces, without a last underscore.
template <std::size_t N>
consteval std::array<std::string_view, N> split_names(std::string_view list) {
  std::array<std::string_view, N> names{};
  for (std::string_view& name : names) {
    std::size_t end = list.find(',');
    name = list.substr(0, end);
    list.remove_prefix(end == std::string_view::npos ? list.size() : end + 1);
    while (!name.empty() && name.front() == ' ') name.remove_prefix(1);
    while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
    if (name.size() > 1 && name.back() == '_') name.remove_suffix(1);
  }
  return names;
}

template <class T>
consteval bool can_reflect() {
  if constexpr (reflects_itself<T>) {
    return true;
  } else if constexpr (plain_aggregate<T>) {
    return shape_of_aggregate<T>().why_not == obstacle::none;
  } else {
    return false;
  }
}

}  // namespace detail

/// T's fields can be counted, named and visited. False (never an error) for every other type.
template <class T>
concept reflectable = detail::can_reflect<std::remove_cvref_t<T>>();

/// How many fields T has; 0 for an empty struct.
template <reflectable T>
inline constexpr std::size_t field_count = [] {
  if constexpr (detail::reflects_itself<T>) {
    return odeon_reflect_names(static_cast<const T*>(nullptr)).size();
  } else {
    return detail::shape_of_aggregate<T>().count;
  }
}();

/// The names of T's fields, in order of declaration, as views into the program's constants.
template <reflectable T>
inline constexpr std::array<std::string_view, field_count<T>> field_names = [] {
  if constexpr (detail::reflects_itself<T>) {
    return odeon_reflect_names(static_cast<const T*>(nullptr));
  } else {
    std::array<std::string_view, field_count<T>> names{};
    for (std::size_t i = 0; i < names.size(); ++i) {
      names[i] = detail::aggregate_names<T, field_count<T>>::names[i];
    }
    return names;
  }
}();

/// Calls `visitor(field...)` once, with a reference to each field of `value` in order; const fields
/// for a const value. Returns what it returns. Costs nothing.
template <class V, class F>
  requires reflectable<V>
constexpr decltype(auto) visit_fields(V& value, F&& visitor) {
  using type = std::remove_const_t<V>;
  if constexpr (detail::reflects_itself<type>) {
    return odeon_reflect_visit(value, std::forward<F>(visitor));
  } else {
    return detail::aggregate<field_count<type>>::visit(value, std::forward<F>(visitor));
  }
}

/// A tuple of references to the fields of `value`, as `std::tie` makes; valid as long as `value`.
template <class V>
  requires reflectable<V>
[[nodiscard]] constexpr auto as_tuple(V& value) noexcept {
  return visit_fields(value, [](auto&... field) { return std::tie(field...); });
}

/// Calls `f(name, field)` for each field of `value`, in order.
template <class V, class F>
  requires reflectable<V>
constexpr void for_each_field(V& value, F&& f) {
  visit_fields(value, [&f](auto&... field) {
    std::size_t i = 0;
    ((f(field_names<std::remove_const_t<V>>[i], field), ++i), ...);
  });
}

}  // namespace odeon::wire

// NOLINTBEGIN(cppcoreguidelines-macro-usage, bugprone-macro-parentheses): pasting member names
// needs a macro
#define ODEON_WIRE_EXPAND(...) \
  ODEON_WIRE_EXPAND3(ODEON_WIRE_EXPAND3(ODEON_WIRE_EXPAND3(ODEON_WIRE_EXPAND3(__VA_ARGS__))))
#define ODEON_WIRE_EXPAND3(...) \
  ODEON_WIRE_EXPAND2(ODEON_WIRE_EXPAND2(ODEON_WIRE_EXPAND2(ODEON_WIRE_EXPAND2(__VA_ARGS__))))
#define ODEON_WIRE_EXPAND2(...) \
  ODEON_WIRE_EXPAND1(ODEON_WIRE_EXPAND1(ODEON_WIRE_EXPAND1(ODEON_WIRE_EXPAND1(__VA_ARGS__))))
#define ODEON_WIRE_EXPAND1(...) __VA_ARGS__
#define ODEON_WIRE_PARENS ()
#define ODEON_WIRE_MEMBERS(object, ...) \
  __VA_OPT__(ODEON_WIRE_EXPAND(ODEON_WIRE_MEMBER(object, __VA_ARGS__)))
#define ODEON_WIRE_MEMBER(object, member, ...) \
  object.member __VA_OPT__(, ODEON_WIRE_MEMBER_AGAIN ODEON_WIRE_PARENS(object, __VA_ARGS__))
#define ODEON_WIRE_MEMBER_AGAIN() ODEON_WIRE_MEMBER
#define ODEON_WIRE_COUNT(object, ...) \
  std::tuple_size_v<decltype(std::tie(ODEON_WIRE_MEMBERS(object __VA_OPT__(, ) __VA_ARGS__)))>

/// Inside a class that is no aggregate: these members, in this order, are its fields. The members
/// may be private; `type` needs a default constructor to be decoded. A last underscore of a member
/// is not part of its wire name. At most 64 members.
#define ODEON_REFLECT(type, ...)                                                                \
  template <class OdeonValue, class OdeonVisitor>                                               \
    requires std::same_as<std::remove_const_t<OdeonValue>, type>                                \
  friend constexpr decltype(auto) odeon_reflect_visit([[maybe_unused]] OdeonValue& odeon_value, \
                                                      OdeonVisitor&& odeon_visitor) {           \
    return odeon_visitor(ODEON_WIRE_MEMBERS(odeon_value __VA_OPT__(, ) __VA_ARGS__));           \
  }                                                                                             \
  friend consteval auto odeon_reflect_names([[maybe_unused]] const type* odeon_value) {         \
    return ::odeon::wire::detail::split_names<ODEON_WIRE_COUNT((*odeon_value)__VA_OPT__(, )     \
                                                                   __VA_ARGS__)>(#__VA_ARGS__); \
  }
// NOLINTEND(cppcoreguidelines-macro-usage, bugprone-macro-parentheses)
