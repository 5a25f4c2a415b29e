#pragma once

#include <odeon/wire/detail/describe.hpp>

/// @file The schemas of records, tuples and of types with a codec. Internal; see
/// `wire/describe.hpp`.

namespace odeon::wire::detail {

struct list_types {
  template <class... F>
  type_list<F...> operator()(F&...) const;
};

template <class T>
struct record_fields {
  using types = decltype(visit_fields(std::declval<T&>(), list_types{}));
};
template <class T>
  requires(!reflects_itself<T>)
struct record_fields<T> {
  using types = decltype(fields_of_imaginary<T, field_count<T>>)::types;
};

struct collect_addresses {
  const void** out;

  template <class... F>
  void operator()(const F&... f) const {
    const void** to = out;
    ((*to++ = std::addressof(f)), ...);
  }
};

// Only a constant counts: a message may have an ordinary field of that name.
template <class T>
concept declares_required =
    requires { typename std::bool_constant<std::string_view(T::required.at(0)).empty()>; };

struct required_mask {
  std::uint64_t bits = 0;
  bool known = true;  ///< each name is a field's
};

template <class T>
consteval required_mask required_fields() {
  required_mask mask;
  if constexpr (declares_required<T>) {
    for (const std::string_view name : T::required) {
      std::size_t i = 0;
      while (i < field_count<T> && field_names<T>[i] != name) ++i;
      mask.known = mask.known && i < field_count<T>;
      mask.bits |= std::uint64_t{1} << (i % max_fields);
    }
  }
  return mask;
}

template <class T>
struct described<T, kind::record> {
  using fields = record_fields<T>::types;

  template <std::size_t... I>
  static consteval std::array<field, sizeof...(I)> make_table(std::index_sequence<I...>) {
    return {field{field_names<T>[I], &described<typename fields::template at<I>>::value}...};
  }
  static constexpr std::array<field, field_count<T>> table =
      make_table(std::make_index_sequence<field_count<T>>{});

  static void addresses(const void* p, const void** out) {
    visit_fields(at<T>(p), collect_addresses{out});
  }

  static bool with_blank(void* state, visit_element visit) {
    const T made = blank<T>();
    return visit(state, std::addressof(made));
  }

  static constexpr record_schema value = [] {
    record_schema s;
    fill_common<T>(s, kind::record);
    s.manifest = manifest<T>;
    s.version = version<T>;
    s.fields = table;
    s.required = required_fields<T>().bits;
    static_assert(required_fields<T>().known,
                  "odeon: `required` names a field that the type does not have");
    s.addresses = &addresses;
    if constexpr (blankable<T>) {
      s.with_blank = &with_blank;
    } else {
      require_blank<T>(s);
    }
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
  static constexpr std::array<field, std::tuple_size_v<T>> table =
      make_table(std::make_index_sequence<std::tuple_size_v<T>>{});

  static void addresses(const void* p, const void** out) {
    std::apply(collect_addresses{out}, at<T>(p));
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
