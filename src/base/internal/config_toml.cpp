#define TOML_EXCEPTIONS 0
#define TOML_HEADER_ONLY 1
#include "config_values.hpp"

#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>

/// @file The only place that knows the TOML library.

namespace odeon::detail {

namespace {

const char* kind_of(const toml::node& node) {
  if (node.is_array()) return "an array of other things than strings";
  if (node.is_date() || node.is_time() || node.is_date_time()) return "a date or time";
  return "a value of another kind";
}

void flatten(const toml::table& table, const std::string& prefix, std::vector<config_line>& out);

config_line leaf(std::string key, const toml::node& node) {
  config_line line{.key = std::move(key), .text = {}, .line = node.source().begin.line};
  if (const auto* text = node.as_string()) {
    line.text = text->get();
    line.is_string = true;
  } else if (const auto* flag = node.as_boolean()) {
    line.text = flag->get() ? "true" : "false";
  } else if (const auto* number = node.as_integer()) {
    line.text = std::to_string(number->get());
  } else if (const auto* real = node.as_floating_point()) {
    std::array<char, 32> digits{};
    auto end = std::to_chars(digits.data(), digits.data() + digits.size(), real->get()).ptr;
    line.text.assign(digits.data(), end);
  } else if (const auto* array = node.as_array();
             array != nullptr && (array->empty() || array->is_homogeneous<std::string>())) {
    line.is_list = true;
    for (const auto& item : *array) line.list.push_back(item.as_string()->get());
  } else {
    line.is_other = true;
    line.text = kind_of(node);
  }
  return line;
}

void flatten(const toml::table& table, const std::string& prefix, std::vector<config_line>& out) {
  for (const auto& [name, node] : table) {
    std::string key =
        prefix.empty() ? std::string(name.str()) : prefix + '.' + std::string(name.str());
    if (const auto* inner = node.as_table()) {
      // The parser bounds the depth (TOML_MAX_NESTED_VALUES).
      if (inner->empty())
        out.push_back({.key = std::move(key),
                       .text = {},
                       .is_table = true,
                       .line = node.source().begin.line});
      else
        flatten(*inner, key, out);
    } else {
      out.push_back(leaf(std::move(key), node));
    }
  }
}

}  // namespace

result<std::vector<config_line>> read_toml(std::string_view toml, std::string_view name) {
  auto parsed = toml::parse(toml, name);
  if (!parsed) {
    const auto& where = parsed.error().source().begin;
    return fail(errc::config_invalid, std::string(name) + ':' + std::to_string(where.line) + ": " +
                                          std::string(parsed.error().description()));
  }
  std::vector<config_line> out;
  flatten(parsed.table(), "", out);
  std::stable_sort(out.begin(), out.end(),
                   [](const config_line& a, const config_line& b) { return a.line < b.line; });
  return out;
}

}  // namespace odeon::detail
