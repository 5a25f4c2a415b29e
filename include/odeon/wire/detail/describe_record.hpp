#pragma once

#include <odeon/wire/detail/describe.hpp>

/// @file The schemas of records, tuples and of types with a codec. Internal; see
/// `wire/describe.hpp`.

namespace odeon::wire::detail {

template <class... F>
struct fields_of {
  static constexpr std::array<const schema*, sizeof...(F)> types = {&described<F>::value...};
  template <std::size_t I>
  using type = std::tuple_element_t<I, std::tuple<F...>>;
};

template <class T>
struct described<T, kind::record> {
  using fields = decltype(visit_fields(std::declval<T&>(), [](auto&... f) {
    return fields_of<std::remove_reference_t<decltype(f)>...>{};
  }));

  static constexpr std::array<field, field_count<T>> table = [] {
    std::array<field, field_count<T>> all{};
    for (std::size_t i = 0; i < all.size(); ++i) all[i] = {field_names<T>[i], fields::types[i]};
    return all;
  }();

  static void addresses(const void* p, const void** out) {
    visit_fields(at<T>(p), [&out](const auto&... f) { ((*out++ = std::addressof(f)), ...); });
  }

  static constexpr record_schema value = [] {
    record_schema s;
    fill_common<T>(s, kind::record);
    s.manifest = manifest<T>;
    s.version = version<T>;
    s.fields = table;
    s.addresses = &addresses;
    require_blank<T>(s);
    return s;
  }();
};

template <class T>
struct described<T, kind::tuple> {
  template <std::size_t... I>
  static consteval auto make_table(std::index_sequence<I...>) {
    return std::array<field, sizeof...(I)>{
        field{{}, &described<std::tuple_element_t<I, T>>::value}...};
  }
  static constexpr auto table = make_table(std::make_index_sequence<std::tuple_size_v<T>>{});

  static void addresses(const void* p, const void** out) {
    std::apply([&out](const auto&... f) { ((*out++ = std::addressof(f)), ...); }, at<T>(p));
  }

  static constexpr record_schema value = [] {
    record_schema s;
    fill_common<T>(s, kind::tuple);
    s.fields = table;
    s.addresses = &addresses;
    if constexpr (std::tuple_size_v<T> > max_fields) s.unwritable = refusal::too_many;
    return s;
  }();
};

template <class T>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<std::expected<T, error>> = true;

template <class T>
struct described<T, kind::converted> {
  using wire_type = typename codec<T>::wire_type;

  static bool write(const void* p, const context& c, void* state, visit_element visit, error* why) {
    auto&& made = [&]() -> decltype(auto) {
      if constexpr (requires { codec<T>::to_wire(at<T>(p), c); }) {
        return codec<T>::to_wire(at<T>(p), c);
      } else {
        return codec<T>::to_wire(at<T>(p));
      }
    }();
    if constexpr (is_result<std::remove_cvref_t<decltype(made)>> &&
                  !std::same_as<std::remove_cvref_t<decltype(made)>, wire_type>) {
      if (!made) {
        *why = std::move(made).error();
        return false;
      }
      return visit(state, std::addressof(*made));
    } else {
      static_assert(std::same_as<std::remove_cvref_t<decltype(made)>, wire_type>,
                    "codec<T>::to_wire must return wire_type or odeon::result<wire_type>");
      return visit(state, std::addressof(made));
    }
  }

  static bool read(void* p, const context& c, void* state, fill_element fill, error* why) {
    wire_type through = blank<wire_type>();
    if (!fill(state, std::addressof(through))) return false;
    auto made = [&] {
      if constexpr (requires { codec<T>::from_wire(std::move(through), c); }) {
        return codec<T>::from_wire(std::move(through), c);
      } else {
        return codec<T>::from_wire(std::move(through));
      }
    }();
    if constexpr (std::same_as<decltype(made), T>) {
      at<T>(p) = std::move(made);
    } else {
      static_assert(std::same_as<decltype(made), result<T>>,
                    "codec<T>::from_wire must return T or odeon::result<T>");
      if (!made) {
        *why = std::move(made).error();
        return false;
      }
      at<T>(p) = *std::move(made);
    }
    return true;
  }

  static constexpr converted_schema value = [] {
    converted_schema s;
    fill_common<T>(s, kind::converted);
    s.through = &described<wire_type>::value;
    s.write = &write;
    if constexpr (!blankable<T>) {
      require_blank<T>(s);
    } else if constexpr (!blankable<wire_type>) {
      require_blank<wire_type>(s);
    } else if constexpr (
        requires(wire_type w, const context& c) { codec<T>::from_wire(std::move(w), c); } ||
        requires(wire_type w) { codec<T>::from_wire(std::move(w)); }) {
      s.read = &read;
    } else {
      s.unreadable = refusal::write_only;
    }
    return s;
  }();
};

}  // namespace odeon::wire::detail
