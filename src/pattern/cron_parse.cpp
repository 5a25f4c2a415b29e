#include <odeon/pattern/cron.hpp>

#include <date/tz.h>

#include <algorithm>
#include <cctype>
#include <span>
#include <vector>

namespace odeon {

namespace {

struct field_rule {
  std::string_view name;
  int min;
  int max;
  std::span<const std::string_view> names;  // of min, min + 1, …
};

constexpr std::string_view month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                            "jul", "aug", "sep", "oct", "nov", "dec"};
constexpr std::string_view weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};
// 7 is Sunday as well, once ranges are whole.
constexpr field_rule rules[] = {
    {"second", 0, 59, {}},         {"minute", 0, 59, {}},
    {"hour", 0, 23, {}},           {"day of the month", 1, 31, {}},
    {"month", 1, 12, month_names}, {"day of the week", 0, 7, weekday_names}};
enum field_index : int { second, minute, hour, day, month, day_of_week };

constexpr std::pair<std::string_view, std::string_view> macros[] = {
    {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"}, {"@monthly", "0 0 1 * *"},
    {"@weekly", "0 0 * * 0"}, {"@daily", "0 0 * * *"},    {"@midnight", "0 0 * * *"},
    {"@hourly", "0 * * * *"}};

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

/// Rows of Levenshtein's distance, on texts of at most 64 bytes.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j)
      diagonal = std::exchange(
          row[j], std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] != b[j - 1])}));
  }
  return row.back();
}

result<const date::time_zone*> find_zone(std::string_view name) {
  try {
    const date::time_zone* zone = date::locate_zone(name);
    (void)zone->get_info(date::sys_seconds());  // reads its file
    return zone;
  } catch (const std::exception&) {
    std::string text = "cron: there is no time zone \"" + std::string(name.substr(0, 64)) + "\"";
    const std::string wanted = lower(name.substr(0, 64));
    std::string_view near;
    std::size_t least = wanted.size() / 2 + 1;
    try {
      for (const auto& zone : date::get_tzdb().zones) {
        std::string_view last = zone.name();
        last.remove_prefix(last.rfind('/') + 1);  // npos + 1 is 0
        const std::size_t d =
            std::min(distance(wanted, lower(zone.name())), distance(wanted, lower(last)));
        if (d < least) least = d, near = zone.name();
      }
    } catch (const std::exception& e) {
      return fail(errc::invalid_argument, text + ": " + e.what());
    }
    if (!near.empty()) text += "; the nearest is \"" + std::string(near) + "\"";
    return fail(errc::invalid_argument, std::move(text));
  }
}

}  // namespace

/// Reads an expression from left to right; `at_` is the next byte.
class cron_parser {
 public:
  explicit cron_parser(std::string_view text) : text_(lower(text)) {}

  result<void> read(cron& out) {
    skip_blanks();
    if (more() && text_[at_] == '@') return read_macro(out);
    const int fields = count_fields();
    if (fields != 5 && fields != 6)
      return fail(errc::invalid_argument, "cron \"" + text_ + "\": has " + std::to_string(fields) +
                                              " fields; there must be 5, or 6 with seconds first");
    if (fields == 5) out.seconds_ = 1;
    for (int f = fields == 6 ? second : minute; f <= day_of_week; ++f) {
      skip_blanks();
      if (auto ok = read_field(f, out); !ok) return ok;
    }
    out.either_day_ = !starred_[day] && !starred_[day_of_week];
    return {};
  }

