#include <odeon/wire/contract.hpp>
#include <odeon/wire/registry.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace odeon::wire {

namespace {

// Turns schemas into shapes, and what they name into types of the document.
class shaper {
 public:
  explicit shaper(std::map<std::string, contract_type>& types) : types_(types) {}

  type_shape of(const schema& s) {
    switch (s.kind) {
      case kind::none: return {.kind = "none"};
      case kind::boolean: return {.kind = "bool"};
      case kind::integer: return {.kind = number(s.is_signed ? 'i' : 'u', s)};
      case kind::floating: return {.kind = number('f', s)};
      case kind::string:
      case kind::string_view: return {.kind = "string"};
      case kind::duration: return {.kind = "duration"};
      case kind::time_point: return {.kind = "time"};
      case kind::bytes: return {.kind = "bytes", .count = exact_size(s)};
      case kind::optional:
        return holding("optional", static_cast<const optional_schema&>(s).element);
      case kind::list: {
        const auto& l = static_cast<const list_schema&>(s);
        return holding(l.unique ? "set" : "list", l.element);
      }
      case kind::array: {
        const auto& a = static_cast<const array_schema&>(s);
        type_shape made = holding("array", a.element);
        made.count = a.count;
        return made;
      }
      case kind::map: {
        const auto& m = static_cast<const map_schema&>(s);
        type_shape made = holding("map", m.key);
        made.of.push_back(of(*m.value));
        return made;
      }
      case kind::tuple: {
        type_shape made{.kind = "tuple"};
        for (const field& f : static_cast<const record_schema&>(s).fields) {
          made.of.push_back(of(*f.type));
        }
        return made;
      }
      case kind::variant: return variant(static_cast<const variant_schema&>(s));
      case kind::record: return record(static_cast<const record_schema&>(s));
      case kind::enumeration: return enumeration(static_cast<const enum_schema&>(s));
      case kind::converted: return of(*static_cast<const converted_schema&>(s).through);
      case kind::unsupported: break;
    }
    return {.kind = "none"};
  }

 private:
  static std::string number(char letter, const schema& s) {
    return letter + std::to_string(s.width * 8);
  }

  // A fixed array of bytes refuses any other size.
  static std::uint64_t exact_size(const schema& s) {
    const auto& b = static_cast<const bytes_schema&>(s);
    return b.fixed ? s.size : 0;
  }

  type_shape holding(std::string kind, const schema* element) {
    type_shape made{.kind = std::move(kind)};
    made.of.push_back(of(*element));
    return made;
  }

  type_shape variant(const variant_schema& s) {
    type_shape made{.kind = "variant", .by_index = !s.labelled};
    for (const alternative& a : s.alternatives) {
      made.labels.emplace_back(a.label);
      made.of.push_back(of(*a.type));
    }
    return made;
  }

  type_shape record(const record_schema& s) {
    const auto [name, is_new] = name_of(s);
    if (is_new) {
      std::vector<contract_field> fields;
      for (const field& f : s.fields) {
        const bool required = (s.required >> fields.size() & 1U) != 0;
        fields.push_back({std::string(f.name), of(*f.type), {}, required});
      }
      add_defaults(fields, s);
      types_[name].fields = std::move(fields);
    }
    return {.kind = "record", .name = name};
  }

  // What the fields are when they are missing.
  static void add_defaults(std::vector<contract_field>& fields, const record_schema& s) {
    if (s.with_blank == nullptr) return;
    struct link {
      std::vector<contract_field>& fields;
      const record_schema& type;
    } state{fields, s};
    (void)s.with_blank(&state, [](void* raw, const void* blank) {
      const link& to = *static_cast<link*>(raw);
      const void* at[detail::max_fields];
      to.type.addresses(blank, at);
      for (std::size_t i = 0; i < to.fields.size(); ++i) {
        buffer text;
        // One that cannot be written, as a reference without a system, has no default to speak of.
        if (detail::write(text, *to.type.fields[i].type, at[i], format::json, context())) {
          to.fields[i].initial = as_text(text.view());
        }
      }
      return true;
    });
  }

  type_shape enumeration(const enum_schema& s) {
    const auto [name, is_new] = name_of(s);
    if (is_new) {
      contract_type& made = types_[name];
      made.underlying = number(s.is_signed ? 'i' : 'u', s);
      for (const named_value& v : s.values) made.values.emplace(v.name, v.value);
    }
    return {.kind = "enum", .name = name};
  }

  // Two types may be spelled alike: those of functions and of nameless namespaces.
  std::pair<std::string, bool> name_of(const schema& s) {
    if (const auto known = names_.find(&s); known != names_.end()) return {known->second, false};
    std::string name(s.name);
    for (int n = 2; types_.contains(name); ++n)
      name = std::string(s.name) + "#" + std::to_string(n);
    types_.emplace(name, contract_type{});
    names_.emplace(&s, name);
    return {name, true};
  }

  std::map<std::string, contract_type>& types_;
  std::map<const schema*, std::string> names_;
};

}  // namespace

std::string to_string(const type_shape& shape) {
  const auto part = [&](std::size_t i) { return to_string(shape.of[i]); };
  if (shape.kind == "record" || shape.kind == "enum") return shape.kind + " " + shape.name;
  if (shape.kind == "bytes" && shape.count != 0) return std::to_string(shape.count) + " bytes";
  if (shape.kind == "array") return "array of " + std::to_string(shape.count) + " " + part(0);
  if (shape.kind == "map") return "map from " + part(0) + " to " + part(1);
  std::string out = shape.kind;
  for (std::size_t i = 0; i < shape.of.size(); ++i) {
    out += i == 0 ? (shape.kind == "optional" ? " " : " of ") : ", ";
    out += shape.labels.empty() ? part(i) : shape.labels[i];
  }
  return out;
}

void contract::add(const registry& registered_types, contract_use use) {
  shaper shapes(types);
  for (const registered* r : registered_types.all()) {
    contract_entry made{.use = use, .version = r->version(), .type = shapes.of(r->type())};
    for (const detail::older_version& o : r->older()) {
      made.reads.emplace(o.version, shapes.of(*o.type));
    }
    if (r->written_as() != r->manifest()) made.alias_of = r->written_as();
    const auto [known, is_new] = entries.try_emplace(std::string(r->manifest()), made);
    if (!is_new && known->second.use != use) known->second.use = contract_use::both;
  }
}

bool answer_contract_request(int argc, const char* const* argv, const contract& promised) {
  if (argc != 2 || std::string_view(argv[1]) != contract_request) return false;
  const std::string text = promised.to_json();
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
  return true;
}

bool answer_contract_request(int argc, const char* const* argv, const registry& types,
                             contract_use use) {
  if (argc != 2 || std::string_view(argv[1]) != contract_request) return false;
  contract promised;
  promised.add(types, use);
  return answer_contract_request(argc, argv, promised);
}

}  // namespace odeon::wire
