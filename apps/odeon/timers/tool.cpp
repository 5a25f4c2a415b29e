#include "odeon/timers/tool.hpp"

#include "odeon/journal/text.hpp"
#include <odeon/persistence/durable_timer.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <optional>
#include <utility>

namespace odeon::timers_tool {

namespace {

using journal_tool::complain;
using journal_tool::terminal;

constexpr std::size_t page = 1000;

std::string repeats(const durable_timer& t) {
  if (!t.cron_expression().empty()) return t.cron_expression() + " " + t.zone();
  if (t.interval() > duration::zero()) return "every " + to_string(t.interval());
  return "once";
}

std::string_view caught_up(const durable_timer& t) {
  switch (t.missed()) {
    case catch_up::once: return "once";
    case catch_up::all: return "all";
    case catch_up::skip: return "skip";
  }
  return "?";
}

void print(const stored_timer& s, bool json, const terminal& t) {
  const auto read = durable_timer::from_record(s.timer);
  const std::string due = journal_tool::iso_time(s.timer.due);
  if (json) {
    std::string line = "{\"owner\":" + journal_tool::json_text(s.persistence_id) +
                       ",\"id\":" + journal_tool::json_text(s.timer.id) + ",\"due\":\"" + due +
                       "\"";
    if (read)
      line += ",\"repeats\":" + journal_tool::json_text(repeats(*read)) + ",\"missed\":\"" +
              std::string(caught_up(*read)) +
              "\",\"manifest\":" + journal_tool::json_text(read->manifest()) + "," +
              journal_tool::payload_members(read->payload());
    else
      line += ",\"manifest\":" + journal_tool::json_text(s.timer.manifest) + "," +
              journal_tool::payload_members(s.timer.payload);
    std::fprintf(t.out, "%s}\n", line.c_str());
    return;
  }
  const std::string what =
      read ? repeats(*read) + "  " + read->manifest() + " " +
                 journal_tool::payload_text(read->payload())
           : s.timer.manifest + " " + journal_tool::payload_text(s.timer.payload);
  std::fprintf(t.out, "%s  %s  %s  %s\n", due.c_str(),
               journal_tool::shown(s.persistence_id).c_str(),
               journal_tool::shown(s.timer.id).c_str(), what.c_str());
}

result<std::vector<stored_timer>> timers_of(runtime& rt, journal& j, const std::string& owner) {
  auto all = wait_for<std::vector<timer_record>>(
      rt, [&](auto done) { j.timers_of(owner, std::move(done)); });
  if (!all) return std::unexpected(std::move(all.error()));
  std::ranges::sort(*all, {}, [](const timer_record& r) { return std::pair(r.due, r.id); });
  std::vector<stored_timer> out;
  for (timer_record& r : *all) out.push_back({owner, std::move(r)});
  return out;
}

/// Replaces the timer as it is now; nothing: removes it.
int change(const change_options& o, std::optional<wall_time> to, const terminal& t) {
  const auto rt = make_threaded_runtime();
  auto j = journal_tool::open_to_write(*rt, o.from);
  if (!j) return complain(t, j.error(), journal_tool::cannot_open);
  auto all = timers_of(*rt, **j, o.owner);
  if (!all) return complain(t, all.error(), journal_tool::failed);
  const auto at =
      std::ranges::find_if(*all, [&](const stored_timer& s) { return s.timer.id == o.id; });
  if (at == all->end())
    return complain(t,
                    error(errc::not_found, journal_tool::shown(o.owner) + " has no timer " +
                                               journal_tool::shown(o.id)),
                    journal_tool::failed);
  timer_change c{.persistence_id = o.owner,
                 .timer_id = o.id,
                 .only_if_due = at->timer.due,
                 .set = std::nullopt};
  if (to) {
    c.set = at->timer;
    c.set->due = *to;
  }
  std::vector<timer_change> changes;
  changes.push_back(std::move(c));
  auto done = wait_for<std::uint64_t>(
      *rt, [&](auto d) { (*j)->change_timers(std::move(changes), std::move(d)); });
  if (!done) return complain(t, done.error(), journal_tool::failed);
  if (*done == 0)
    return complain(t, error(errc::version_conflict, "the timer was changed meanwhile: try again"),
                    journal_tool::failed);
  std::fprintf(t.out, "%s %s\n", journal_tool::shown(o.id).c_str(),
               to ? ("is due at " + journal_tool::iso_time(*to)).c_str() : "is cancelled");
  return journal_tool::good;
}

std::optional<int> number(std::string_view text) {
  int n = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), n);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return n;
}

