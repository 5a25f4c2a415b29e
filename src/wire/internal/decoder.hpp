#pragma once

#include "wire/internal/encoder.hpp"
#include "wire/internal/failure.hpp"
#include "wire/internal/load.hpp"
#include "wire/internal/text.hpp"
#include "wire/internal/token.hpp"
#include <odeon/wire/codec.hpp>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>

namespace odeon::wire::internal {

/// Walks a schema and fills a value from a reader. `Reader` says in `text_form` whether keys and
/// enums are text, and has, where a bool is false when the input is refused:
///
/// - peek(), offset() of the next value, mismatch("an integer") which records the error
/// - nil(): takes a nil if one is next
/// - boolean(bool&), number(integer&), real(double&), real(float&), text(string_view&): take one
/// - blob_size(n&) then blob_copy(to): take one run of bytes
/// - name(string_view&): takes a text if one is next, and need not check its encoding
/// - enter_array(n&), enter_map(n&), leave(): take a header, having checked that n items can be
///   there and are allowed
/// - skip(): takes one value of any kind
/// - charge(bytes): counts memory that is about to be made
/// - nanoseconds(integer&, is_point), where the format has times of its own
template <class Reader>
class decoder {
 public:
  decoder(Reader& in, const context& with, failure& why) noexcept
      : in_(in),
        with_(with),
        why_(why) {}

  // The kinds that most fields have stay in the loops that call this; the others are one call away.
  [[gnu::always_inline]] bool value(const schema& s, void* p) {
    if (s.kind == kind::integer) return number(s, p);
    if (s.kind == kind::string) return string(*static_cast<std::string*>(p));
    return other(s, p);
  }

 private:
  [[gnu::noinline]] bool other(const schema& s, void* p) {
    switch (s.kind) {
      case kind::none: return in_.nil() || in_.mismatch("nil");
      case kind::boolean: return boolean(p);
      case kind::floating:
        return s.width == 4 ? in_.real(*static_cast<float*>(p))
                            : in_.real(*static_cast<double*>(p));
      case kind::enumeration: return enumeration(static_cast<const enum_schema&>(s), p);
      case kind::bytes: return blob(static_cast<const bytes_schema&>(s), p);
      case kind::optional: return optional(static_cast<const optional_schema&>(s), p);
      case kind::variant: return variant(static_cast<const variant_schema&>(s), p);
      case kind::list: return list(static_cast<const list_schema&>(s), p);
      case kind::array: return array(static_cast<const array_schema&>(s), p);
      case kind::map: return map(static_cast<const map_schema&>(s), p);
      case kind::tuple: return tuple(static_cast<const record_schema&>(s), p);
      case kind::record: return record(static_cast<const record_schema&>(s), p);
      case kind::duration:
      case kind::time_point: return time(static_cast<const time_schema&>(s), p);
      case kind::converted:
        return converted(static_cast<const converted_schema&>(s), p, &decoder::other_or_common);
      case kind::integer:
      case kind::string:
      case kind::string_view:
      case kind::unsupported: break;
    }
    const refusal r = s.unwritable == refusal::none ? s.unreadable : s.unwritable;
    return why_.set(errc::no_codec, std::string(s.name) + " " + std::string(explain(r)));
  }

  bool other_or_common(const schema& s, void* p) { return value(s, p); }

  bool refuse(std::size_t offset, std::string what) {
    return why_.set(errc::wrong_type, std::move(what), offset);
  }

  bool boolean(void* p) {
    bool v = false;
    if (!in_.boolean(v)) return false;
    *static_cast<bool*>(p) = v;
    return true;
  }

  bool number(const schema& s, void* p) {
    const std::size_t offset = in_.offset();
    integer v;
    if (!in_.number(v)) return false;
    return store_integer(s, p, v) ||
           refuse(offset, text_of(v) + " does not fit " + std::string(s.name));
  }

  static std::string text_of(integer v) {
    return v.negative ? std::to_string(v.as_signed()) : std::to_string(v.bits);
  }

  bool enumeration(const enum_schema& s, void* p) {
    if (in_.peek() != token::text) return number(s, p);
    const std::size_t offset = in_.offset();
    std::string_view name;
    if (!in_.text(name)) return false;
    for (const named_value& known : s.values) {
      if (known.name == name) return store_integer(s, p, integer::of(known.value));
    }
    return refuse(offset, quoted(name) + " is no value of " + std::string(s.name));
  }

