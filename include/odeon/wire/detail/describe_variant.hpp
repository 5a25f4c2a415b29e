#pragma once

#include <odeon/wire/detail/describe.hpp>

/// @file The schemas of std::variant and std::expected. Internal; see `wire/describe.hpp`.

namespace odeon::wire::detail {

template <class T>
consteval std::string_view label_of() {
  constexpr kind k = classify<T>();
  if constexpr (k == kind::integer) {
    constexpr std::string_view names[] = {"u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64"};
    constexpr int log = sizeof(T) == 8 ? 3 : sizeof(T) == 4 ? 2 : sizeof(T) == 2 ? 1 : 0;
    return names[(std::is_signed_v<T> ? 4 : 0) + log];
  } else if constexpr (k == kind::floating) {
    return sizeof(T) == 4 ? "f32" : "f64";
  } else if constexpr (k == kind::boolean) {
    return "bool";
  } else if constexpr (k == kind::none) {
    return "none";
  } else if constexpr (k == kind::string || k == kind::string_view) {
    return "string";
  } else if constexpr (k == kind::bytes) {
    return "bytes";
  } else if constexpr (k == kind::optional) {
    return "optional";
  } else if constexpr (k == kind::variant) {
    return "variant";
  } else if constexpr (k == kind::list || k == kind::array) {
    return "list";
  } else if constexpr (k == kind::map) {
    return "map";
  } else if constexpr (k == kind::tuple) {
    return "tuple";
  } else if constexpr (k == kind::duration) {
    return "duration";
  } else if constexpr (k == kind::time_point) {
    return "time";
  } else {
    return manifest<T>;
  }
}

template <std::size_t N>
consteval bool all_differ(const std::array<alternative, N>& all) {
  for (std::size_t i = 0; i < N; ++i) {
    for (std::size_t k = i + 1; k < N; ++k) {
      if (all[i].label == all[k].label) return false;
    }
  }
  return true;
}

template <class T>
struct described<T, kind::variant>;

template <class... A>
struct described<std::variant<A...>, kind::variant> {
  using type = std::variant<A...>;
  template <std::size_t I>
  using held = std::variant_alternative_t<I, type>;
  static constexpr std::array<alternative, sizeof...(A)> alternatives = {
      alternative{label_of<A>(), &described<A>::value}...};

  static std::size_t index(const void* p) {
    return at<type>(p).valueless_by_exception() ? sizeof...(A) : at<type>(p).index();
  }
  static const void* get(const void* p) {
    return std::visit([](const auto& held) -> const void* { return std::addressof(held); },
                      at<type>(p));
  }
  static void* emplace(void* p, std::size_t wanted) {
    void* made = nullptr;
    [&]<std::size_t... I>(std::index_sequence<I...>) {
      (void)((I == wanted && (made = emplace_one<I>(at<type>(p)), true)) || ...);
    }(std::index_sequence_for<A...>{});
    return made;
  }
  template <std::size_t I>
  static void* emplace_one(type& v) {
    if constexpr (std::default_initializable<held<I>>) {
      return std::addressof(v.template emplace<I>());
    } else {
      return std::addressof(v.template emplace<I>(blank<held<I>>()));
    }
  }

  static constexpr variant_schema value = [] {
    variant_schema s;
    fill_common<type>(s, kind::variant);
    s.alternatives = alternatives;
    s.labelled = all_differ(alternatives);
    s.index = &index;
    s.get = &get;
    if constexpr ((blankable<A> && ...)) {
      s.emplace = &emplace;
    } else {
      (require_blank<A>(s), ...);
    }
    return s;
  }();
};

template <class T, class E>
struct described<std::expected<T, E>, kind::variant> {
  using type = std::expected<T, E>;
  template <std::size_t I>
  using held = std::conditional_t<I == 0, T, E>;
  static constexpr std::array<alternative, 2> alternatives = {
      alternative{"value", &described<T>::value}, alternative{"error", &described<E>::value}};

  static std::size_t index(const void* p) { return at<type>(p).has_value() ? 0 : 1; }
  static const void* get(const void* p) {
    if (!at<type>(p).has_value()) return std::addressof(at<type>(p).error());
    if constexpr (std::is_void_v<T>) {
      return p;
    } else {
      return std::addressof(*at<type>(p));
    }
  }
  static void* emplace(void* p, std::size_t wanted) {
    type& target = at<type>(p);
    if (wanted == 1) {
      target = std::unexpected<E>(blank<E>());
      return std::addressof(target.error());
    }
    if constexpr (std::is_void_v<T>) {
      target = type{};
      return p;
    } else {
      target = type(blank<T>());
      return std::addressof(*target);
    }
  }

  static consteval bool can_emplace() {
    if constexpr (std::is_void_v<T>) {
      return blankable<E>;
    } else {
      return blankable<T> && blankable<E>;
    }
  }

  static constexpr variant_schema value = [] {
    variant_schema s;
    fill_common<type>(s, kind::variant);
    s.alternatives = alternatives;
    s.index = &index;
    s.get = &get;
    if constexpr (can_emplace()) {
      s.emplace = &emplace;
    } else {
      s.unreadable = refusal::no_default;
    }
    return s;
  }();
};

}  // namespace odeon::wire::detail