/// "2026-03-01T12:00:00" and a fraction, before the Z.
std::optional<wall_time> read_date(std::string_view text) {
  constexpr std::string_view form = "dddd-dd-ddTdd:dd:dd";
  if (text.size() < form.size() + 1 || text.back() != 'Z') return std::nullopt;
  for (std::size_t i = 0; i < form.size(); ++i)
    if (form[i] == 'd' ? (text[i] < '0' || text[i] > '9') : text[i] != form[i]) return std::nullopt;
  const auto part = [&](std::size_t from, std::size_t n) { return *number(text.substr(from, n)); };
  const std::chrono::year_month_day day{std::chrono::year(part(0, 4)),
                                        std::chrono::month(static_cast<unsigned>(part(5, 2))),
                                        std::chrono::day(static_cast<unsigned>(part(8, 2)))};
  const int hour = part(11, 2), minute = part(14, 2), second = part(17, 2);
  // What nanoseconds since 1970 in 64 bits can tell.
  if (!day.ok() || part(0, 4) < 1678 || part(0, 4) > 2261 || hour > 23 || minute > 59 ||
      second > 59)
    return std::nullopt;
  std::string_view fraction = text.substr(form.size());
  fraction.remove_suffix(1);
  std::int64_t nanoseconds = 0;
  if (!fraction.empty()) {
    if (fraction[0] != '.' || fraction.size() < 2 || fraction.size() > 10) return std::nullopt;
    std::string digits(fraction.substr(1));
    digits.resize(9, '0');
    const auto n = number(digits);
    if (!n || *n < 0 || digits[0] == '-') return std::nullopt;
    nanoseconds = *n;
  }
  return wall_time(std::chrono::sys_days(day)) + std::chrono::hours(hour) +
         std::chrono::minutes(minute) + std::chrono::seconds(second) +
         std::chrono::nanoseconds(nanoseconds);
}

}  // namespace

result<wall_time> read_time(std::string_view text, wall_time now) {
  constexpr std::array<std::pair<char, std::int64_t>, 4> units = {
      {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}}};
  if (text.size() > 2 && text.front() == '+') {
    const auto n = number(text.substr(1, text.size() - 2));
    for (const auto& [unit, seconds] : units)
      if (text.back() == unit && n && *n >= 0 && *n * seconds < 100LL * 365 * 86400)
        return now + std::chrono::seconds(*n * seconds);
  } else if (const auto t = read_date(text)) {
    return *t;
  }
  return fail(errc::invalid_argument, std::string(text) +
                                          " is no time: give one like 2026-03-01T12:00:00Z, "
                                          "or +90s, +10m, +2h, +1d from now");
}

int list(const list_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  auto j = journal_tool::open_to_read(*rt, o.from);
  if (!j) return complain(t, j.error(), journal_tool::cannot_open);
  std::size_t left = o.max;
  if (!o.owner.empty()) {
    auto all = timers_of(*rt, **j, o.owner);
    if (!all) return complain(t, all.error(), journal_tool::failed);
    for (std::size_t i = 0; i < std::min(left, all->size()); ++i) print((*all)[i], o.json, t);
    return journal_tool::good;
  }
  timer_cursor after;
  while (left > 0) {
    auto some = wait_for<std::vector<stored_timer>>(*rt, [&](auto done) {
      (*j)->timers_due(wall_time::max(), after, std::min(left, page), std::move(done));
    });
    if (!some) return complain(t, some.error(), journal_tool::failed);
    if (some->empty()) break;
    for (const stored_timer& s : *some) print(s, o.json, t);
    left -= some->size();
    after = {some->back().timer.due, some->back().persistence_id, some->back().timer.id};
  }
  return journal_tool::good;
}

int cancel(const change_options& o, const terminal& t) { return change(o, std::nullopt, t); }

int move(const change_options& o, const terminal& t) {
  const auto rt = make_threaded_runtime();
  auto to = read_time(o.to, rt->wall_now());
  if (!to) return complain(t, to.error(), journal_tool::usage);
  return change(o, *to, t);
}

}  // namespace odeon::timers_tool