  bool string(std::string& out) {
    std::string_view text;
    if (!in_.text(text) || !in_.charge(text.size())) return false;
    out.assign(text);
    return true;
  }

  bool blob(const bytes_schema& s, void* p) {
    const std::size_t offset = in_.offset();
    std::size_t count = 0;
    if (!in_.blob_size(count) || !in_.charge(count)) return false;
    // One of that size lies where the value does.
    std::byte* to = s.fixed && count == s.size ? static_cast<std::byte*>(p) : s.resize(p, count);
    if (to == nullptr) {
      return refuse(
          offset, "expected " + std::to_string(s.size) + " bytes, found " + std::to_string(count));
    }
    return in_.blob_copy(to);
  }

  bool optional(const optional_schema& s, void* p) {
    if (in_.nil()) {
      s.reset(p);
      return true;
    }
    if (s.allocates && !in_.charge(s.element->size)) return false;
    return value(*s.element, s.emplace(p));
  }

  bool variant(const variant_schema& s, void* p) {
    const std::size_t offset = in_.offset();
    const bool by_label = in_.peek() == token::map;
    std::size_t count = 0;
    if (by_label) {
      if (!in_.enter_map(count)) return false;
      if (count != 1)
        return refuse(offset, "a variant is a map of one member, found " + std::to_string(count));
    } else {
      if (!in_.enter_array(count)) return false;
      if (count != 2)
        return refuse(offset, "a variant is an array of two, found " + std::to_string(count));
    }
    const alternative* chosen = nullptr;
    if (by_label ? !label(s, chosen) : !index(s, chosen)) return false;
    const auto which = static_cast<std::size_t>(chosen - s.alternatives.data());
    if (!value(*chosen->type, s.emplace(p, which))) return false;
    in_.leave();
    return true;
  }

  bool label(const variant_schema& s, const alternative*& chosen) {
    const std::size_t offset = in_.offset();
    std::string_view label;
    if (!in_.text(label)) return false;
    for (const alternative& a : s.alternatives) {
      if (s.labelled && a.label == label) {
        chosen = &a;
        return true;
      }
    }
    return refuse(offset, quoted(label) + " is no alternative of " + std::string(s.name));
  }

  bool index(const variant_schema& s, const alternative*& chosen) {
    const std::size_t offset = in_.offset();
    integer i;
    if (!in_.number(i)) return false;
    if (i.negative || i.bits >= s.alternatives.size()) {
      return refuse(offset, "no alternative " + text_of(i) + " in " + std::string(s.name));
    }
    chosen = &s.alternatives[i.bits];
    return true;
  }

  // Room for what the input announces, but not more than a modest amount ahead of what it has
  // shown.
  static std::size_t expected(std::size_t count, std::size_t size) {
    constexpr std::size_t ahead = std::size_t{64} << 10U;
    return std::min(count, ahead / std::max<std::size_t>(size, 1) + 1);
  }

  struct run {
    decoder& self;
    const schema& type;
    std::size_t index = 0;
  };

  static bool element(void* state, void* p) {
    run& r = *static_cast<run*>(state);
    if (r.self.value(r.type, p)) return true;
    r.self.why_.in_element(r.index);
    return false;
  }

  bool list(const list_schema& s, void* p) {
    std::size_t count = 0;
    if (!in_.enter_array(count) || !in_.charge(count, s.element->size)) return false;
    s.reset(p, expected(count, s.element->size));
    run r{*this, *s.element};
    for (; r.index < count; ++r.index) {
      const std::size_t offset = in_.offset();
      switch (s.add(p, &r, &element)) {
        case added::yes: break;
        case added::gave_up: return false;
        case added::duplicate:
          why_.set(errc::bad_encoding, "the element is in the set already", offset);
          why_.in_element(r.index);
          return false;
      }
    }
    in_.leave();
    return true;
  }

  bool array(const array_schema& s, void* p) {
    if (!fixed_array(s.count)) return false;
    run r{*this, *s.element};
    for (auto* at = static_cast<std::byte*>(p); r.index < s.count;
         ++r.index, at += s.element->size) {
      if (!element(&r, at)) return false;
    }
    in_.leave();
    return true;
  }

