#include "internal/config_values.hpp"
#include <odeon/base/config.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>
#include <set>
#include <span>

extern char**
    environ;  // NOLINT(readability-redundant-declaration): POSIX, declared by no standard header

namespace odeon {

namespace detail {

struct config_state {
  config_rules rules;
  std::map<std::string, config_value, std::less<>> values;  ///< given by some source
  std::map<std::string, std::set<std::string>, std::less<>>
      tables;  ///< prefix -> names under its `*`
};

namespace {

/// Fills a state from the sources, and collects every mistake.
class loader {
 public:
  explicit loader(const config_rules& rules) { state_.rules = rules; }

  void file(const std::vector<config_line>& lines, std::string_view name) {
    for (const auto& line : lines) {
      const auto place = std::string(name) + ':' + std::to_string(line.line);
      if (line.is_table) {
        if (!state_.rules.is_table(line.key))
          unknown(place, line.key);
        else
          remember_tables(place, line.key);
        continue;
      }
      const auto* rule = known(place, line.key);
      if (rule == nullptr) continue;
      auto value = from_line(rule->key, line);
      if (!value) {
        const bool quote = line.is_string;
        bad(place, line.key, *rule,
            line.is_list    ? "a list"
            : line.is_other ? line.text
            : quote         ? '"' + line.text + '"'
                            : line.text);
        continue;
      }
      std::string text = line.text;
      for (const auto& item : line.list) text += text.empty() ? item : "," + item;
      store(place, line.key, {std::move(*value), std::move(text), config_layer::file, place});
    }
  }

  void environment(const std::vector<std::pair<std::string, std::string>>& variables) {
    for (const auto& [name, text] : variables) {
      constexpr std::string_view prefix = "ODEON_";
      if (!name.starts_with(prefix) || !name.contains("__")) continue;
      std::string key;
      for (auto rest = std::string_view(name).substr(prefix.size()); !rest.empty();) {
        const bool separator = rest.starts_with("__");
        key += separator ? '.' : lower(rest.front());
        rest.remove_prefix(separator ? 2 : 1);
      }
      from_text("environment " + name, key, text, config_layer::environment);
    }
  }

  void overrides(const std::vector<std::string>& items) {
    for (const auto& item : items) {
      const auto equals = item.find('=');
      if (equals == std::string::npos) {
        mistake("command line: '" + item + "' is not of the form key=value");
        continue;
      }
      from_text("command line", item.substr(0, equals), item.substr(equals + 1),
                config_layer::command_line);
    }
  }

  result<std::shared_ptr<const config_state>> finish() && {
    if (mistakes_ == 0) return std::make_shared<const config_state>(std::move(state_));
    if (mistakes_ > config_errors_max)
      text_ += "\nand " + std::to_string(mistakes_ - config_errors_max) + " more";
    return fail(errc::config_invalid, std::move(text_));
  }

 private:
  static char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

  void mistake(const std::string& text) {
    if (++mistakes_ > config_errors_max) return;
    if (!text_.empty()) text_ += '\n';
    text_ += text;
  }

  void unknown(const std::string& place, std::string_view key) {
    mistake(place + ": unknown key '" + std::string(key) + "'" + state_.rules.suggestion(key));
  }

  const config_rule* known(const std::string& place, std::string_view key) {
    const auto* rule = state_.rules.find(key);
    if (rule != nullptr) return rule;
    if (state_.rules.is_table(key))
      mistake(place + ": '" + std::string(key) + "' is a table, not a value");
    else
      unknown(place, key);
    return nullptr;
  }

  void bad(const std::string& place, std::string_view key, const config_rule& rule,
           std::string_view given) {
    mistake(place + ": '" + std::string(key) + "' must be " + expectation(rule.key) +
            ", but it is " + std::string(given));
  }

  /// The file knows kinds that a text does not: a string is not a number there.
  static result<config_data> from_line(const config_key& key, const config_line& line) {
    const bool wants_list = key.type == config_type::string_list;
    const bool wants_string = key.type == config_type::string || key.type == config_type::choice ||
                              key.type == config_type::duration;
    const bool takes_both = key.type == config_type::size;
    if (line.is_other || line.is_list != wants_list)
      return fail(errc::config_invalid, expectation(key));
    if (wants_list) return config_data(line.list);
    if (!takes_both && line.is_string != wants_string)
      return fail(errc::config_invalid, expectation(key));
    return parse_value(key, line.text);
  }

