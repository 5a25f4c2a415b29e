#include <odeon/wire/contract.hpp>
#include <odeon/wire/contract_diff.hpp>

#include <boost/json.hpp>

#include <algorithm>
#include <charconv>
#include <utility>

namespace odeon::wire {

namespace {

namespace json = boost::json;

// The form of the document. A reader of this number refuses a higher one.
constexpr std::int64_t form = 1;
constexpr std::string_view form_name = "odeon_contract";

constexpr std::string_view use_names[] = {"messages", "stored", "both"};

// --- writing -----------------------------------------------------------------------------------

json::value value_of(const type_shape& s) {
  if (s.kind == "record" || s.kind == "enum") return json::object{{s.kind, s.name}};
  if (s.kind == "bytes" && s.count != 0) return json::object{{"bytes", s.count}};
  if (s.of.empty() && s.kind != "tuple" && s.kind != "variant") return json::value(s.kind);
  json::object made;
  if (s.kind == "map" || s.kind == "tuple") {
    json::array parts;
    for (const type_shape& part : s.of) parts.push_back(value_of(part));
    made[s.kind] = std::move(parts);
  } else if (s.kind == "variant") {
    json::array parts;
    for (std::size_t i = 0; i < s.of.size(); ++i) {
      parts.push_back(json::array{s.labels[i], value_of(s.of[i])});
    }
    made[s.kind] = std::move(parts);
    if (s.by_index) made["by_index"] = true;
  } else {
    made[s.kind] = value_of(s.of[0]);
    if (s.kind == "array") made["count"] = s.count;
  }
  return made;
}

json::value value_of(const contract_entry& e) {
  json::object made{{"use", use_names[static_cast<std::size_t>(e.use) - 1]},
                    {"version", e.version},
                    {"type", value_of(e.type)}};
  if (!e.reads.empty()) {
    json::object reads;
    for (const auto& [version, shape] : e.reads) reads[std::to_string(version)] = value_of(shape);
    made["reads"] = std::move(reads);
  }
  if (!e.alias_of.empty()) made["alias_of"] = e.alias_of;
  return made;
}

json::value value_of(const contract_type& t) {
  if (!t.underlying.empty()) {
    json::object values;
    for (const auto& [name, number] : t.values) values[name] = number;
    return json::object{{"enum", t.underlying}, {"values", std::move(values)}};
  }
  json::array fields;
  for (const contract_field& f : t.fields) {
    json::object field{{"name", f.name}, {"type", value_of(f.type)}};
    // The text of the JSON, which no library may write with other digits.
    if (!f.initial.empty()) field["default"] = f.initial;
    if (f.required) field["required"] = true;
    fields.push_back(std::move(field));
  }
  return json::object{{"fields", std::move(fields)}};
}

// Objects over several lines as far as the third level and fields one a line; what is deeper is
// read as one thing.
void print(std::string& out, const json::value& v, int depth) {
  const bool open = depth < 3 || (depth == 3 && v.is_array());
  const auto line = [&](int at) { out.append("\n").append(static_cast<std::size_t>(at) * 2, ' '); };
  const auto* object = v.if_object();
  const auto* array = v.if_array();
  if (!open || (object == nullptr && array == nullptr) || (object != nullptr && object->empty()) ||
      (array != nullptr && array->empty())) {
    out += json::serialize(v);
    return;
  }
  out += object != nullptr ? '{' : '[';
  bool first = true;
  const auto begin = [&] {
    if (!std::exchange(first, false)) out += ',';
    line(depth + 1);
  };
  if (object != nullptr) {
    for (const auto& member : *object) {
      begin();
      out += json::serialize(json::value(member.key()));
      out += ": ";
      print(out, member.value(), depth + 1);
    }
  } else {
    for (const json::value& element : *array) {
      begin();
      print(out, element, depth + 1);
    }
  }
  line(depth);
  out += object != nullptr ? '}' : ']';
}

// --- reading -----------------------------------------------------------------------------------

// Takes the document apart; the first thing that is not as it should be is kept with its place.
class reader {
 public:
  [[nodiscard]] bool failed() const noexcept { return !why_.empty(); }
  [[nodiscard]] error why() const { return {errc::wrong_type, why_}; }

  void refuse(const std::string& at, std::string_view what) {
    if (why_.empty()) why_ = (at.empty() ? "the document" : at) + ": " + std::string(what);
  }

  const json::object& object(const json::value& v, const std::string& at) {
    static const json::object nothing;
    if (const auto* o = v.if_object()) return *o;
    refuse(at, "expected an object");
    return nothing;
  }
  const json::array& array(const json::value& v, const std::string& at) {
    static const json::array nothing;
    if (const auto* a = v.if_array()) return *a;
    refuse(at, "expected an array");
    return nothing;
  }
  std::string text(const json::value& v, const std::string& at) {
    if (const auto* s = v.if_string()) return std::string(*s);
    refuse(at, "expected a string");
    return {};
  }
  template <class T>
  T number(const json::value& v, const std::string& at) {
    boost::system::error_code wrong;
    const T n = v.to_number<T>(wrong);
    if (wrong || (!v.is_int64() && !v.is_uint64())) refuse(at, "expected an integer in range");
    return n;
  }
  const json::value& member(const json::object& o, std::string_view name, const std::string& at) {
    static const json::value null;
    if (const auto* v = o.if_contains(name)) return *v;
    refuse(at, "\"" + std::string(name) + "\" is missing");
    return null;
  }