  bool fixed_array(std::size_t wanted) {
    const std::size_t offset = in_.offset();
    std::size_t count = 0;
    if (!in_.enter_array(count)) return false;
    return count == wanted || refuse(offset, "expected an array of " + std::to_string(wanted) +
                                                 ", found one of " + std::to_string(count));
  }

  bool tuple(const record_schema& s, void* p) {
    if (!fixed_array(s.fields.size())) return false;
    const void* fields[detail::max_fields];
    s.addresses(p, fields);
    for (std::size_t i = 0; i < s.fields.size(); ++i) {
      if (!value(*s.fields[i].type, const_cast<void*>(fields[i]))) {
        why_.in_element(i);
        return false;
      }
    }
    in_.leave();
    return true;
  }

  struct entries {
    decoder& self;
    const map_schema& type;
    std::size_t index = 0;
    bool pairs = false;
  };

  static bool entry(void* state, void* key, void* held) {
    entries& e = *static_cast<entries*>(state);
    return held == nullptr ? e.self.entry_key(e, key) : e.self.entry_value(e, key, held);
  }

  bool map(const map_schema& s, void* p) {
    // A text form has maps with other keys as an array of pairs.
    entries e{*this, s, 0, Reader::text_form && !is_text_key(*s.key)};
    std::size_t count = 0;
    if (e.pairs ? !in_.enter_array(count) : !in_.enter_map(count)) return false;
    const std::size_t size = s.key->size + s.value->size;
    if (!in_.charge(count, size)) return false;
    s.reset(p, expected(count, size));
    for (; e.index < count; ++e.index) {
      const std::size_t offset = in_.offset();
      switch (s.add(p, &e, &entry)) {
        case added::yes: break;
        case added::gave_up: return false;
        case added::duplicate:
          why_.set(errc::bad_encoding, "the key is in the map already", offset);
          why_.in_element(e.index);
          return false;
      }
    }
    in_.leave();
    return true;
  }

  bool entry_key(entries& e, void* key) {
    const bool done = !Reader::text_form ? value(*e.type.key, key)
                      : e.pairs          ? fixed_array(2) && value(*e.type.key, key)
                                         : text_key(*e.type.key, key);
    if (!done) why_.in_entry("key " + std::to_string(e.index));
    return done;
  }

  bool entry_value(entries& e, const void* key, void* held) {
    if (!value(*e.type.value, held)) {
      why_.in_entry(key_label(*e.type.key, key, e.index));
      return false;
    }
    if (e.pairs) in_.leave();
    return true;
  }

  static std::string key_label(const schema& s, const void* key, std::size_t index) {
    if (s.kind == kind::string) return quoted(*static_cast<const std::string*>(key));
    if (s.kind == kind::integer || s.kind == kind::enumeration) {
      const integer v = load_integer(s, key);
      const auto name = s.kind == kind::integer ? std::string_view{}
                                                : name_of(static_cast<const enum_schema&>(s), v);
      return name.empty() ? text_of(v) : std::string(name);
    }
    return "entry " + std::to_string(index);
  }

  // The key of an object, of whatever type the map has.
  bool text_key(const schema& s, void* p) {
    if (s.kind == kind::string) return string(*static_cast<std::string*>(p));
    if (s.kind == kind::converted) {
      return converted(static_cast<const converted_schema&>(s), p, &decoder::text_key);
    }
    const std::size_t offset = in_.offset();
    std::string_view text;
    if (!in_.text(text)) return false;
    if (s.kind == kind::enumeration) {
      for (const named_value& known : static_cast<const enum_schema&>(s).values) {
        if (known.name == text) return store_integer(s, p, integer::of(known.value));
      }
    }
    integer v;
    if (!parse(text, v) || !store_integer(s, p, v)) {
      return refuse(offset, quoted(text) + " is no key of type " + std::string(s.name));
    }
    return true;
  }

  static bool parse(std::string_view text, integer& v) {
    const char* end = text.data() + text.size();
    v.negative = text.starts_with('-');
    std::from_chars_result done{};
    if (v.negative) {
      std::int64_t low = 0;
      done = std::from_chars(text.data(), end, low);
      v = integer::of(low);
    } else {
      done = std::from_chars(text.data(), end, v.bits);
    }
    return done.ec == std::errc{} && done.ptr == end;
  }

  bool record(const record_schema& s, void* p) {
    const void* fields[detail::max_fields];
    s.addresses(p, fields);
    const token next = in_.peek();
    if (next == token::map) return by_name(s, fields);
    if (next == token::array) return by_position(s, fields);
    return in_.mismatch("a map");
  }