  void from_text(const std::string& place, const std::string& key, const std::string& text,
                 config_layer layer) {
    const auto* rule = known(place, key);
    if (rule == nullptr) return;
    auto value = parse_value(rule->key, text);
    if (value)
      store(place, key, {std::move(*value), text, layer, place});
    else
      bad(place, key, *rule, '"' + text + '"');
  }

  void store(const std::string& place, const std::string& key, config_value value) {
    if (remember_tables(place, key)) state_.values.insert_or_assign(key, std::move(value));
  }

  /// Notes the user's own names along the key.
  bool remember_tables(const std::string& place, std::string_view key) {
    const auto given = segments(key);
    for (const auto& declared : state_.rules.keys) {
      const auto parts = segments(declared.key);
      const auto star =
          static_cast<std::size_t>(std::ranges::find(parts, std::string_view("*")) - parts.begin());
      if (star >= parts.size() || star >= given.size()) continue;
      if (!std::ranges::equal(std::span(parts).first(star), std::span(given).first(star))) continue;
      std::string prefix(
          key.substr(0, static_cast<std::size_t>(given[star].data() - key.data()) - 1));
      auto& names = state_.tables[prefix];
      if (names.size() >= config_tables_max && !names.contains(std::string(given[star]))) {
        mistake(place + ": more than " + std::to_string(config_tables_max) + " tables under '" +
                prefix + "'");
        return false;
      }
      names.emplace(given[star]);
      return true;
    }
    return true;
  }

  config_state state_;
  std::string text_;
  std::size_t mistakes_ = 0;
};

result<std::string> read_file(const std::string& path) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                       &std::fclose);
  const auto reason = [&] {
    return "cannot read the configuration file " + path + ": " + std::strerror(errno);
  };
  if (file == nullptr) return fail(errno == ENOENT ? errc::not_found : errc::io_failed, reason());
  std::string text(config_file_max + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0) return fail(errc::io_failed, reason());
  if (text.size() > config_file_max)
    return fail(errc::limit_exceeded, "the configuration file " + path + " is larger than " +
                                          std::to_string(config_file_max) + " bytes");
  return text;
}

/// The value in force, and its rule.
std::pair<const config_rule*, const config_value*> look_up(const config_state& state,
                                                           std::string_view key) {
  const auto* rule = state.rules.find(key);
  if (rule == nullptr)
    throw actor_error(errc::invalid_argument, "no configuration key '" + std::string(key) +
                                                  "' is declared" + state.rules.suggestion(key));
  const auto given = state.values.find(key);
  return {rule, given == state.values.end() ? nullptr : &given->second};
}

template <class T>
const T& value_of(const config_state& state, std::string_view key,
                  std::initializer_list<config_type> types) {
  const auto [rule, given] = look_up(state, key);
  if (std::ranges::find(types, rule->key.type) == types.end())
    throw actor_error(errc::invalid_argument, "the configuration key '" + std::string(key) +
                                                  "' is " + expectation(rule->key) +
                                                  ": read it as that");
  return std::get<T>(given == nullptr ? rule->fallback : given->data);
}

}  // namespace

}  // namespace detail

config_schema::config_schema() : rules_(std::make_unique<detail::config_rules>()) {}
config_schema::~config_schema() = default;
config_schema::config_schema(const config_schema& other)
    : rules_(std::make_unique<detail::config_rules>(*other.rules_)) {}
config_schema::config_schema(config_schema&& other) noexcept = default;
config_schema& config_schema::operator=(config_schema other) noexcept {
  rules_.swap(other.rules_);
  return *this;
}

config_schema& config_schema::add(config_key key) {
  auto rule = detail::make_rule(std::move(key));
  const auto name = rule.key.key;
  if (rules_->by_key.contains(name))
    throw actor_error(errc::invalid_argument,
                      "the configuration key '" + name + "' is declared twice");
  rules_->keys.push_back(rule.key);
  rules_->by_key.emplace(name, std::move(rule));
  return *this;
}

config_schema& config_schema::add(const config_schema& other) {
  for (const auto& key : other.keys()) {
    const auto here = rules_->by_key.find(key.key);
    if (here == rules_->by_key.end())
      add(key);
    else if (here->second.key != key)
      throw actor_error(errc::invalid_argument,
                        "the configuration key '" + key.key + "' is declared in two ways");
  }
  return *this;
}

