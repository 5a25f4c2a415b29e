#pragma once

#include "wire/internal/failure.hpp"
#include "wire/internal/load.hpp"
#include <odeon/wire/codec.hpp>

#include <charconv>
#include <string>
#include <string_view>

namespace odeon::wire::internal {

/// The name of an enum's value, or nothing.
[[nodiscard]] inline std::string_view name_of(const enum_schema& s, integer v) noexcept {
  for (const named_value& known : s.values) {
    if (static_cast<std::uint64_t>(known.value) == v.bits) return known.name;
  }
  return {};
}

/// A map of such keys is an object in JSON.
[[nodiscard]] inline bool is_text_key(const schema& s) noexcept {
  switch (s.kind) {
    case kind::string:
    case kind::string_view:
    case kind::integer:
    case kind::enumeration: return true;
    case kind::converted: return is_text_key(*static_cast<const converted_schema&>(s).through);
    default: return false;
  }
}

/// Walks a value by its schema and hands what it finds to a writer. `Writer` says in `by_name` and
/// `text_form` how records, enums and keys are written, and has:
///   nil, boolean, number(integer), real(float), real(double): void
///   text, blob: false when the content cannot be written, with why
///   begin_array(n), next(), end_array() · begin_map(n), key(text), end_map()
/// where next() comes before each element and key() before each member's value.
template <class Writer>
class encoder {
 public:
  encoder(Writer& out, const context& with, failure& why, std::uint32_t max_depth) noexcept
      : out_(out),
        with_(with),
        why_(why),
        left_(max_depth) {}

  // The kinds that most fields have stay in the loops that call this; the others are one call away.
  [[gnu::always_inline]] bool value(const schema& s, const void* p) {
    if (s.kind == kind::integer) {
      out_.number(load_integer(s, p));
      return true;
    }
    if (s.kind == kind::string) return out_.text(*static_cast<const std::string*>(p), why_);
    return other(s, p);
  }

 private:
  [[gnu::noinline]] bool other(const schema& s, const void* p) {
    switch (s.kind) {
      case kind::none: out_.nil(); return true;
      case kind::boolean: out_.boolean(load<bool>(p)); return true;
      case kind::floating:
        s.width == 4 ? out_.real(load<float>(p)) : out_.real(load<double>(p));
        return true;
      case kind::enumeration: return enumeration(static_cast<const enum_schema&>(s), p);
      case kind::string_view: return out_.text(*static_cast<const std::string_view*>(p), why_);
      case kind::bytes: return out_.blob(static_cast<const bytes_schema&>(s).view(p), why_);
      case kind::optional: {
        const auto& o = static_cast<const optional_schema&>(s);
        const void* held = o.get(p);
        if (held != nullptr) return value(*o.element, held);
        out_.nil();
        return true;
      }
      case kind::duration:
      case kind::time_point:
        out_.number(integer::of(static_cast<const time_schema&>(s).get(p)));
        return true;
      case kind::converted:
        return converted(static_cast<const converted_schema&>(s), p, &encoder::other_or_common);
      case kind::record:
      case kind::tuple:
      case kind::variant:
      case kind::list:
      case kind::array:
      case kind::map: return nested(s, p);
      case kind::integer:
      case kind::string:
      case kind::unsupported: break;
    }
    return why_.set(errc::no_codec, std::string(s.name) + " " + std::string(explain(s.unwritable)));
  }

  bool other_or_common(const schema& s, const void* p) { return value(s, p); }

  bool nested(const schema& s, const void* p) {
    if (left_ == 0) {
      return why_.set(errc::limit_exceeded, "the value is nested too deeply");
    }
    --left_;
    bool done = false;
    switch (s.kind) {
      case kind::record: done = record(static_cast<const record_schema&>(s), p); break;
      case kind::tuple: done = positions(static_cast<const record_schema&>(s), p); break;
      case kind::variant: done = variant(static_cast<const variant_schema&>(s), p); break;
      case kind::list: done = list(static_cast<const list_schema&>(s), p); break;
      case kind::array: {
        const auto& a = static_cast<const array_schema&>(s);
        done = side_by_side(*a.element, p, a.count);
        break;
      }
      default: done = map(static_cast<const map_schema&>(s), p);
    }
    ++left_;
    return done;
  }

  bool enumeration(const enum_schema& s, const void* p) {
    const integer v = load_integer(s, p);
    if constexpr (Writer::text_form) {
      if (std::string_view name = name_of(s, v); !name.empty()) return out_.text(name, why_);
    }
    out_.number(v);
    return true;
  }

  bool record(const record_schema& s, const void* p) {
    if constexpr (!Writer::by_name) {
      return positions(s, p);
    } else {
      const void* fields[detail::max_fields];
      s.addresses(p, fields);
      out_.begin_map(s.fields.size());
      for (std::size_t i = 0; i < s.fields.size(); ++i) {
        out_.name(s.fields[i].name);
        if (!value(*s.fields[i].type, fields[i])) {
          why_.in_field(s.fields[i].name);
          return false;
        }
      }
      out_.end_map();
      return true;
    }
  }

