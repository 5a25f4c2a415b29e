#pragma once

#include <odeon/wire/fwd.hpp>
#include <odeon/wire/reflect.hpp>
#include <odeon/wire/schema.hpp>

#include <array>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/// @file Which `kind` a type is. Internal; see `wire/describe.hpp`.

namespace odeon::wire::detail {

template <class T>
concept has_codec = requires { typename codec<T>::wire_type; };

/// A codec may say how an empty T is made when T has no default constructor.
template <class T>
concept codec_blank = has_codec<T> && requires {
  { codec<T>::blank() } -> std::same_as<T>;
};

template <class T>
concept blankable = std::default_initializable<T> || codec_blank<T>;

template <class T>
constexpr T blank() {
  if constexpr (codec_blank<T>) {
    return codec<T>::blank();
  } else {
    return T{};
  }
}

template <class T>
concept byte_like = std::same_as<T, std::byte> || std::same_as<T, unsigned char>;

template <class T>
inline constexpr bool is_byte_vector = false;
template <byte_like B, class A>
inline constexpr bool is_byte_vector<std::vector<B, A>> = true;

template <class T>
inline constexpr bool is_std_array = false;
template <class T, std::size_t N>
inline constexpr bool is_std_array<std::array<T, N>> = true;

template <class T>
inline constexpr bool is_byte_array = false;
template <byte_like B, std::size_t N>
inline constexpr bool is_byte_array<std::array<B, N>> = true;

/// What an optional, unique_ptr or shared_ptr may hold; void for other types.
template <class T>
struct optional_element {
  using type = void;
};
template <class T>
struct optional_element<std::optional<T>> {
  using type = T;
};
template <class T>
struct optional_element<std::unique_ptr<T>> {
  using type = std::remove_const_t<T>;
};
template <class T>
struct optional_element<std::shared_ptr<T>> {
  using type = std::remove_const_t<T>;
};

template <class T>
inline constexpr bool is_variant = false;
template <class... T>
inline constexpr bool is_variant<std::variant<T...>> = true;
template <class T, class E>
inline constexpr bool is_variant<std::expected<T, E>> = true;

template <class T>
inline constexpr bool is_duration = false;
template <class R, class P>
  requires std::is_integral_v<R>
inline constexpr bool is_duration<std::chrono::duration<R, P>> = true;

template <class T>
inline constexpr bool is_time_point = false;
template <class C, class D>
inline constexpr bool is_time_point<std::chrono::time_point<C, D>> = is_duration<D>;

template <class T>
inline constexpr bool is_tuple = false;
template <class... T>
inline constexpr bool is_tuple<std::tuple<T...>> = true;
template <class A, class B>
inline constexpr bool is_tuple<std::pair<A, B>> = true;

template <class T>
concept container = requires(T& c, const T& k) {
  typename T::value_type;
  { k.size() } -> std::convertible_to<std::size_t>;
  k.begin();
  k.end();
  c.clear();
};

template <class T>
concept map_like = container<T> && requires {
  typename T::key_type;
  typename T::mapped_type;
};

template <class T>
concept set_like = container<T> && !map_like<T> && requires { typename T::key_type; };

template <class T>
concept sequence_like =
    container<T> && !set_like<T> && !map_like<T> && requires(T& c) { c.emplace_back(); };

template <class T>
consteval kind classify() {
  if constexpr (has_codec<T>) {
    return kind::converted;
  } else if constexpr (std::is_const_v<T> || std::is_reference_v<T>) {
    return kind::unsupported;
  } else if constexpr (std::same_as<T, std::monostate> || std::is_void_v<T>) {
    return kind::none;
  } else if constexpr (std::same_as<T, bool>) {
    return kind::boolean;
  } else if constexpr (std::is_integral_v<T>) {
    return sizeof(T) <= 8 ? kind::integer : kind::unsupported;
  } else if constexpr (std::same_as<T, float> || std::same_as<T, double>) {
    return kind::floating;
  } else if constexpr (std::is_enum_v<T>) {
    return kind::enumeration;
  } else if constexpr (std::same_as<T, std::string>) {
    return kind::string;
  } else if constexpr (std::same_as<T, std::string_view>) {
    return kind::string_view;
  } else if constexpr (is_byte_vector<T> || is_byte_array<T>) {
    return kind::bytes;
  } else if constexpr (!std::is_void_v<typename optional_element<T>::type>) {
    return kind::optional;
  } else if constexpr (is_variant<T>) {
    return kind::variant;
  } else if constexpr (is_duration<T>) {
    return kind::duration;
  } else if constexpr (is_time_point<T>) {
    return kind::time_point;
  } else if constexpr (is_std_array<T>) {
    return kind::array;
  } else if constexpr (is_tuple<T>) {
    return kind::tuple;
  } else if constexpr (map_like<T>) {
    return kind::map;
  } else if constexpr (set_like<T> || sequence_like<T>) {
    return kind::list;
  } else if constexpr (reflectable<T>) {
    return kind::record;
  } else {
    return kind::unsupported;
  }
}

template <class T>
consteval refusal why_unsupported() {
  if constexpr (std::is_const_v<T>) {
    return refusal::constant;
  } else if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> ||
                       std::is_reference_v<T>) {
    return refusal::pointer;
  } else if constexpr (std::is_arithmetic_v<T>) {
    return refusal::number;
  } else if constexpr (std::is_array_v<T>) {
    return refusal::builtin_array;
  } else if constexpr (std::is_union_v<T>) {
    return refusal::is_union;
  } else if constexpr (plain_aggregate<T>) {
    return shape_of_aggregate<T>().why_not == obstacle::base_class ? refusal::base_class
                                                                   : refusal::too_many;
  } else {
    return refusal::unknown;
  }
}

}  // namespace odeon::wire::detail
