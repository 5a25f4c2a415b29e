#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/type_name.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string_view>
#include <type_traits>

/// @file How a message is named and versioned on the wire.
///
/// A message says nothing and is known by its qualified type name, version 1. It may say more:
///
///     struct deposit_v1 { long cents = 0; };
///     struct deposit {
///       static constexpr auto manifest = "bank.deposit";    // survives a rename of the type
///       static constexpr int version = 2;
///       static deposit upcast(const deposit_v1& old);       // may also return
///       odeon::result<deposit> long amount = 0; std::string currency = "EUR";
///     };
///
/// `upcast` names the predecessor by its parameter; where it is overloaded, `using previous =
/// deposit_v1;` says which overload continues the chain. Bytes of version 1 read into version 3 go
/// through version 2.

namespace odeon::wire {

namespace detail {

// Only constants count: a message may have ordinary fields of these names.
template <class T>
concept declares_manifest =
    requires { typename std::bool_constant<std::string_view(T::manifest).empty()>; };

template <class T>
concept declares_version = requires { typename std::integral_constant<int, T::version>; };

template <class T>
consteval std::string_view manifest_of() {
  if constexpr (declares_manifest<T>) {
    return T::manifest;
  } else {
    return type_name<T>;
  }
}

template <class T>
consteval int version_of() {
  if constexpr (declares_version<T>) {
    static_assert(T::version >= 1, "a message's version counts from 1");
    return T::version;
  } else {
    return 1;
  }
}

template <class R, class P>
std::remove_cvref_t<P> upcast_parameter(R (*)(P));

struct no_predecessor {};

template <class T>
auto find_previous() {
  if constexpr (requires { typename T::previous; }) {
    return std::type_identity<typename T::previous>{};
  } else if constexpr (requires { upcast_parameter(&T::upcast); }) {
    return std::type_identity<decltype(upcast_parameter(&T::upcast))>{};
  } else {
    return std::type_identity<no_predecessor>{};
  }
}

}  // namespace detail

/// `T::manifest` where T declares it, else the qualified type name. What a stored or sent T is
/// known by.
template <class T>
inline constexpr std::string_view manifest = detail::manifest_of<T>();

/// `T::version` where T declares it, else 1.
template <class T>
inline constexpr int version = detail::version_of<T>();

/// The type whose values `T::upcast` takes; `detail::no_predecessor` where there is none.
template <class T>
using previous_version = typename decltype(detail::find_previous<T>())::type;

/// Field names, for a message that says which of its fields must be there:
///
///     struct deposit {
///       static constexpr auto required = odeon::wire::fields("account", "amount");
///       std::string account;
///       long amount = 0;
///       std::string note;
///     };
///
/// Bytes that lack one are refused with `errc::missing_field`; other fields take their defaults. A
/// name that is no field does not compile.
template <class... Names>
  requires(std::convertible_to<Names, std::string_view> && ...)
consteval auto fields(Names... names) {
  return std::array<std::string_view, sizeof...(Names)>{names...};
}

/// T can be made from an older version of itself.
template <class T>
concept upcastable = !std::same_as<previous_version<T>, detail::no_predecessor> &&
                     requires(const previous_version<T>& old) { T::upcast(old); };

}  // namespace odeon::wire
