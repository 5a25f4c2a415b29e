#pragma once

#include <odeon/base/config.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// @file How configuration keys hold their values: parsing, ranges, and the search for what was
/// meant.

namespace odeon::detail {

using config_data =
    std::variant<bool, std::int64_t, double, duration, std::string, std::vector<std::string>>;

struct config_value {
  config_data data;
  std::string text;  ///< in the form of an override
  config_layer layer = config_layer::fallback;
  std::string origin = "default";
};

/// A declared key with its texts parsed.
struct config_rule {
  config_key key;
  config_data fallback;
};

struct config_rules {
  std::vector<config_key> keys;  ///< in the order added
  std::map<std::string, config_rule, std::less<>>
      by_key;  ///< by the declared spelling, `*` and all

  /// The rule for a concrete key, or null: exact ones before those with `*`.
  [[nodiscard]] const config_rule* find(std::string_view key) const;

  /// Whether some key stands below this table: "dispatcher.io" for `dispatcher.*.kind`.
  [[nodiscard]] bool is_table(std::string_view prefix) const;

  /// `; did you mean 'core.workers'?`, or a list of what the nearest table has; empty when there is
  /// nothing to say.
  [[nodiscard]] std::string suggestion(std::string_view key) const;
};

/// Checks a declaration and parses its texts; throws `actor_error`.
[[nodiscard]] config_rule make_rule(config_key key);

/// Reads `text` as the key's type and checks its range. The error's text is what the value must be.
[[nodiscard]] result<config_data> parse_value(const config_key& key, std::string_view text);

/// Checks a value of the right alternative against range and choices.
[[nodiscard]] result<config_data> check_value(const config_key& key, config_data value);

/// "an integer from 0 to 1024".
[[nodiscard]] std::string expectation(const config_key& key);

/// The segments of a dotted key.
[[nodiscard]] std::vector<std::string_view> segments(std::string_view key);

/// The number of single-letter edits (insert, delete, replace, swap of neighbours) from one to the
/// other.
[[nodiscard]] std::size_t edit_distance(std::string_view a, std::string_view b);

/// One value of the file, flattened: its key, its text in the form of an override, its line.
struct config_line {
  std::string key;
  std::string text;
  bool is_string = false;  ///< a quoted string
  bool is_list = false;    ///< an array of strings
  bool is_table = false;   ///< an empty table: nothing but its name
  bool is_other = false;   ///< a date, a list of something else: `text` says what
  std::vector<std::string> list = {};
  unsigned line = 0;
};

/// Reads TOML. Errors: `config_invalid` with "<name>:<line>: <what the parser says>".
[[nodiscard]] result<std::vector<config_line>> read_toml(std::string_view text,
                                                         std::string_view name);

}  // namespace odeon::detail