  bool positions(const record_schema& s, const void* p) {
    const void* fields[detail::max_fields];
    s.addresses(p, fields);
    out_.begin_array(s.fields.size());
    for (std::size_t i = 0; i < s.fields.size(); ++i) {
      out_.next();
      if (!value(*s.fields[i].type, fields[i])) {
        s.fields[i].name.empty() ? why_.in_element(i) : why_.in_field(s.fields[i].name);
        return false;
      }
    }
    out_.end_array();
    return true;
  }

  bool variant(const variant_schema& s, const void* p) {
    const std::size_t index = s.index(p);
    if (index >= s.alternatives.size()) {
      return why_.set(errc::invalid_argument, "a variant that lost its value in an exception");
    }
    const alternative& present = s.alternatives[index];
    if (Writer::by_name && s.labelled) {
      out_.begin_map(1);
      if (!out_.key(present.label, why_)) return false;
      if (!value(*present.type, s.get(p))) return false;
      out_.end_map();
    } else {
      out_.begin_array(2);
      out_.next();
      out_.number(integer::of(std::uint64_t{index}));
      out_.next();
      if (!value(*present.type, s.get(p))) return false;
      out_.end_array();
    }
    return true;
  }

  struct run {
    encoder& self;
    const schema& type;
    std::size_t index = 0;
  };

  static bool element(void* state, const void* p) {
    run& r = *static_cast<run*>(state);
    r.self.out_.next();
    if (!r.self.value(r.type, p)) {
      r.self.why_.in_element(r.index);
      return false;
    }
    ++r.index;
    return true;
  }

  bool list(const list_schema& s, const void* p) {
    if (s.data != nullptr) return side_by_side(*s.element, s.data(p), s.count(p));
    run r{*this, *s.element};
    out_.begin_array(s.count(p));
    if (!s.each(p, &r, &element)) return false;
    out_.end_array();
    return true;
  }

  bool side_by_side(const schema& s, const void* first, std::size_t count) {
    run r{*this, s};
    out_.begin_array(count);
    for (const auto* p = static_cast<const std::byte*>(first); r.index < count; p += s.size) {
      if (!element(&r, p)) return false;
    }
    out_.end_array();
    return true;
  }

  struct entries {
    encoder& self;
    const map_schema& type;
    std::size_t index = 0;
  };

  bool map(const map_schema& s, const void* p) {
    entries state{*this, s};
    const bool pairs = Writer::text_form && !is_text_key(*s.key);
    pairs ? out_.begin_array(s.count(p)) : out_.begin_map(s.count(p));
    const bool done = s.each(p, &state, [](void* raw, const void* key, const void* held) {
      entries& e = *static_cast<entries*>(raw);
      if (e.self.entry(e.type, key, held)) return ++e.index, true;
      e.self.why_.in_element(e.index);
      return false;
    });
    if (!done) return false;
    pairs ? out_.end_array() : out_.end_map();
    return true;
  }

  bool entry(const map_schema& s, const void* key, const void* held) {
    if constexpr (!Writer::text_form) {
      return value(*s.key, key) && value(*s.value, held);
    } else {
      if (is_text_key(*s.key)) return text_key(*s.key, key) && value(*s.value, held);
      out_.next();
      out_.begin_array(2);
      out_.next();
      if (!value(*s.key, key)) return false;
      out_.next();
      if (!value(*s.value, held)) return false;
      out_.end_array();
      return true;
    }
  }

  bool text_key(const schema& s, const void* p) {
    switch (s.kind) {
      case kind::string: return out_.key(*static_cast<const std::string*>(p), why_);
      case kind::string_view: return out_.key(*static_cast<const std::string_view*>(p), why_);
      case kind::converted:
        return converted(static_cast<const converted_schema&>(s), p, &encoder::text_key);
      default: break;
    }
    const integer v = load_integer(s, p);
    if (s.kind == kind::enumeration) {
      if (std::string_view name = name_of(static_cast<const enum_schema&>(s), v); !name.empty()) {
        return out_.key(name, why_);
      }
    }
    char digits[24];
    const auto end = v.negative ? std::to_chars(digits, digits + sizeof digits, v.as_signed())
                                : std::to_chars(digits, digits + sizeof digits, v.bits);
    return out_.key({digits, static_cast<std::size_t>(end.ptr - digits)}, why_);
  }

  using step = bool (encoder::*)(const schema&, const void*);

  bool converted(const converted_schema& s, const void* p, step go_on) {
    struct link {
      encoder& self;
      const schema& through;
      step go_on;
    } state{*this, *s.through, go_on};
    error refused = errc::internal;
    const auto visit = [](void* raw, const void* made) {
      link& l = *static_cast<link*>(raw);
      return (l.self.*l.go_on)(l.through, made);
    };
    if (s.write(p, with_, &state, visit, &refused)) return true;
    return why_.set(refused.code(), std::string(refused.text()));
  }

  Writer& out_;
  const context& with_;
  failure& why_;
  std::uint32_t left_;
};

}  // namespace odeon::wire::internal
