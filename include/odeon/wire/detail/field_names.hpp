#pragma once

#include <odeon/wire/detail/aggregate.hpp>
#include <odeon/wire/detail/names.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <utility>

/// @file Names of fields at compile time. Internal; see `wire/reflect.hpp`.

namespace odeon::wire::detail {

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
extern imaginary_holder<T> imaginary;  // never defined: only addresses inside it are formed

struct field_address {
  const void* at;
};

template <class... F>
struct type_list {
  static constexpr std::size_t size = sizeof...(F);
  template <std::size_t I>
  using at = std::tuple_element_t<I, std::tuple<F...>>;
};

template <class... F>
struct imaginary_fields {
  using types = type_list<F...>;
  std::array<field_address, sizeof...(F)> addresses;
};

struct address_fields {
  template <class... F>
  constexpr imaginary_fields<F...> operator()(F&... field) const {
    return {{field_address{&field}...}};
  }
};

/// The addresses and types of the N fields of an imaginary T.
template <class T, std::size_t N>
inline constexpr auto fields_of_imaginary =
    aggregate<N>::visit(imaginary<T>.value, address_fields{});

template <field_address... Address>
consteval std::string_view spell_addresses() {
  return {__PRETTY_FUNCTION__, sizeof(__PRETTY_FUNCTION__) - 1};
}

template <class T, std::size_t... I>
consteval std::string_view spell_fields(std::index_sequence<I...>) {
  return spell_addresses<fields_of_imaginary<T, sizeof...(I)>.addresses[I]...>();
}

#if defined(__clang__)
#pragma clang diagnostic pop
#endif

/// Names of T's fields, cut from "... [Address = <{&imaginary.value.id},
/// {&imaginary.value.amount}>]".
template <class T, std::size_t N>
struct aggregate_names {
  static constexpr std::string_view text = spell_fields<T>(std::make_index_sequence<N>{});

  struct cut {
    std::array<std::uint32_t, N + 1> at{};
    std::array<std::uint16_t, N + 1> length{};
    std::size_t chars = 0;
  };

  static consteval cut find() {
    cut found;
    if constexpr (N > 0) {
      const char* const c = text.data();
      const std::size_t list = find_char(c, 0, '<') + 1;
      std::size_t at = find_char(c, list, '.') + std::string_view(".value.").size();
      const std::size_t between = at - list + 3;  // "}, " and the same way to the next
      for (std::size_t i = 0; i < N; ++i) {
        const std::size_t end = find_char(c, at, '}');
        found.at[i] = static_cast<std::uint32_t>(at);
        found.length[i] = static_cast<std::uint16_t>(end - at);
        found.chars += end - at;
        at = end + between;
      }
    }
    return found;
  }

  static consteval auto pack() {
    constexpr cut found = find();
    packed_names<N, found.chars> packed;
    std::size_t to = 0;
    for (std::size_t i = 0; i < N; ++i) {
      packed.start[i] = static_cast<std::uint16_t>(to);
      copy_chars(packed.text.data() + to, text.data() + found.at[i], found.length[i]);
      to += found.length[i];
    }
    packed.start[N] = static_cast<std::uint16_t>(to);
    return packed;
  }

  static constexpr auto names = pack();
};

}  // namespace odeon::wire::detail
