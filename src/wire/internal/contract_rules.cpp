#include "wire/internal/contract_rules.hpp"

#include <algorithm>
#include <charconv>
#include <optional>

namespace odeon::wire::internal {

namespace {

constexpr breakage nothing{};
constexpr breakage wire_only{.wire = true};
constexpr breakage refused{.wire = true, .stored = true};
constexpr breakage misread{.wire = true, .replay = true};
constexpr breakage everything{.wire = true, .stored = true, .replay = true};

struct number_kind {
  char letter;
  int bits;
};

std::optional<number_kind> number_of(std::string_view kind) {
  if (kind.size() < 2 || !std::string_view("iuf").contains(kind[0])) return {};
  int bits = 0;
  const auto read = std::from_chars(kind.data() + 1, kind.data() + kind.size(), bits);
  if (read.ec != std::errc{} || read.ptr != kind.data() + kind.size()) return {};
  return number_kind{kind[0], bits};
}

// Every value of `a` is one of `b`.
bool fits(number_kind a, number_kind b) {
  if (a.letter == b.letter) return a.bits <= b.bits;
  if (b.letter == 'f') return a.bits <= (b.bits == 32 ? 24 : 53);
  return a.letter == 'u' && b.letter == 'i' && a.bits < b.bits;
}

std::string quote(std::string_view text) { return "\"" + std::string(text) + "\""; }

bool is_named(const type_shape& s) { return s.kind == "record" || s.kind == "enum"; }

std::string join(const std::string& at, std::string_view name) {
  return at.empty() ? std::string(name) : at + "." + std::string(name);
}

}  // namespace

void contract_rules::changed(const place& at, const shape& was, const shape& now,
                             std::string_view why, breakage what, bool caution) {
  add(at, "was " + to_string(was) + ", is " + to_string(now) + ": " + std::string(why), what,
      caution);
}

void contract_rules::other_type(const place& at, const shape& was, const shape& now) {
  changed(at, was, now, "each refuses what the other writes", refused);
}

// --- kinds -------------------------------------------------------------------------------------

void contract_rules::shapes(const shape& was, const shape& now, const place& at) {
  if (was.kind == now.kind) return same_kind(was, now, at);
  if (numbers(was, now, at) || nulls(was, now, at) || sequences(was, now, at) ||
      enum_and_number(was, now, at)) {
    return;
  }
  const auto is_time = [](const shape& s) { return s.kind == "time" || s.kind == "duration"; };
  if (is_time(was) && is_time(now)) {
    return changed(at, was, now, "the number is read and means another thing", misread);
  }
  other_type(at, was, now);
}

void contract_rules::same_kind(const shape& was, const shape& now, const place& at) {
  if (was.kind == "bytes") return sizes(was, now, at);
  if (was.kind == "tuple") return tuples(was, now, at);
  if (was.kind == "variant") return variants(was, now, at);
  if (was.kind == "enum") return enums(was, now, at);
  if (was.kind == "record") return records(was, now, at);
  if (was.kind == "array" && was.count != now.count) {
    return changed(at, was, now, "an array of another length is refused", refused);
  }
  if (was.kind == "map") {
    shapes(was.of[0], now.of[0], at + "[key]");
    return shapes(was.of[1], now.of[1], at + "[]");
  }
  if (!was.of.empty()) shapes(was.of[0], now.of[0], was.kind == "optional" ? at : at + "[]");
}

bool contract_rules::numbers(const shape& was, const shape& now, const place& at) {
  const auto a = number_of(was.kind);
  const auto b = number_of(now.kind);
  if (!a || !b) return false;
  if (b->letter != 'f' && a->letter == 'f') {
    changed(at, was, now, "a number with a fraction is refused", refused);
  } else if (b->letter == 'f' && a->letter != 'f') {
    changed(at, was, now,
            fits(*a, *b) ? "older programs refuse numbers written with a fraction"
                         : "older programs refuse them, and large numbers lose digits",
            fits(*a, *b) ? wire_only : misread);
  } else if (fits(*a, *b)) {
    changed(at, was, now, "older programs refuse what does not fit theirs", nothing, true);
  } else if (a->letter == 'f') {
    changed(at, was, now, "large numbers are refused, others lose digits", everything);
  } else {
    changed(at, was, now, "numbers that do not fit are refused", refused);
  }
  return true;
}

bool contract_rules::nulls(const shape& was, const shape& now, const place& at) {
  if (now.kind == "optional") {
    shapes(was, now.of[0], at);
    changed(at, was, now, "older programs refuse null", nothing, true);
    return true;
  }
  if (was.kind == "optional") {
    shapes(was.of[0], now, at);
    changed(at, was, now, "null is refused", refused);
    return true;
  }
  return false;
}

bool contract_rules::sequences(const shape& was, const shape& now, const place& at) {
  const auto is_array = [](const shape& s) {
    return s.kind == "list" || s.kind == "set" || s.kind == "array";
  };
  if (!is_array(was) || !is_array(now)) return false;
  shapes(was.of[0], now.of[0], at + "[]");
  if (now.kind == "list") {
    changed(at, was, now, "older programs refuse what theirs could not hold", nothing, true);
  } else {
    changed(at, was, now,
            now.kind == "set" ? "an element that is there twice is refused"
                              : "an array of another length is refused",
            refused);
  }
  return true;
}

// An enum is its number, but for JSON, where it is its name.
bool contract_rules::enum_and_number(const shape& was, const shape& now, const place& at) {
  const auto underlying = [](const shape& s, const contract& in) -> std::string {
    return s.kind == "enum" ? in.types.at(s.name).underlying : s.kind;
  };
  if ((was.kind == "enum") == (now.kind == "enum")) return false;
  const auto a = number_of(underlying(was, before_));
  const auto b = number_of(underlying(now, after_));
  if (!a || !b || a->letter == 'f' || b->letter == 'f') return false;
  if (!fits(*a, *b)) {
    changed(at, was, now, "numbers that do not fit are refused", refused);
  } else if (!json_) {
    changed(at, was, now, "the numbers stay", nothing);
  } else if (was.kind == "enum") {
    changed(at, was, now, "in JSON an enumerator is its name, which is refused", refused);
  } else {
    changed(at, was, now, "in JSON an enumerator is its name, which older programs refuse",
            wire_only);
  }
  return true;
}

void contract_rules::sizes(const shape& was, const shape& now, const place& at) {
  if (was.count == now.count) return;
  if (now.count == 0) {
    changed(at, was, now, "older programs refuse another number of bytes", nothing, true);
  } else {
    changed(at, was, now, "another number of bytes is refused", refused);
  }
}

void contract_rules::tuples(const shape& was, const shape& now, const place& at) {
  if (was.of.size() != now.of.size()) {
    return changed(at, was, now, "a tuple of another length is refused", refused);
  }
  for (std::size_t i = 0; i < was.of.size(); ++i) {
    shapes(was.of[i], now.of[i], at + "[" + std::to_string(i) + "]");
  }
}

// --- variants and enums ------------------------------------------------------------------------

void contract_rules::variants(const shape& was, const shape& now, const place& at) {
  if (now.by_index && !was.by_index) {
    return changed(at, was, now, "what names its alternative is refused", refused);
  }
  if (was.by_index && !now.by_index) {
    changed(at, was, now, "alternatives are named now, which older programs refuse", wire_only);
  }
  if (was.by_index) {
    for (std::size_t i = 0; i < std::min(was.of.size(), now.of.size()); ++i) {
      shapes(was.of[i], now.of[i], at + "[" + std::to_string(i) + "]");
    }
    if (now.of.size() < was.of.size()) {
      add(at, "has fewer alternatives: what holds a last one is refused", refused);
    } else if (now.of.size() > was.of.size()) {
      add(at, "has a new alternative, which older programs refuse", nothing, true);
    }
    return;
  }
  bool moved = false;
  for (std::size_t i = 0; i < was.labels.size(); ++i) {
    const auto found = std::ranges::find(now.labels, was.labels[i]);
    if (found == now.labels.end()) {
      add(at, "the alternative " + quote(was.labels[i]) + " is gone: what holds it is refused",
          refused);
      continue;
    }
    const auto k = static_cast<std::size_t>(found - now.labels.begin());
    moved = moved || k != i;
    shapes(was.of[i], now.of[k], join(at, was.labels[i]));
  }
  for (const std::string& label : now.labels) {
    if (std::ranges::find(was.labels, label) == was.labels.end()) {
      add(at, "the alternative " + quote(label) + " is new, and older programs refuse it", nothing,
          true);
    }
  }
  if (moved) {
    add(at,
        compact_ ? "alternatives have moved: compact knows them by their place"
                 : "alternatives have moved: only compact, which is not in use, would mind",
        compact_ ? everything : nothing);
  }
}

void contract_rules::enums(const shape& was, const shape& now, const place& at) {
  const contract_type& a = before_.types.at(was.name);
  const contract_type& b = after_.types.at(now.name);
  if (!seen_.insert({was.name, now.name}).second) return;
  const auto wide_a = number_of(a.underlying);
  const auto wide_b = number_of(b.underlying);
  if (wide_a && wide_b && !fits(*wide_a, *wide_b)) {
    add(at,
        "the enum's type was " + a.underlying + ", is " + b.underlying +
            ": numbers that do not fit are refused",
        refused);
  }
  const auto name_of = [](const contract_type& t, std::int64_t value) -> const std::string* {
    for (const auto& [name, v] : t.values) {
      if (v == value) return &name;
    }
    return nullptr;
  };
  for (const auto& [name, value] : a.values) {
    const auto kept = b.values.find(name);
    const std::string* renamed = name_of(b, value);
    if (kept != b.values.end() && kept->second != value) {
      add(at,
          "the enumerator " + quote(name) + " was " + std::to_string(value) + ", is " +
              std::to_string(kept->second) + ": its number means another one, or none",
          misread);
    } else if (kept == b.values.end() && renamed != nullptr) {
      add(at,
          "the enumerator " + quote(name) + " is now called " + quote(*renamed) +
              (json_ ? ": in JSON its name is refused" : "; its number stays"),
          json_ ? refused : nothing);
    } else if (kept == b.values.end()) {
      add(at,
          "the enumerator " + quote(name) + " is gone: its number is one without a name" +
              (json_ ? ", and in JSON its name is refused" : ""),
          json_ ? everything : breakage{.replay = true});
    }
  }
  for (const auto& [name, value] : b.values) {
    if (!a.values.contains(name) && name_of(a, value) == nullptr) {
      add(at, "the enumerator " + quote(name) + " is new, and older programs may refuse it",
          nothing, true);
    }
  }
}

// --- records -----------------------------------------------------------------------------------

void contract_rules::records(const shape& was, const shape& now, const place& at) {
  // Types that hold themselves, and those that stand in several places, are compared once.
  if (!seen_.insert({was.name, now.name}).second) return;
  if (depth_ == max_depth) return add(at, "stands too deep to be compared", everything);
  ++depth_;
  record_fields(before_.types.at(was.name), after_.types.at(now.name), at);
  --depth_;
}

void contract_rules::record_fields(const contract_type& was, const contract_type& now,
                                   const place& at) {
  const auto in = [](const contract_type& t, const std::string& name) {
    return std::ranges::find(t.fields, name, &contract_field::name);
  };
  for (const contract_field& f : was.fields) {
    const auto kept = in(now, f.name);
    if (kept == now.fields.end()) {
      field_gone(f, was, now, at);
      continue;
    }
    shapes(f.type, kept->type, join(at, f.name));
    if (kept->required && !f.required) {
      add(join(at, f.name), "is required now: bytes older than the field are refused",
          breakage{.stored = true});
    }
    if (!f.initial.empty() && !kept->initial.empty() && f.initial != kept->initial &&
        f.type == kept->type) {
      add(join(at, f.name),
          "its default was " + f.initial + ", is " + kept->initial +
              ": bytes older than the field now say the latter",
          breakage{.replay = true});
    }
  }
  for (const contract_field& f : now.fields) {
    if (in(was, f.name) != was.fields.end()) continue;
    if (f.required) {
      add(join(at, f.name), "is new and required: bytes that lack it are refused", refused);
    } else {
      add(join(at, f.name),
          "is new" + (f.initial.empty() ? "" : ", and " + f.initial + " where it is missing"));
    }
  }
  order(was, now, at);
}

void contract_rules::field_gone(const contract_field& was, const contract_type& before,
                                const contract_type& after, const place& at) {
  const auto is_new = [&](const contract_field& f) {
    return std::ranges::find(before.fields, f.name, &contract_field::name) == before.fields.end();
  };
  std::string text = "is gone: what bytes say of it is skipped, and older programs see its default";
  for (const contract_field& f : after.fields) {
    if (is_new(f) && same_shape(was.type, f.type)) {
      text += "; " + quote(f.name) +
              " is new and of the same type: a field that is renamed needs a " +
              "new version with an upcast";
      break;
    }
  }
  add(join(at, was.name), std::move(text), misread);
}

// By position, fields may only be added at the end.
void contract_rules::order(const contract_type& was, const contract_type& now, const place& at) {
  const std::size_t common = std::min(was.fields.size(), now.fields.size());
  for (std::size_t i = 0; i < common; ++i) {
    if (was.fields[i].name == now.fields[i].name) continue;
    const std::string text = "at place " + std::to_string(i) + " stood " +
                             quote(was.fields[i].name) + ", now " + quote(now.fields[i].name) +
                             ": ";
    add(at,
        text + (compact_ ? "compact reads the one as the other"
                         : "only compact, which is not in use, would mind"),
        compact_ ? everything : nothing);
    return;
  }
}

bool contract_rules::same_shape(const shape& was, const shape& now) const {
  if (is_named(was) && is_named(now)) {
    contract_rules inner(before_, after_, compact_, json_);
    return inner.compare(was, now).empty();
  }
  return was == now;
}

}  // namespace odeon::wire::internal