  type_shape shape(const json::value& v, const std::string& at) {
    if (v.is_string()) return scalar(text(v, at), at);
    const json::object& o = object(v, at);
    if (o.empty()) {
      refuse(at, "expected a type");
      return {};
    }
    type_shape made{.kind = std::string(o.begin()->key())};
    const json::value& held = o.begin()->value();
    const std::string in = at + "." + made.kind;
    if (made.kind == "record" || made.kind == "enum") {
      made.name = text(held, in);
    } else if (made.kind == "bytes") {
      made.count = number<std::uint64_t>(held, in);
    } else if (made.kind == "map" || made.kind == "tuple") {
      for (const json::value& part : array(held, in)) made.of.push_back(shape(part, in));
      if (made.kind == "map" && made.of.size() != 2) refuse(in, "a map has a key and a value");
    } else if (made.kind == "variant") {
      made.by_index = o.contains("by_index");
      alternatives(made, held, in);
    } else if (made.kind == "optional" || made.kind == "list" || made.kind == "set" ||
               made.kind == "array") {
      made.of.push_back(shape(held, in));
      if (made.kind == "array") made.count = number<std::uint64_t>(member(o, "count", at), at);
    } else {
      refuse(at, "no type is called \"" + made.kind + "\"");
    }
    return made;
  }

  contract_entry entry(const json::value& v, const std::string& at) {
    const json::object& o = object(v, at);
    contract_entry made;
    const std::string use = text(member(o, "use", at), at + ".use");
    const auto* const named = std::ranges::find(use_names, use);
    if (named == std::end(use_names)) {
      refuse(at + ".use", "expected messages, stored or both");
    } else {
      made.use = static_cast<contract_use>(named - use_names + 1);
    }
    made.version = version(number<std::int64_t>(member(o, "version", at), at + ".version"), at);
    made.type = shape(member(o, "type", at), at + ".type");
    if (const auto* reads = o.if_contains("reads")) {
      for (const auto& older : object(*reads, at + ".reads")) {
        const std::string in = at + ".reads." + std::string(older.key());
        std::int64_t n = 0;
        const auto* const end = older.key().data() + older.key().size();
        if (std::from_chars(older.key().data(), end, n).ptr != end) n = 0;
        made.reads.emplace(version(n, in), shape(older.value(), in));
      }
    }
    if (!made.reads.empty() && made.reads.rbegin()->first >= made.version) {
      refuse(at + ".reads", "a version that is read is earlier than the one that is written");
    }
    if (const auto* alias = o.if_contains("alias_of")) made.alias_of = text(*alias, at);
    return made;
  }

  contract_type type(const json::value& v, const std::string& at) {
    const json::object& o = object(v, at);
    contract_type made;
    if (const auto* underlying = o.if_contains("enum")) {
      made.underlying = shape(*underlying, at + ".enum").kind;
      if (made.underlying.size() < 2 || !std::string_view("iu").contains(made.underlying[0])) {
        refuse(at + ".enum", "an enum is an integer");
      }
      for (const auto& named : object(member(o, "values", at), at + ".values")) {
        made.values.emplace(
            named.key(), number<std::int64_t>(named.value(), at + "." + std::string(named.key())));
      }
      return made;
    }
    for (const json::value& f : array(member(o, "fields", at), at + ".fields")) {
      const json::object& field = object(f, at + ".fields");
      contract_field one;
      one.name = text(member(field, "name", at), at + ".fields");
      one.type = shape(member(field, "type", at), at + "." + one.name);
      if (const auto* initial = field.if_contains("default")) {
        one.initial = text(*initial, at + "." + one.name);
      }
      one.required = field.contains("required");
      if (std::ranges::find(made.fields, one.name, &contract_field::name) != made.fields.end()) {
        refuse(at + ".fields", "the field \"" + one.name + "\" is there twice");
      }
      made.fields.push_back(std::move(one));
    }
    return made;
  }

  // Each name that a shape uses is there.
  void check_names(const type_shape& s, const contract& in, const std::string& at) {
    if (s.kind == "record" || s.kind == "enum") {
      const auto known = in.types.find(s.name);
      if (known == in.types.end() || known->second.underlying.empty() != (s.kind == "record")) {
        refuse(at, "no " + s.kind + " \"" + s.name + "\" among the types");
      }
    }
    for (const type_shape& part : s.of) check_names(part, in, at);
  }

