#pragma once

#include <odeon/base/type_name.hpp>
#include <odeon/core/message.hpp>

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

/// @file What a router needs to know of a message: how it is copied, and its key.

namespace odeon::detail {

/// `std::vector<std::unique_ptr<int>>` says of itself that it can be copied, and cannot: containers
/// are looked into, and aggregates whose fields they are. What is deeper than that, or hidden in a
/// class with a constructor of its own, is believed; a message may say `static constexpr bool
/// copyable = false`.
inline constexpr int copy_depth = 4;

template <class T, int Depth>
consteval bool can_copy();

/// Initialises a field that cannot be copied, and no other.
template <int Depth>
struct uncopyable_field {
  template <class U>
    requires(!can_copy<U, Depth>())
  // NOLINTNEXTLINE(google-explicit-constructor): never called, only asked about
  operator U() const noexcept;
};

template <class T, int Depth>
consteval bool has_uncopyable_field() {
  using no = uncopyable_field<Depth>;
  if constexpr (
      requires { T{no{}}; } || requires { T{{}, no{}}; } || requires { T{{}, {}, no{}}; } ||
      requires { T{{}, {}, {}, no{}}; }) {
    return true;
  } else if constexpr (requires { T{{}, {}, {}, {}}; }) {
    return requires { T{{}, {}, {}, {}, no{}}; } || requires { T{{}, {}, {}, {}, {}, no{}}; } ||
           requires { T{{}, {}, {}, {}, {}, {}, no{}}; } ||
           requires { T{{}, {}, {}, {}, {}, {}, {}, no{}}; } ||
           requires { T{{}, {}, {}, {}, {}, {}, {}, {}, no{}}; };
  } else {
    return false;
  }
}

template <class T, int Depth = copy_depth>
consteval bool can_copy() {
  if constexpr (!std::is_copy_constructible_v<T>) {
    return false;
  } else if constexpr (std::is_trivially_copyable_v<T> || Depth == 0) {
    return true;
  } else if constexpr (requires {
                         { T::copyable } -> std::convertible_to<bool>;
                       }) {
    return static_cast<bool>(T::copyable);
  } else if constexpr (requires { typename T::mapped_type; }) {
    return can_copy<typename T::mapped_type, Depth - 1>();
  } else if constexpr (requires {
                         typename T::value_type;
                         typename T::const_iterator;
                       }) {
    return can_copy<typename T::value_type, Depth - 1>();
  } else if constexpr (std::is_aggregate_v<T> && !std::is_array_v<T>) {
    return !has_uncopyable_field<T, Depth - 1>();
  } else {
    return true;
  }
}

template <class M>
constexpr auto copy_function() -> void (*)(void* to, const void* from) {
  if constexpr (can_copy<M>())
    return [](void* to, const void* from) { ::new (to) M(*static_cast<const M*>(from)); };
  else
    return nullptr;
}

// -- the key --------------------------------------------------------------------------------------

template <class K>
constexpr std::uint64_t key_bits(const K& key) noexcept {
  if constexpr (std::is_integral_v<K> || std::is_enum_v<K>)
    return static_cast<std::uint64_t>(key);
  else
    return message_key(std::string_view(key));
}

template <class K>
concept routing_key_type =
    std::is_integral_v<K> || std::is_enum_v<K> || std::is_convertible_v<const K&, std::string_view>;

template <class M>
concept has_key_member = requires(const M& m) {
  { m.routing_key() } -> routing_key_type;
};
template <class M>
concept has_key_function = requires(const M& m) {
  { routing_key(m) } -> routing_key_type;
};

template <class M>
constexpr auto key_function() -> std::uint64_t (*)(const void* message) {
  if constexpr (has_key_member<M>)
    return [](const void* m) { return key_bits(static_cast<const M*>(m)->routing_key()); };
  else if constexpr (has_key_function<M>)
    return [](const void* m) { return key_bits(routing_key(*static_cast<const M*>(m))); };
  else
    return nullptr;
}

}  // namespace odeon::detail
