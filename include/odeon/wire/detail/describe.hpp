#pragma once

#include <odeon/wire/context.hpp>
#include <odeon/wire/detail/classify.hpp>
#include <odeon/wire/detail/enum_names.hpp>
#include <odeon/wire/manifest.hpp>

#include <memory>
#include <span>

/// @file The constant schema of each type. Internal; see `wire/describe.hpp`.
///
/// `described<T>::value` is a static member of an explicitly written type, so that a type may
/// contain itself through a container: its schema's initialiser needs only the addresses of the
/// others.

namespace odeon::wire::detail {

template <class T, kind K = classify<T>()>
struct described;

template <class T>
consteval void fill_common(schema& s, kind k) {
  s.kind = k;
  s.name = type_name<T>;
  if constexpr (!std::is_void_v<T>) {
    s.size = sizeof(T);
    s.align = alignof(T);
  }
}

template <class T>
consteval void require_blank(schema& s) {
  if constexpr (!blankable<T>) {
    s.unreadable = refusal::no_default;
  }
}

template <class T>
T& at(void* p) noexcept {
  return *static_cast<T*>(p);
}
template <class T>
const T& at(const void* p) noexcept {
  return *static_cast<const T*>(p);
}

// Whether nil already means something for T, so that an optional T could not tell two of its states
// apart.
template <class T>
consteval bool nil_is_taken() {
  constexpr kind k = classify<T>();
  if constexpr (k == kind::converted) {
    return nil_is_taken<typename codec<T>::wire_type>();
  } else {
    return k == kind::optional || k == kind::none;
  }
}

// --- scalars -----------------------------------------------------------------------------------

template <class T, kind K>
struct described {
  static_assert(K == kind::none || K == kind::boolean || K == kind::integer ||
                K == kind::floating || K == kind::string || K == kind::string_view);

  static constexpr schema value = [] {
    schema s;
    fill_common<T>(s, K);
    if constexpr (K == kind::integer || K == kind::floating) {
      s.width = sizeof(T);
      s.is_signed = std::is_signed_v<T>;
    }
    if constexpr (K == kind::string_view) {
      s.unreadable = refusal::view;
    }
    return s;
  }();
};

template <class T>
struct described<T, kind::unsupported> {
  static constexpr schema value = [] {
    schema s;
    s.name = type_name<T>;
    s.unwritable = why_unsupported<T>();
    return s;
  }();
};

template <class T>
struct described<T, kind::enumeration> {
  static constexpr std::size_t count = enumerators_of<T>::names.count;
  static constexpr std::array<named_value, count> values = [] {
    std::array<named_value, count> all{};
    for (std::size_t i = 0; i < count; ++i) {
      all[i] = {enumerators_of<T>::names.value[i], enumerators_of<T>::names[i]};
    }
    return all;
  }();
  static constexpr enum_schema value = [] {
    enum_schema s;
    fill_common<T>(s, kind::enumeration);
    s.width = sizeof(T);
    s.is_signed = std::is_signed_v<std::underlying_type_t<T>>;
    s.values = values;
    return s;
  }();
};

template <class T>
struct described<T, kind::bytes> {
  static std::span<const std::byte> view(const void* p) {
    return std::as_bytes(std::span(at<T>(p)));
  }

  static std::byte* resize(void* p, std::size_t count) {
    if constexpr (is_byte_vector<T>) {
      at<T>(p).resize(count);
    } else if (count != std::tuple_size_v<T>) {
      return nullptr;
    }
    // An empty vector has no address, and null is a refusal.
    static std::byte nothing{};
    return count == 0 ? &nothing : reinterpret_cast<std::byte*>(at<T>(p).data());
  }

  static constexpr bytes_schema value = [] {
    bytes_schema s;
    fill_common<T>(s, kind::bytes);
    s.view = &view;
    s.resize = &resize;
    s.fixed = !is_byte_vector<T>;
    return s;
  }();
};

template <class T>
struct described<T, kind::optional> {
  using element = typename optional_element<T>::type;
  static constexpr bool owned = !std::same_as<T, std::optional<element>>;

  static const void* get(const void* p) { return at<T>(p) ? std::addressof(*at<T>(p)) : nullptr; }

  static void* emplace(void* p) {
    if constexpr (!owned) {
      if constexpr (std::default_initializable<element>) {
        return std::addressof(at<T>(p).emplace());
      } else {
        return std::addressof(at<T>(p).emplace(blank<element>()));
      }
    } else if constexpr (requires { std::declval<T>().use_count(); }) {
      auto made = std::make_shared<element>(blank<element>());
      void* raw = made.get();
      at<T>(p) = std::move(made);
      return raw;
    } else {
      auto made = std::make_unique<element>(blank<element>());
      void* raw = made.get();
      at<T>(p) = std::move(made);
      return raw;
    }
  }

  static void reset(void* p) { at<T>(p) = T{}; }

  static constexpr optional_schema value = [] {
    optional_schema s;
    fill_common<T>(s, kind::optional);
    s.element = &described<element>::value;
    s.allocates = owned;
    if constexpr (nil_is_taken<element>()) {
      s.unwritable = refusal::null_twice;
    } else {
      s.get = &get;
      if constexpr (blankable<element>) {
        s.emplace = &emplace;
        s.reset = &reset;
      } else {
        require_blank<element>(s);
      }
    }
    return s;
  }();
};

}  // namespace odeon::wire::detail