  [[gnu::always_inline]] bool field(const record_schema& s, const void* const* fields,
                                    std::size_t i) {
    if (value(*s.fields[i].type, const_cast<void*>(fields[i]))) return true;
    why_.in_field(s.fields[i].name);
    return false;
  }

  [[gnu::noinline]] bool lacks(const record_schema& s, std::uint64_t missing, std::size_t start) {
    const auto i = static_cast<std::size_t>(std::countr_zero(missing));
    return why_.set(errc::missing_field, "the field " + quoted(s.fields[i].name) + " is not there",
                    start);
  }

  bool by_name(const record_schema& s, const void* const* fields) {
    const std::size_t start = s.required == 0 ? 0 : in_.offset();
    std::size_t count = 0;
    if (!in_.enter_map(count)) return false;
    // Fields usually come in the order in which they were declared.
    std::size_t likely = 0;
    if constexpr (requires { in_.next_name(std::string_view()); }) {
      const std::size_t all = std::min(count, s.fields.size());
      for (; likely < all && in_.next_name(s.fields[likely].name); ++likely)
        if (!field(s, fields, likely)) return false;
    }
    std::uint64_t seen = likely == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << likely) - 1;
    for (std::size_t k = likely; k < count; ++k) {
      const std::size_t offset = in_.offset();
      std::string_view name;
      if (!in_.name(name)) {
        // A key of another kind is a field we do not know.
        if (why_.is_set() || !in_.skip() || !in_.skip()) return false;
        continue;
      }
      std::size_t i = likely;
      if (i >= s.fields.size() || !same_text(s.fields[i].name, name)) i = find(s, name);
      if (i == s.fields.size()) {
        if (!in_.skip()) return false;
        continue;
      }
      if ((seen >> i & 1U) != 0) {
        return why_.set(errc::bad_encoding, "the field " + quoted(name) + " is there twice",
                        offset);
      }
      seen |= std::uint64_t{1} << i;
      if (!field(s, fields, i)) return false;
      likely = i + 1;
    }
    if ((s.required & ~seen) != 0) [[unlikely]]
      return lacks(s, s.required & ~seen, start);
    in_.leave();
    return true;
  }

  static std::size_t find(const record_schema& s, std::string_view name) {
    std::size_t i = 0;
    while (i < s.fields.size() && !same_text(s.fields[i].name, name)) ++i;
    return i;
  }

  bool by_position(const record_schema& s, const void* const* fields) {
    const std::size_t start = s.required == 0 ? 0 : in_.offset();
    std::size_t count = 0;
    if (!in_.enter_array(count)) return false;
    if (count < s.fields.size() && s.required >> count != 0) [[unlikely]]
      return lacks(s, s.required >> count << count, start);
    for (std::size_t i = 0; i < count; ++i) {
      if (i < s.fields.size() ? !field(s, fields, i) : !in_.skip()) return false;
    }
    in_.leave();
    return true;
  }

  bool time(const time_schema& s, void* p) {
    const std::size_t offset = in_.offset();
    integer v;
    if constexpr (requires { in_.nanoseconds(v, true); }) {
      if (!in_.nanoseconds(v, s.kind == kind::time_point)) return false;
    } else {
      if (!in_.number(v)) return false;
    }
    const bool fits = v.negative || v.bits <= std::numeric_limits<std::int64_t>::max();
    if (fits && s.set(p, v.as_signed())) return true;
    return refuse(offset, text_of(v) + " ns is no value of " + std::string(s.name));
  }

  using step = bool (decoder::*)(const schema&, void*);

  bool converted(const converted_schema& s, void* p, step go_on) {
    struct link {
      decoder& self;
      const schema& through;
      step go_on;
    } state{*this, *s.through, go_on};
    const std::size_t offset = in_.offset();
    error refused = errc::internal;
    const auto fill = [](void* raw, void* made) {
      link& l = *static_cast<link*>(raw);
      return (l.self.*l.go_on)(l.through, made);
    };
    if (s.read(p, with_, &state, fill, &refused)) return true;
    return why_.set(refused.code(), std::string(refused.text()), offset);
  }

  Reader& in_;
  const context& with_;
  failure& why_;
};

}  // namespace odeon::wire::internal
