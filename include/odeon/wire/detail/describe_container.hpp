#pragma once

#include <odeon/wire/detail/describe.hpp>

/// @file The schemas of lists, sets, arrays and maps. Internal; see `wire/describe.hpp`.

namespace odeon::wire::detail {

template <class C>
void reset_container(void* p, std::size_t expected) {
  C& c = at<C>(p);
  c.clear();
  if constexpr (requires { c.reserve(expected); }) c.reserve(expected);
}

template <class C>
std::size_t count_container(const void* p) {
  return at<C>(p).size();
}

// A container that refuses equals says so: insert gives a pair with a flag.
template <class R>
bool was_inserted(const R& outcome) {
  if constexpr (requires { outcome.second; }) {
    return outcome.second;
  } else {
    return true;
  }
}

template <class T>
struct described<T, kind::list> {
  using element = typename T::value_type;
  // vector<bool> gives proxies, not references.
  static constexpr bool proxied =
      !std::is_lvalue_reference_v<decltype(*std::declval<T&>().begin())>;

  static bool each(const void* p, void* state, visit_element visit) {
    for (auto&& e : at<T>(p)) {
      if constexpr (proxied) {
        const element copy = e;
        if (!visit(state, std::addressof(copy))) return false;
      } else {
        if (!visit(state, std::addressof(e))) return false;
      }
    }
    return true;
  }

  static const void* data(const void* p) {
    if constexpr (requires { at<T>(p).data(); }) {
      return at<T>(p).data();
    } else {
      return nullptr;
    }
  }

  static added add(void* p, void* state, fill_element fill) {
    T& c = at<T>(p);
    if constexpr (set_like<T> || proxied) {
      element e = blank<element>();
      if (!fill(state, std::addressof(e))) return added::gave_up;
      if constexpr (set_like<T>) {
        return was_inserted(c.insert(std::move(e))) ? added::yes : added::duplicate;
      } else {
        c.push_back(e);
        return added::yes;
      }
    } else {
      if constexpr (std::default_initializable<element>) {
        c.emplace_back();
      } else {
        c.emplace_back(blank<element>());
      }
      return fill(state, std::addressof(c.back())) ? added::yes : added::gave_up;
    }
  }

  static constexpr list_schema value = [] {
    list_schema s;
    fill_common<T>(s, kind::list);
    s.element = &described<element>::value;
    s.unique = set_like<T>;
    s.count = &count_container<T>;
    s.each = &each;
    s.reset = &reset_container<T>;
    if constexpr (!proxied && requires(const T& c) { c.data(); }) s.data = &data;
    if constexpr (blankable<element>) {
      s.add = &add;
    } else {
      require_blank<element>(s);
    }
    return s;
  }();
};

template <class T>
struct described<T, kind::array> {
  static constexpr array_schema value = [] {
    array_schema s;
    fill_common<T>(s, kind::array);
    s.element = &described<typename T::value_type>::value;
    s.count = std::tuple_size_v<T>;
    return s;
  }();
};

template <class T>
struct described<T, kind::map> {
  using key_type = typename T::key_type;
  using mapped = typename T::mapped_type;

  static bool each(const void* p, void* state, visit_entry visit) {
    for (const auto& [key, held] : at<T>(p)) {
      if (!visit(state, std::addressof(key), std::addressof(held))) return false;
    }
    return true;
  }

  static added add(void* p, void* state, fill_entry fill) {
    T& c = at<T>(p);
    key_type key = blank<key_type>();
    if (!fill(state, std::addressof(key), nullptr)) return added::gave_up;
    if constexpr (requires { c.try_emplace(std::move(key)); }) {
      auto [place, fresh] = c.try_emplace(std::move(key));
      if (!fresh) return added::duplicate;
      void* stored = const_cast<key_type*>(std::addressof(place->first));
      return fill(state, stored, std::addressof(place->second)) ? added::yes : added::gave_up;
    } else {
      mapped held = blank<mapped>();
      if (!fill(state, std::addressof(key), std::addressof(held))) return added::gave_up;
      return was_inserted(c.emplace(std::move(key), std::move(held))) ? added::yes
                                                                      : added::duplicate;
    }
  }

  static constexpr map_schema value = [] {
    map_schema s;
    fill_common<T>(s, kind::map);
    s.key = &described<key_type>::value;
    s.value = &described<mapped>::value;
    s.count = &count_container<T>;
    s.each = &each;
    s.reset = &reset_container<T>;
    if constexpr (blankable<key_type> && blankable<mapped>) {
      s.add = &add;
    } else {
      require_blank<key_type>(s);
      require_blank<mapped>(s);
    }
    return s;
  }();
};

}  // namespace odeon::wire::detail