const std::vector<config_key>& config_schema::keys() const noexcept { return rules_->keys; }

configuration::configuration() : configuration(config_schema()) {}

configuration::configuration(const config_schema& schema) {
  auto state = std::make_shared<detail::config_state>();
  state->rules = *schema.rules_;
  state_ = std::move(state);
}

result<configuration> configuration::load(const config_schema& schema,
                                          const config_sources& sources) {
  if (sources.file.empty()) return parse(schema, "", "", sources);
  auto text = detail::read_file(sources.file);
  if (!text) return std::unexpected(std::move(text.error()));
  return parse(schema, *text, sources.file, sources);
}

result<configuration> configuration::parse(const config_schema& schema, std::string_view toml,
                                           std::string_view name, const config_sources& rest) {
  detail::loader loader(*schema.rules_);
  auto lines = detail::read_toml(toml, name);
  if (!lines) return std::unexpected(std::move(lines.error()));
  loader.file(*lines, name);
  loader.environment(rest.environment);
  loader.overrides(rest.overrides);
  auto state = std::move(loader).finish();
  if (!state) return std::unexpected(std::move(state.error()));
  configuration out;
  out.state_ = std::move(*state);
  return out;
}

bool configuration::get_bool(std::string_view key) const {
  return detail::value_of<bool>(*state_, key, {config_type::boolean});
}
std::int64_t configuration::get_int(std::string_view key) const {
  return detail::value_of<std::int64_t>(*state_, key, {config_type::integer});
}
double configuration::get_float(std::string_view key) const {
  return detail::value_of<double>(*state_, key, {config_type::floating});
}
duration configuration::get_duration(std::string_view key) const {
  return detail::value_of<duration>(*state_, key, {config_type::duration});
}
std::int64_t configuration::get_size(std::string_view key) const {
  return detail::value_of<std::int64_t>(*state_, key, {config_type::size});
}
const std::string& configuration::get_string(std::string_view key) const {
  return detail::value_of<std::string>(*state_, key, {config_type::string, config_type::choice});
}
const std::vector<std::string>& configuration::get_list(std::string_view key) const {
  return detail::value_of<std::vector<std::string>>(*state_, key, {config_type::string_list});
}

config_layer configuration::layer(std::string_view key) const {
  const auto* given = detail::look_up(*state_, key).second;
  return given == nullptr ? config_layer::fallback : given->layer;
}

const std::string& configuration::origin(std::string_view key) const {
  static const std::string fallback = "default";
  const auto* given = detail::look_up(*state_, key).second;
  return given == nullptr ? fallback : given->origin;
}

std::vector<std::string> configuration::names(std::string_view prefix) const {
  const auto found = state_->tables.find(prefix);
  if (found == state_->tables.end()) return {};
  return {found->second.begin(), found->second.end()};
}

std::vector<config_entry> configuration::describe() const {
  std::vector<config_entry> out;
  const auto entry = [&](std::string key, const config_key& declared) {
    const auto given = state_->values.find(key);
    const bool has = given != state_->values.end();
    auto type = detail::expectation(declared);
    if (!declared.unit.empty()) type += ", " + declared.unit;
    out.push_back({std::move(key), has ? given->second.text : declared.fallback, declared.fallback,
                   has ? given->second.origin : std::string("default"), std::move(type),
                   declared.sentence});
  };
  for (const auto& declared : state_->rules.keys) {
    const auto star = declared.key.find('*');
    const auto tables = star == std::string::npos ? std::vector<std::string>()
                                                  : names(declared.key.substr(0, star - 1));
    if (tables.empty()) entry(declared.key, declared);
    for (const auto& name : tables)
      entry(declared.key.substr(0, star) + name + declared.key.substr(star + 1), declared);
  }
  std::ranges::sort(out, {}, &config_entry::key);
  return out;
}

std::vector<std::pair<std::string, std::string>> read_environment() {
  std::vector<std::pair<std::string, std::string>> out;
  for (char** p = environ; p != nullptr && *p != nullptr; ++p) {
    const std::string_view entry(*p);
    const auto equals = entry.find('=');
    if (entry.starts_with("ODEON_") && equals != std::string_view::npos)
      out.emplace_back(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return out;
}

}  // namespace odeon