 private:
  type_shape scalar(std::string name, const std::string& at) {
    constexpr std::string_view known[] = {"none", "bool",  "i8",     "i16",     "i32", "i64",
                                          "u8",   "u16",   "u32",    "u64",     "f32", "f64",
                                          "time", "bytes", "string", "duration"};
    if (std::ranges::find(known, name) == std::end(known)) {
      refuse(at, "no type is called \"" + name + "\"");
    }
    return {.kind = std::move(name)};
  }

  void alternatives(type_shape& made, const json::value& held, const std::string& in) {
    for (const json::value& a : array(held, in)) {
      const json::array& pair = array(a, in);
      if (pair.size() != 2) {
        refuse(in, "an alternative is a label and a type");
        continue;
      }
      made.labels.push_back(text(pair[0], in));
      if (!made.by_index && std::ranges::count(made.labels, made.labels.back()) > 1) {
        refuse(in, "the label \"" + made.labels.back() + "\" is there twice");
      }
      made.of.push_back(shape(pair[1], in));
    }
  }

  int version(std::int64_t n, const std::string& at) {
    if (n < 1 || n > 1'000'000'000) refuse(at, "a version is a number from 1");
    return static_cast<int>(n);
  }

  std::string why_;
};

result<json::value> parse(std::string_view text) {
  if (text.size() > contract::max_bytes) {
    return fail(errc::limit_exceeded, std::to_string(text.size()) +
                                          " bytes are more than the allowed " +
                                          std::to_string(contract::max_bytes));
  }
  json::parse_options options;
  options.max_depth = contract::max_depth;
  json::stream_parser parser({}, options);
  boost::system::error_code wrong;
  const std::size_t read = parser.write_some(text.data(), text.size(), wrong);
  std::size_t at = read;
  if (!wrong) {
    at = text.find_first_not_of(" \t\r\n", read);
    if (at != std::string_view::npos) {
      return fail(errc::bad_encoding, "at byte " + std::to_string(at) + ": more than one document");
    }
    at = text.size();
    parser.finish(wrong);
  }
  if (wrong) {
    return fail(wrong == json::error::too_deep ? errc::limit_exceeded : errc::bad_encoding,
                "at byte " + std::to_string(at) + ": no JSON: " + wrong.message());
  }
  return parser.release();
}

}  // namespace

std::string contract::to_json() const {
  json::array used;
  for (const format f : formats) used.emplace_back(to_string(f));
  json::object described_entries;
  for (const auto& [manifest, e] : entries) described_entries[manifest] = value_of(e);
  json::object described_types;
  for (const auto& [name, t] : types) described_types[name] = value_of(t);
  const json::value all = json::object{{form_name, form},
                                       {"formats", std::move(used)},
                                       {"messages", std::move(described_entries)},
                                       {"types", std::move(described_types)}};
  std::string out;
  print(out, all, 0);
  return out + "\n";
}

result<contract> contract::from_json(std::string_view text) {
  auto parsed = parse(text);
  if (!parsed) return std::unexpected(std::move(parsed).error());
  reader in;
  const json::object& all = in.object(*parsed, "");
  const auto found = in.number<std::int64_t>(in.member(all, form_name, ""), std::string(form_name));
  if (in.failed()) return std::unexpected(in.why());
  if (found > form) {
    return fail(errc::newer_version, "the document has form " + std::to_string(found) +
                                         "; this program knows forms up to " +
                                         std::to_string(form));
  }
  contract made;
  made.formats.clear();
  for (const json::value& name : in.array(in.member(all, "formats", ""), "formats")) {
    const auto f = format_named(in.text(name, "formats"));
    if (!f) in.refuse("formats", "no format is called " + json::serialize(name));
    made.formats.push_back(f.value_or(format::msgpack));
  }
  for (const auto& m : in.object(in.member(all, "messages", ""), "messages")) {
    const std::string name(m.key());
    made.entries.emplace(name, in.entry(m.value(), "messages." + name));
  }
  for (const auto& t : in.object(in.member(all, "types", ""), "types")) {
    const std::string name(t.key());
    made.types.emplace(name, in.type(t.value(), "types." + name));
  }
  for (const auto& [name, e] : made.entries) {
    in.check_names(e.type, made, "messages." + name);
    for (const auto& [version, shape] : e.reads) in.check_names(shape, made, "messages." + name);
  }
  for (const auto& [name, t] : made.types) {
    for (const contract_field& f : t.fields) in.check_names(f.type, made, "types." + name);
  }
  if (in.failed()) return std::unexpected(in.why());
  return made;
}

std::string to_json(const std::vector<contract_change>& changes) {
  json::array all;
  for (const contract_change& c : changes) {
    json::array broken;
    if (c.breaks.wire) broken.emplace_back("wire");
    if (c.breaks.stored) broken.emplace_back("stored");
    if (c.breaks.replay) broken.emplace_back("replay");
    all.push_back(json::object{{"manifest", c.manifest},
                               {"field", c.where},
                               {"breaks", std::move(broken)},
                               {"caution", c.caution},
                               {"text", c.text}});
  }
  std::string out;
  print(out, all, 0);
  return out + "\n";
}

}  // namespace odeon::wire
