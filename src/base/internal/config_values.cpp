#include "config_values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <optional>
#include <span>

namespace odeon {

namespace {

struct unit {
  std::string_view name;
  double factor;
};

constexpr std::array duration_units{unit{"ns", 1},     unit{"us", 1e3},   unit{"ms", 1e6},
                                    unit{"s", 1e9},    unit{"min", 60e9}, unit{"h", 3600e9},
                                    unit{"d", 86400e9}};
constexpr std::array size_units{unit{"B", 1},           unit{"kB", 1e3},   unit{"MB", 1e6},
                                unit{"GB", 1e9},        unit{"KiB", 1024}, unit{"MiB", 1048576},
                                unit{"GiB", 1073741824}};

template <class Number>
std::optional<Number> number(std::string_view text) {
  Number value{};
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// number × factor as an integer; exact when the number is one.
std::optional<std::int64_t> scaled(std::string_view digits, double factor) {
  constexpr auto max = std::numeric_limits<std::int64_t>::max();
  if (auto whole = number<std::int64_t>(digits)) {
    const auto by = static_cast<std::int64_t>(factor);
    if (*whole > max / by || *whole < -max / by) return std::nullopt;
    return *whole * by;
  }
  auto real = number<double>(digits);
  if (!real || !std::isfinite(*real)) return std::nullopt;
  const double value = *real * factor;
  if (std::abs(value) >= 9.2e18) return std::nullopt;
  return std::llround(value);
}

std::pair<std::string_view, std::string_view> split_unit(std::string_view text) {
  const auto end = text.find_last_of("0123456789.");
  if (end == std::string_view::npos) return {{}, text};
  auto rest = text.substr(end + 1);
  while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
  return {text.substr(0, end + 1), rest};
}

}  // namespace

result<duration> parse_duration(std::string_view text) {
  const auto [digits, name] = split_unit(text);
  for (const auto& u : duration_units) {
    if (u.name != name) continue;
    if (auto value = scaled(digits, u.factor)) return duration(*value);
    break;
  }
  return fail(errc::config_invalid,
              "a duration is a number and a unit (ns us ms s min h d), such as \"250ms\"");
}

result<std::int64_t> parse_size(std::string_view text) {
  const auto [digits, name] = split_unit(text);
  for (const auto& u : size_units) {
    if (u.name != name && !(name.empty() && u.factor == 1)) continue;
    if (auto value = scaled(digits, u.factor)) return *value;
    break;
  }
  return fail(errc::config_invalid,
              "a size is a number of bytes, with or without a unit (B kB MB GB KiB MiB GiB), "
              "such as \"64KiB\"");
}

namespace detail {

namespace {

constexpr std::size_t key_max = 200;  // letters of a key: bounds the search for similar ones

std::vector<std::string> split_list(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty()) {
    const auto comma = text.find(',');
    auto item = text.substr(0, comma);
    while (!item.empty() && item.front() == ' ') item.remove_prefix(1);
    while (!item.empty() && item.back() == ' ') item.remove_suffix(1);
    out.emplace_back(item);
    if (comma == std::string_view::npos) break;
    text.remove_prefix(comma + 1);
  }
  return out;
}

/// The value without its range.
std::optional<config_data> read(const config_key& key, std::string_view text) {
  switch (key.type) {
    case config_type::boolean:
      if (text == "true") return config_data(true);
      if (text == "false") return config_data(false);
      return std::nullopt;
    case config_type::integer:
      if (auto value = number<std::int64_t>(text)) return config_data(*value);
      return std::nullopt;
    case config_type::floating:
      if (auto value = number<double>(text); value && std::isfinite(*value))
        return config_data(*value);
      return std::nullopt;
    case config_type::duration:
      if (auto value = parse_duration(text)) return config_data(*value);
      return std::nullopt;
    case config_type::size:
      if (auto value = parse_size(text)) return config_data(*value);
      return std::nullopt;
    case config_type::string_list: return config_data(split_list(text));
    case config_type::string:
    case config_type::choice: break;
  }
  return config_data(std::string(text));
}

std::string quoted(std::string_view text) { return "\"" + std::string(text) + "\""; }

std::string joined(const std::vector<std::string>& items, std::string_view between) {
  std::string out;
  for (const auto& item : items) {
    if (!out.empty()) out += between;
    out += item;
  }
  return out;
}

bool is_segment(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

bool matches(std::string_view pattern, std::string_view key) {
  const auto p = segments(pattern);
  const auto k = segments(key);
  return std::ranges::equal(p, k, [](auto a, auto b) { return a == "*" ? !b.empty() : a == b; });
}

}  // namespace

std::vector<std::string_view> segments(std::string_view key) {
  std::vector<std::string_view> out;
  for (;;) {
    const auto dot = key.find('.');
    out.push_back(key.substr(0, dot));
    if (dot == std::string_view::npos) return out;
    key.remove_prefix(dot + 1);
  }
}

std::string expectation(const config_key& key) {
  std::string range;
  if (!key.min.empty() && !key.max.empty())
    range = " from " + key.min + " to " + key.max;
  else if (!key.min.empty())
    range = " of at least " + key.min;
  else if (!key.max.empty())
    range = " of at most " + key.max;
  switch (key.type) {
    case config_type::boolean: return "true or false";
    case config_type::integer: return "an integer" + range;
    case config_type::floating: return "a number" + range;
    case config_type::duration: return "a duration such as \"250ms\"" + range;
    case config_type::size: return "a size such as \"64KiB\"" + range;
    case config_type::string: return "a string";
    case config_type::choice: return "one of " + joined(key.choices, ", ");
    case config_type::string_list: return "a list of strings";
  }
  return "a value";
}

result<config_data> check_value(const config_key& key, config_data value) {
  if (key.type == config_type::choice) {
    if (std::ranges::find(key.choices, std::get<std::string>(value)) == key.choices.end())
      return fail(errc::config_invalid, expectation(key));
    return value;
  }
  const bool ordered = key.type == config_type::integer || key.type == config_type::floating ||
                       key.type == config_type::duration || key.type == config_type::size;
  if (ordered) {
    // Durations and sizes are never negative unless the declaration says so.
    const bool from_zero =
        key.min.empty() && (key.type == config_type::duration || key.type == config_type::size);
    auto least = read(
        key, from_zero ? (key.type == config_type::size ? "0" : "0s") : std::string_view(key.min));
    auto most = read(key, key.max);
    if ((least && value < *least) || (most && value > *most))
      return fail(errc::config_invalid, expectation(key));
  }
  return value;
}

result<config_data> parse_value(const config_key& key, std::string_view text) {
  if (auto value = read(key, text)) return check_value(key, std::move(*value));
  return fail(errc::config_invalid, expectation(key));
}

config_rule make_rule(config_key key) {
  const auto parts = segments(key.key);
  const auto stars = std::ranges::count(parts, std::string_view("*"));
  const bool well_formed =
      parts.size() >= 2 && parts.front() != "*" && parts.back() != "*" && stars <= 1 &&
      key.key.size() <= key_max &&
      std::ranges::all_of(parts, [](auto p) { return p == "*" || is_segment(p); });
  if (!well_formed)
    throw actor_error(errc::invalid_argument,
                      "the configuration key '" + key.key + "' is not of the form table.key");
  for (const auto* bound : {&key.min, &key.max})
    if (!bound->empty() && !read(key, *bound))
      throw actor_error(errc::invalid_argument,
                        "the bound " + quoted(*bound) + " of '" + key.key + "' is not of its type");
  auto fallback = parse_value(key, key.fallback);
  if (!fallback)
    throw actor_error(errc::invalid_argument, "the default of '" + key.key + "' must be " +
                                                  std::string(fallback.error().text()) +
                                                  ", but it is " + quoted(key.fallback));
  return {std::move(key), std::move(*fallback)};
}

const config_rule* config_rules::find(std::string_view key) const {
  if (auto exact = by_key.find(key); exact != by_key.end() && !key.contains('*'))
    return &exact->second;
  for (const auto& [pattern, rule] : by_key)
    if (pattern.contains('*') && matches(pattern, key)) return &rule;
  return nullptr;
}

bool config_rules::is_table(std::string_view prefix) const {
  const auto wanted = segments(prefix);
  return std::ranges::any_of(keys, [&](const config_key& k) {
    const auto parts = segments(k.key);
    return parts.size() > wanted.size() &&
           std::ranges::equal(wanted, std::span(parts).first(wanted.size()),
                              [](auto a, auto b) { return b == "*" ? !a.empty() : a == b; });
  });
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  // Optimal string alignment (Damerau 1964 restricted to neighbours), three rows.
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] =
          std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] != b[j - 1] ? 1U : 0U)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        row[j] = std::min(row[j], before[j - 2] + 1);
    }
    std::swap(before, last);
    std::swap(last, row);
  }
  return last[b.size()];
}

