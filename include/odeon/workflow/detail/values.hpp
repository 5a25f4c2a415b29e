#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/type_name.hpp>
#include <odeon/wire/codec.hpp>
#include <odeon/wire/manifest.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

/// @file Values between steps, with their types taken off: constant tables say what a type can do.

namespace odeon::workflows {

/// What a step that returns `void` gives, and what one without parameters takes.
struct nothing {
  static constexpr auto manifest = "odeon.nothing";
  friend bool operator==(nothing, nothing) noexcept = default;
};

namespace detail {

/// A value that any number of branches share.
using value_ptr = std::shared_ptr<const void>;

/// A C++ type. Its address is its identity.
struct value_type {
  std::string_view name;
  std::string_view manifest;
  int version;
  result<wire::bytes> (*encode)(const void*);  // null: it cannot be stored
  result<value_ptr> (*decode)(int version, std::span<const std::byte>);
};

template <class T>
result<wire::bytes> encode_value(const void* p) {
  return wire::try_encode(*static_cast<const T*>(p));
}
template <class T>
result<value_ptr> decode_value(int version, std::span<const std::byte> in) {
  auto v = wire::decode_version<T>(version, in);
  if (!v) return std::unexpected(std::move(v).error());
  return std::make_shared<const T>(std::move(*v));
}

template <class T>
constexpr value_type make_value_type() {
  if constexpr (wire::decodable<T>)
    return {type_name<T>, wire::manifest<T>, wire::version<T>, &encode_value<T>, &decode_value<T>};
  else
    return {type_name<T>, type_name<T>, 1, nullptr, nullptr};
}
template <class T>
inline constexpr value_type type_of = make_value_type<T>();

/// One of several inputs.
struct input_slot {
  const value_type* type;
  bool optional;  // absent is a value: `std::optional<T>`
};

/// What a step takes, and how that is made of the values of several edges.
struct input_shape {
  const value_type* whole;
  const value_type* element = nullptr;  // of a std::vector
  value_ptr (*make_list)(std::span<const value_ptr>) = nullptr;
  std::span<const input_slot> slots = {};  // of a std::tuple: several parameters
  value_ptr (*make_tuple)(std::span<const value_ptr>) = nullptr;  // null: absent
};

template <class T>
struct slot_of {
  static constexpr input_slot value{&type_of<T>, false};
  static T take(const value_ptr& v) { return *static_cast<const T*>(v.get()); }
};
template <class T>
struct slot_of<std::optional<T>> {
  static constexpr input_slot value{&type_of<T>, true};
  static std::optional<T> take(const value_ptr& v) {
    if (!v) return std::nullopt;
    return *static_cast<const T*>(v.get());
  }
};

template <class T>
struct shape {
  static constexpr input_shape value{&type_of<T>};
};
template <class E>
struct shape<std::vector<E>> {
  static value_ptr make(std::span<const value_ptr> all) {
    auto out = std::make_shared<std::vector<E>>();
    out->reserve(all.size());
    for (const value_ptr& v : all) out->push_back(*static_cast<const E*>(v.get()));
    return out;
  }
  static constexpr input_shape value{&type_of<std::vector<E>>, &type_of<E>, &make};
};
template <class... Ts>
  requires(sizeof...(Ts) > 1)
struct shape<std::tuple<Ts...>> {
  template <std::size_t... Is>
  static value_ptr make_of(std::span<const value_ptr> all, std::index_sequence<Is...>) {
    return std::make_shared<const std::tuple<Ts...>>(slot_of<Ts>::take(all[Is])...);
  }
  static value_ptr make(std::span<const value_ptr> all) {
    return make_of(all, std::index_sequence_for<Ts...>());
  }
  static constexpr input_slot slots[] = {slot_of<Ts>::value...};
  static constexpr input_shape value{&type_of<std::tuple<Ts...>>, nullptr, nullptr, slots, &make};
};

}  // namespace detail

}  // namespace odeon::workflows