 private:
  [[nodiscard]] bool more() const noexcept { return at_ < text_.size(); }
  [[nodiscard]] static bool blank(char c) noexcept { return c == ' ' || c == '\t'; }
  [[nodiscard]] bool in_field() const noexcept { return more() && !blank(text_[at_]); }
  bool take(char c) noexcept {
    if (!in_field() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() noexcept {
    while (more() && blank(text_[at_])) ++at_;
  }
  [[nodiscard]] int count_fields() const noexcept {
    int n = 0;
    for (std::size_t i = 0; i < text_.size(); ++i)
      n += !blank(text_[i]) && (i == 0 || blank(text_[i - 1])) ? 1 : 0;
    return n;
  }
  [[nodiscard]] std::unexpected<error> refuse(int f, std::size_t where, std::string why) const {
    return fail(errc::invalid_argument, "cron \"" + text_ + "\": " + std::string(rules[f].name) +
                                            ", position " + std::to_string(where + 1) + ": " + why);
  }

  result<void> read_macro(cron& out) {
    std::string_view name = text_;
    name.remove_prefix(at_);
    while (!name.empty() && blank(name.back())) name.remove_suffix(1);
    for (const auto& [key, meaning] : macros)
      if (key == name) return cron_parser(meaning).read(out);
    return fail(errc::invalid_argument,
                "cron \"" + text_ + "\": position " + std::to_string(at_ + 1) +
                    ": there are @yearly, @monthly, @weekly, @daily and @hourly, but no \"" +
                    std::string(name) + "\"");
  }

  result<void> read_field(int f, cron& out) {
    starred_[f] = text_[at_] == '*' || text_[at_] == '?';
    do {
      if (auto ok = read_item(f, out); !ok) return ok;
    } while (take(','));
    if (in_field())
      return refuse(f, at_, "'" + std::string(1, text_[at_]) + "' does not belong here");
    return {};
  }

  /// A number or a name.
  result<int> read_value(int f) {
    const field_rule& rule = rules[f];
    const std::size_t begin = at_;
    if (!in_field()) return refuse(f, at_, "a value is missing");
    if (std::isdigit(static_cast<unsigned char>(text_[at_])) != 0) {
      int value = 0;
      while (in_field() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0)
        value = std::min(value * 10 + (text_[at_++] - '0'), 100'000);
      if (value < rule.min || value > rule.max)
        return refuse(f, begin,
                      text_.substr(begin, at_ - begin) + " is not in " + std::to_string(rule.min) +
                          " to " + std::to_string(rule.max));
      return value;
    }
    const std::string_view name = std::string_view(text_).substr(at_, 3);
    for (std::size_t i = 0; i < rule.names.size(); ++i) {
      if (rule.names[i] != name) continue;
      at_ += 3;
      return rule.min + static_cast<int>(i);
    }
    return refuse(f, begin, "'" + std::string(1, text_[at_]) + "' is no value of this field");
  }

  result<void> read_item(int f, cron& out) {
    const std::size_t begin = at_;
    if (f == day && take('l')) return read_from_end(out);
    if (f == day_of_week && in_field() && text_[at_] == 'l')
      return refuse(f, at_, "the last of which weekday? Such as friL");
    const bool star = take('*') || ((f == day || f == day_of_week) && take('?'));
    int first = rules[f].min;
    int last = f == day_of_week ? 6 : rules[f].max;
    bool range = star;
    if (!star) {
      auto value = read_value(f);
      if (!value) return std::unexpected(std::move(value.error()));
      if (f == day_of_week && take('l')) {
        out.last_of_ |= 1u << (*value % 7);
        return {};
      }
      if (f == day_of_week && take('#')) return read_nth(*value % 7, out);
      first = *value;
      if (take('-')) {
        range = true;
        const std::size_t where = at_;
        auto end = read_value(f);
        if (!end) return std::unexpected(std::move(end.error()));
        last = f == day_of_week && *end == 0 && first > 0 ? 7 : *end;  // sat-sun
        if (last < first)
          return refuse(
              f, where,
              "the range " + text_.substr(begin, at_ - begin) + " runs backwards: write two");
      }
    }
    int step = 1;
    if (const std::size_t where = at_ + 1; take('/')) {
      auto given = read_step(f, where);
      if (!given) return std::unexpected(std::move(given.error()));
      step = *given;
    } else if (!range) {
      last = first;
    }
    for (int v = first; v <= last; v += step) add(f, v, out);
    return {};
  }

  result<int> read_step(int f, std::size_t where) {
    int step = 0;
    while (in_field() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0)
      step = std::min(step * 10 + (text_[at_++] - '0'), 100'000);
    if (at_ == where) return refuse(f, where, "a step is missing");
    if (step < 1 || step > rules[f].max)
      return refuse(f, where,
                    "a step of " + text_.substr(where, at_ - where) + " is not in 1 to " +
                        std::to_string(rules[f].max));
    return step;
  }
  /// Behind `L`.
  result<void> read_from_end(cron& out) {
    int before = 0;
    if (take('-')) {
      const std::size_t where = at_;
      while (in_field() && std::isdigit(static_cast<unsigned char>(text_[at_])) != 0)
        before = std::min(before * 10 + (text_[at_++] - '0'), 100'000);
      if (at_ == where || before > 30)
        return refuse(day, where, "the number of days before the last is 0 to 30");
    }
    out.from_end_ |= 1u << before;
    return {};
  }
  /// Behind `#`.
  result<void> read_nth(int which, cron& out) {
    if (!in_field() || text_[at_] < '1' || text_[at_] > '5')
      return refuse(day_of_week, at_, "behind # stands which one of the month: 1 to 5");
    out.nth_[static_cast<std::size_t>(which)] |= 1u << (text_[at_++] - '0');
    return {};
  }

  static void add(int f, int value, cron& out) noexcept {
    switch (f) {
      case second: out.seconds_ |= std::uint64_t{1} << value; break;
      case minute: out.minutes_ |= std::uint64_t{1} << value; break;
      case hour: out.hours_ |= 1u << value; break;
      case day: out.days_ |= 1u << value; break;
      case month: out.months_ |= 1u << value; break;
      default: out.weekdays_ |= 1u << (value % 7); break;
    }
  }

  std::string text_;
  std::size_t at_ = 0;
  bool starred_[6] = {};
};

result<cron> cron::parse(std::string_view expression, std::string_view zone) {
  if (expression.size() > cron_text_max)
    return fail(errc::invalid_argument,
                "a cron expression of " + std::to_string(expression.size()) +
                    " bytes is longer than the bound, " + std::to_string(cron_text_max));
  cron out;
  out.expression_ = expression;
  out.zone_name_ = zone;
  cron_parser parser(out.expression_);
  if (auto ok = parser.read(out); !ok) return std::unexpected(std::move(ok.error()));
  auto where = find_zone(zone);
  if (!where) return std::unexpected(std::move(where.error()));
  out.where_ = *where;
  return out;
}

}  // namespace odeon