std::string config_rules::suggestion(std::string_view key) const {
  const auto given = segments(key.substr(0, key_max));
  std::string best;
  std::size_t distance = std::numeric_limits<std::size_t>::max();
  for (const auto& declared : keys) {
    // Where the declaration has `*`, the user's own name is taken as it is.
    std::string candidate;
    const auto parts = segments(declared.key);
    for (std::size_t i = 0; i < parts.size(); ++i) {
      if (i != 0) candidate += '.';
      candidate +=
          parts[i] == "*" ? (i < given.size() ? given[i] : std::string_view("<name>")) : parts[i];
    }
    const auto d = edit_distance(key.substr(0, key_max), candidate);
    if (d < distance) {
      distance = d;
      best = candidate;
    }
  }
  if (!best.empty() && distance <= std::max<std::size_t>(2, best.size() / 4))
    return "; did you mean '" + best + "'?";
  std::vector<std::string> there;
  for (const auto& declared : keys)
    if (segments(declared.key).front() == given.front()) there.push_back(declared.key);
  if (!there.empty()) return "; there are " + joined(there, ", ");
  for (const auto& declared : keys) {
    const std::string top(segments(declared.key).front());
    if (std::ranges::find(there, top) == there.end()) there.push_back(top);
  }
  return there.empty() ? std::string() : "; there are the tables " + joined(there, ", ");
}

}  // namespace detail

}  // namespace odeon
