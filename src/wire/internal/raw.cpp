#include "wire/internal/entry.hpp"

#include <algorithm>
#include <string>
#include <string_view>

namespace odeon::wire::internal {

namespace {

constexpr std::string_view what_fits =
    "; only a type whose whole content is bytes travels raw: wire::bytes, or a struct of one such "
    "field";

// The single part of a type that may be all bytes; null when it has none or several.
const schema* only_part(const schema& s) {
  switch (s.kind) {
    case kind::record:
    case kind::tuple: {
      const auto& fields = static_cast<const record_schema&>(s).fields;
      return fields.size() == 1 ? fields[0].type : nullptr;
    }
    case kind::optional: return static_cast<const optional_schema&>(s).element;
    case kind::converted: return static_cast<const converted_schema&>(s).through;
    default: return nullptr;
  }
}

bool refuse(const schema& outer, const schema& s, failure& why) {
  std::string text(outer.name);
  text += &outer == &s ? " is " : " holds ";
  const std::string_view kind = to_string(s.kind);
  text += std::string_view("aeiou").contains(kind[0]) ? "an " : "a ";
  text += kind;
  return why.set(errc::no_codec, text.append(what_fits));
}

// What stays the same while a type is opened, layer by layer, down to its bytes. A type that holds
// itself ends at an empty one: a record of one field that is an optional of the same.
struct layers {
  static constexpr int most = 16;

  const schema& outer;
  const context& with;
  failure& why;
  int depth = 0;
};

struct writing : layers {
  buffer& out;

  bool value(const schema& s, const void* p) {
    if (s.kind == kind::bytes) {
      out.append(static_cast<const bytes_schema&>(s).view(p));
      return true;
    }
    if (only_part(s) == nullptr || ++depth > most) return refuse(outer, s, why);
    switch (s.kind) {
      case kind::optional: {
        const void* held = static_cast<const optional_schema&>(s).get(p);
        if (held == nullptr) {
          return why.set(errc::invalid_argument, "a null has no bytes, so it cannot travel raw");
        }
        return value(*only_part(s), held);
      }
      case kind::converted: return converted(static_cast<const converted_schema&>(s), p);
      default: {
        const void* field = nullptr;
        static_cast<const record_schema&>(s).addresses(p, &field);
        return value(*only_part(s), field);
      }
    }
  }

  bool converted(const converted_schema& s, const void* p) {
    struct link {
      writing& self;
      const schema& through;
    } state{*this, *s.through};
    error refused = errc::internal;
    const auto visit = [](void* raw, const void* made) {
      link& l = *static_cast<link*>(raw);
      return l.self.value(l.through, made);
    };
    return s.write(p, with, &state, visit, &refused) ||
           why.set(refused.code(), std::string(refused.text()));
  }
};

struct reading : layers {
  std::span<const std::byte> in;

  bool value(const schema& s, void* p) {
    if (s.kind == kind::bytes) return bytes(static_cast<const bytes_schema&>(s), p);
    if (only_part(s) == nullptr || ++depth > most) return refuse(outer, s, why);
    switch (s.kind) {
      case kind::optional:
        return value(*only_part(s), static_cast<const optional_schema&>(s).emplace(p));
      case kind::converted: return converted(static_cast<const converted_schema&>(s), p);
      default: {
        const void* field = nullptr;
        static_cast<const record_schema&>(s).addresses(p, &field);
        return value(*only_part(s), const_cast<void*>(field));
      }
    }
  }

  bool bytes(const bytes_schema& s, void* p) {
    std::byte* to = s.resize(p, in.size());
    if (to == nullptr) {
      return why.set(errc::wrong_type, "expected " + std::to_string(s.size) + " bytes, found " +
                                           std::to_string(in.size()));
    }
    std::copy(in.begin(), in.end(), to);
    return true;
  }

  bool converted(const converted_schema& s, void* p) {
    struct link {
      reading& self;
      const schema& through;
    } state{*this, *s.through};
    error refused = errc::internal;
    const auto fill = [](void* raw, void* made) {
      link& l = *static_cast<link*>(raw);
      return l.self.value(l.through, made);
    };
    return s.read(p, with, &state, fill, &refused) ||
           why.set(refused.code(), std::string(refused.text()));
  }
};

}  // namespace

bool write_raw(buffer& out, const schema& s, const void* value, const context& c, failure& why) {
  return writing{{s, c, why}, out}.value(s, value);
}

bool read_raw(void* value, const schema& s, std::span<const std::byte> in, const limits& bounds,
              const context& c, failure& why) {
  if (in.size() > bounds.max_string || in.size() > bounds.max_memory) {
    return why.set(errc::limit_exceeded,
                   std::to_string(in.size()) + " bytes are more than the allowed " +
                       std::to_string(std::min(bounds.max_string, bounds.max_memory)));
  }
  return reading{{s, c, why}, in}.value(s, value);
}

}  // namespace odeon::wire::internal
