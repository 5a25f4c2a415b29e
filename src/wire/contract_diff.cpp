#include "wire/internal/contract_rules.hpp"
#include <odeon/wire/contract_diff.hpp>

#include <algorithm>
#include <map>
#include <ranges>
#include <utility>

namespace odeon::wire {

namespace {

using internal::contract_rules;

bool in_use(const contract& c, format f) {
  return std::ranges::find(c.formats, f) != c.formats.end();
}

breakage counted(breakage what, contract_use use) {
  const auto bits = static_cast<unsigned>(use);
  if ((bits & static_cast<unsigned>(contract_use::messages)) == 0) what.wire = false;
  if ((bits & static_cast<unsigned>(contract_use::stored)) == 0) what.stored = what.replay = false;
  return what;
}

constexpr breakage everything{.wire = true, .stored = true, .replay = true};

class comparison {
 public:
  comparison(const contract& before, const contract& after)
      : before_(before),
        after_(after),
        compact_(in_use(before, format::compact) || in_use(after, format::compact)),
        json_(in_use(before, format::json) || in_use(after, format::json)) {}

  std::vector<contract_change> run() {
    for (const auto& [manifest, was] : before_.entries) {
      const auto now = after_.entries.find(manifest);
      now == after_.entries.end() ? gone(manifest, was) : both(manifest, was, now->second);
    }
    for (const auto& [manifest, now] : after_.entries) {
      if (!before_.entries.contains(manifest)) {
        use_ = now.use;
        add(manifest, {},
            now.alias_of.empty() ? "is new" : "is new, another name of " + now.alias_of);
      }
    }
    std::vector<contract_change> all;
    for (auto& [key, change] : changes_) all.push_back(std::move(change));
    return all;
  }

 private:
  void add(const std::string& manifest, std::string where, std::string text, breakage what = {},
           bool caution = false) {
    const breakage kept = counted(what, use_);
    const bool sent = (static_cast<unsigned>(use_) & 1U) != 0;
    changes_.emplace(std::pair(!kept.any(), manifest),
                     contract_change{manifest, std::move(where), std::move(text), kept,
                                     caution && sent && !kept.any()});
  }

  void gone(const std::string& manifest, const contract_entry& was) {
    use_ = was.use;
    std::string text = "is gone: what is sent or was stored under this name is refused";
    for (const auto& [name, now] : after_.entries) {
      if (!before_.entries.contains(name) && same(was, now)) {
        text += "; " + name +
                " is new and has the same fields: give it this manifest, or register " +
                "this name as an alias of it";
        break;
      }
    }
    add(manifest, {}, std::move(text), everything);
  }

  bool same(const contract_entry& was, const contract_entry& now) {
    contract_rules rules(before_, after_, compact_, json_);
    return rules.compare(was.type, now.type).empty();
  }

  void both(const std::string& manifest, const contract_entry& was, const contract_entry& now) {
    use_ =
        static_cast<contract_use>(static_cast<unsigned>(was.use) | static_cast<unsigned>(now.use));
    if (was.alias_of != now.alias_of) alias(manifest, was, now);
    if (now.version < was.version) {
      return add(manifest, {},
                 "has version " + std::to_string(now.version) + ", and had " +
                     std::to_string(was.version) + ": what was written since is refused as newer",
                 everything);
    }
    if (now.version == was.version) {
      fields(manifest, was.type, now.type, {});
    } else {
      raised(manifest, was, now);
    }
    for (const auto& [version, shape] : was.reads) older(manifest, version, shape, now);
  }

  void alias(const std::string& manifest, const contract_entry& was, const contract_entry& now) {
    if (now.alias_of.empty()) {
      add(manifest, {}, "is the type's own name again, and was an alias of " + was.alias_of);
    } else {
      add(manifest, {},
          "is now written as " + now.alias_of + "; older programs do not know that name", {}, true);
    }
  }

  // The version went up: the old one must still be read, as what it was.
  void raised(const std::string& manifest, const contract_entry& was, const contract_entry& now) {
    const std::string step =
        "version " + std::to_string(was.version) + " became " + std::to_string(now.version);
    const auto read = now.reads.find(was.version);
    if (read == now.reads.end()) {
      return add(manifest, {},
                 step + ", and no upcast leads from version " + std::to_string(was.version),
                 everything);
    }
    add(manifest, {}, step + ", by an upcast; older programs refuse it", {}, true);
    fields(manifest, was.type, read->second, upcast_from(was.version));
  }

  void older(const std::string& manifest, int version, const type_shape& shape,
             const contract_entry& now) {
    const auto read = now.reads.find(version);
    if (version == now.version) {
      fields(manifest, shape, now.type, {});
    } else if (read == now.reads.end()) {
      add(manifest, {}, "no upcast leads from version " + std::to_string(version) + " any more",
          everything);
    } else {
      fields(manifest, shape, read->second, upcast_from(version));
    }
  }

  static std::string upcast_from(int version) {
    return "in what the upcast from version " + std::to_string(version) + " takes: ";
  }

  void fields(const std::string& manifest, const type_shape& was, const type_shape& now,
              const std::string& place) {
    contract_rules rules(before_, after_, compact_, json_);
    for (internal::found_change& c : rules.compare(was, now)) {
      add(manifest, std::move(c.where), place + c.text, c.breaks, c.caution);
    }
  }

  const contract& before_;
  const contract& after_;
  bool compact_;
  bool json_;
  contract_use use_ = contract_use::both;
  std::multimap<std::pair<bool, std::string>, contract_change> changes_;  // in the order to show
};

}  // namespace

std::string to_string(const breakage& what) {
  std::vector<std::string_view> parts;
  if (what.wire) parts.emplace_back("the wire");
  if (what.stored) parts.emplace_back("stored data");
  if (what.replay) parts.emplace_back("replay");
  if (parts.empty()) return "compatible";
  std::string out = "breaks ";
  for (std::size_t i = 0; i < parts.size(); ++i) {
    if (i != 0) out += i + 1 == parts.size() ? " and " : ", ";
    out += parts[i];
  }
  return out;
}

std::string contract_change::to_string() const {
  std::string out = wire::to_string(breaks);
  if (caution) out += ", readers first";
  out += ": " + manifest;
  if (!where.empty()) out += ", field " + where;
  return out + ": " + text;
}

std::vector<contract_change> compare(const contract& before, const contract& after) {
  return comparison(before, after).run();
}

bool breaks(const std::vector<contract_change>& changes) noexcept {
  return std::ranges::any_of(changes, [](const contract_change& c) { return c.breaks.any(); });
}

}  // namespace odeon::wire
