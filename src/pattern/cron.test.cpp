#include <odeon/pattern/cron.hpp>

#include <date/tz.h>
#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <set>
#include <sstream>
#include <vector>

namespace odeon {
namespace {

using namespace std::chrono_literals;

/// "2026-03-29T01:00" of UTC.
wall_time utc(const std::string& text) {
  std::istringstream in(text);
  date::sys_seconds t;
  in >> date::parse(text.size() > 16 ? "%FT%T" : "%FT%H:%M", t);
  REQUIRE_FALSE(in.fail());
  return t;
}
std::string shown(std::optional<wall_time> t) {
  if (!t) return "never";
  return date::format("%FT%T", std::chrono::floor<std::chrono::seconds>(*t));
}
cron made(std::string_view text, std::string_view zone = "UTC") {
  auto c = cron::parse(text, zone);
  REQUIRE_MESSAGE(c, (c ? "" : c.error().to_string()));
  return *std::move(c);
}
/// The times after `from`, in UTC, as text.
std::vector<std::string> times(std::string_view text, std::string_view zone,
                               const std::string& from, int n) {
  const cron c = made(text, zone);
  std::vector<std::string> out;
  std::optional<wall_time> t = utc(from);
  while (n-- > 0 && (t = c.next_after(*t))) out.push_back(shown(t));
  return out;
}
using list = std::vector<std::string>;
std::string why(std::string_view text, std::string_view zone = "UTC") {
  auto c = cron::parse(text, zone);
  REQUIRE_FALSE(c);
  CHECK(c.error().code() == errc::invalid_argument);
  return std::string(c.error().text());
}
bool has(const std::string& text, std::string_view part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

TEST_CASE("fields of numbers, names, ranges, steps and lists") {
  CHECK(times("*/5 9-17 * * mon-fri", "UTC", "2026-01-02T17:54", 3) ==
        list{"2026-01-02T17:55:00", "2026-01-05T09:00:00", "2026-01-05T09:05:00"});
  CHECK(times("7/20 0 1 JAN,jul *", "UTC", "2026-01-01T00:30", 3) ==
        list{"2026-01-01T00:47:00", "2026-07-01T00:07:00", "2026-07-01T00:27:00"});
  CHECK(times("10-40/10,59 23 31 * ?", "UTC", "2026-01-31T23:40", 2) ==
        list{"2026-01-31T23:59:00", "2026-03-31T23:10:00"});
  CHECK(times("15,45 30 12 * * *", "UTC", "2026-01-01T12:30:15", 2) ==
        list{"2026-01-01T12:30:45", "2026-01-02T12:30:15"});
  CHECK(times("0 0 * * 7", "UTC", "2026-01-01T00:00", 1) == list{"2026-01-04T00:00:00"});
  CHECK(times("0 0 * * sat-sun", "UTC", "2026-01-01T00:00", 3) ==
        list{"2026-01-03T00:00:00", "2026-01-04T00:00:00", "2026-01-10T00:00:00"});
  CHECK(times("0 0 * * 5-7", "UTC", "2026-01-01T00:00", 3) ==
        list{"2026-01-02T00:00:00", "2026-01-03T00:00:00", "2026-01-04T00:00:00"});
}

TEST_CASE("names in place of all fields") {
  CHECK(times(" @daily ", "UTC", "2026-01-01T00:00", 1) == list{"2026-01-02T00:00:00"});
  CHECK(times("@hourly", "UTC", "2026-01-01T00:00", 1) == list{"2026-01-01T01:00:00"});
  CHECK(times("@weekly", "UTC", "2026-01-01T00:00", 1) == list{"2026-01-04T00:00:00"});
  CHECK(times("@monthly", "UTC", "2026-01-01T00:00", 1) == list{"2026-02-01T00:00:00"});
  CHECK(times("@yearly", "UTC", "2026-01-01T00:00", 1) == list{"2027-01-01T00:00:00"});
  CHECK(has(why("@reboot"), "no \"@reboot\""));
}

TEST_CASE("the last days and the n-th weekdays of months") {
  CHECK(times("0 0 L * *", "UTC", "2028-01-30T00:00", 3) ==
        list{"2028-01-31T00:00:00", "2028-02-29T00:00:00", "2028-03-31T00:00:00"});
  CHECK(times("0 0 L-3 2 *", "UTC", "2026-01-01T00:00", 1) == list{"2026-02-25T00:00:00"});
  CHECK(times("0 0 * * friL", "UTC", "2026-01-01T00:00", 2) ==
        list{"2026-01-30T00:00:00", "2026-02-27T00:00:00"});
  CHECK(times("0 0 * * mon#2", "UTC", "2026-01-01T00:00", 2) ==
        list{"2026-01-12T00:00:00", "2026-02-09T00:00:00"});
  CHECK(times("0 0 * * 5#5", "UTC", "2026-02-01T00:00", 1) == list{"2026-05-29T00:00:00"});
}

TEST_CASE("two named day fields are either, a starred one is both") {
  CHECK(times("0 0 13 * fri", "UTC", "2026-01-01T00:00", 3) ==
        list{"2026-01-02T00:00:00", "2026-01-09T00:00:00", "2026-01-13T00:00:00"});
  CHECK(times("0 0 */2 * fri", "UTC", "2026-01-01T00:00", 2) ==
        list{"2026-01-09T00:00:00", "2026-01-23T00:00:00"});
  CHECK(times("0 0 29 2 */7", "UTC", "2026-01-01T00:00", 1) == list{"2032-02-29T00:00:00"});
}

TEST_CASE("a time that never comes is none, after a bounded search") {
  CHECK(shown(made("0 0 30 2 *").next_after(utc("2026-01-01T00:00"))) == "never");
  CHECK(shown(made("0 0 31 4,6,9,11 *").next_after(wall_time::min())) == "never");
  CHECK(shown(made("* * * * *").next_after(wall_time::max())) == "never");
  CHECK(shown(made("0 0 1 1 *").next_after(utc("2262-01-01T00:00"))) == "never");
  CHECK(shown(made("0 0 1 1 *").next_after(wall_time::min())) == "1678-01-01T00:00:00");
}

TEST_CASE("between whole seconds the next one is the one above") {
  const cron c = made("0 0 * * *");
  CHECK(shown(c.next_after(utc("2026-01-02T00:00") - 1ns)) == "2026-01-02T00:00:00");
  CHECK(shown(c.next_after(utc("1960-01-02T00:00") - 1ns)) == "1960-01-02T00:00:00");
}

TEST_CASE("a local time that the clock jumps over comes once, at the jump") {
  // Europe/Berlin: 2026-03-29, 02:00 becomes 03:00, at 01:00 UTC.
  CHECK(times("30 2 * * *", "Europe/Berlin", "2026-03-28T00:00", 3) ==
        list{"2026-03-28T01:30:00", "2026-03-29T01:00:00", "2026-03-30T00:30:00"});
  CHECK(times("*/20 2 * * *", "Europe/Berlin", "2026-03-28T01:30", 3) ==
        list{"2026-03-28T01:40:00", "2026-03-29T01:00:00", "2026-03-30T00:00:00"});
  CHECK(times("0,30 * * * *", "Europe/Berlin", "2026-03-29T00:30", 2) ==
        list{"2026-03-29T01:00:00", "2026-03-29T01:30:00"});
  // America/New_York: 2026-03-08, 02:00 becomes 03:00, at 07:00 UTC.
  CHECK(times("15 2 * * *", "America/New_York", "2026-03-08T00:00", 2) ==
        list{"2026-03-08T07:00:00", "2026-03-09T06:15:00"});
  // Australia/Lord_Howe: 2026-10-04, 02:00 becomes 02:30, at 15:30 UTC of the day before.
  CHECK(times("0,15,45 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00", 3) ==
        list{"2026-10-03T15:30:00", "2026-10-03T15:45:00", "2026-10-04T15:00:00"});
  // Pacific/Apia had no 30 December 2011.
  CHECK(times("0 12 * * *", "Pacific/Apia", "2011-12-29T00:00", 3) ==
        list{"2011-12-29T22:00:00", "2011-12-30T10:00:00", "2011-12-30T22:00:00"});
}

TEST_CASE("a local time that exists twice comes once, the first time") {
  // Europe/Berlin: 2026-10-25, 03:00 becomes 02:00, at 01:00 UTC.
  CHECK(times("30 2 * * *", "Europe/Berlin", "2026-10-24T12:00", 2) ==
        list{"2026-10-25T00:30:00", "2026-10-26T01:30:00"});
  CHECK(times("*/30 * * * *", "Europe/Berlin", "2026-10-25T00:00", 2) ==
        list{"2026-10-25T00:30:00", "2026-10-25T02:00:00"});
  CHECK(times("30 2 * * *", "Europe/Berlin", "2026-10-25T01:10", 1) == list{"2026-10-26T01:30:00"});
  // America/New_York: 2026-11-01, 02:00 becomes 01:00, at 06:00 UTC.
  CHECK(times("30 1 * * *", "America/New_York", "2026-11-01T00:00", 2) ==
        list{"2026-11-01T05:30:00", "2026-11-02T06:30:00"});
  // Australia/Lord_Howe: 2026-04-05, 02:00 becomes 01:30, at 15:00 UTC of the day before.
  CHECK(times("0,45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00", 3) ==
        list{"2026-04-04T14:00:00", "2026-04-04T14:45:00", "2026-04-05T14:30:00"});
}

TEST_CASE("a malformed expression is refused with field, position and reason") {
  CHECK(has(why("61 * * * *"), "minute, position 1: 61 is not in 0 to 59"));
  CHECK(has(why("* 24 * * *"), "hour, position 3: 24"));
  CHECK(has(why("* * 0 * *"), "day of the month, position 5: 0 is not in 1 to 31"));
  CHECK(has(why("* * * foo *"), "month, position 7: 'f' is no value"));
  CHECK(has(why("* * * * L"), "the last of which weekday"));
  CHECK(has(why("* * * * mon#6"), "day of the week, position 13: "));
  CHECK(has(why("* 22-6 * * *"), "the range 22-6 runs backwards"));
  CHECK(has(why("*/0 * * * *"), "minute, position 3: a step of 0"));
  CHECK(has(why("*/ * * * *"), "a step is missing"));
  CHECK(has(why("1, * * * *"), "minute, position 3: a value is missing"));
  CHECK(has(why("1;2 * * * *"), "minute, position 2: ';' does not belong here"));
  CHECK(has(why("* * L-31 * *"), "0 to 30"));
  CHECK(has(why("? * * * *"), "minute, position 1: '?'"));
  CHECK(has(why("* * * *"), "has 4 fields"));
  CHECK(has(why(""), "has 0 fields"));
  CHECK(has(why("99999999999999999999 * * * *"), "minute"));
  CHECK(has(why(std::string(2000, '*')), "2000 bytes"));
}

TEST_CASE("an unknown zone is refused with the nearest one") {
  CHECK(has(why("* * * * *", "Europe/Berlim"), "the nearest is \"Europe/Berlin\""));
  CHECK(has(why("* * * * *", "new_york"), "the nearest is \"America/New_York\""));
  CHECK(has(why("* * * * *", ""), "there is no time zone \"\""));
  CHECK(has(why("* * * * *", "../../etc/passwd"), "there is no time zone"));
}

TEST_CASE("bytes of any kind are a cron or an error") {
  CHECK(rc::check([](const std::string& text) { (void)cron::parse(text); }));
  CHECK(rc::check([] {
    const auto text = *rc::gen::container<std::string>(
        rc::gen::elementOf(std::string("0123456789 **//--,,LL##??monfrijan@daily  ")));
    if (auto c = cron::parse(text)) (void)c->next_after(wall_time());
  }));
}

// -- brute force ------------------------------------------------------------------------------

/// An expression as sets, and the same as text.
struct plain {
  std::set<int> minutes, hours, days, months, weekdays;
  bool days_star, weekdays_star;
  std::string text;

  [[nodiscard]] bool holds(date::local_seconds at) const {
    const auto day = date::floor<date::days>(at);
    const date::year_month_day ymd(day);
    const date::hh_mm_ss<std::chrono::seconds> tod(at - day);
    const bool by_day = days.contains(static_cast<int>(static_cast<unsigned>(ymd.day())));
    const bool by_weekday = weekdays.contains(static_cast<int>(date::weekday(day).c_encoding()));
    return minutes.contains(static_cast<int>(tod.minutes().count())) &&
           hours.contains(static_cast<int>(tod.hours().count())) &&
           months.contains(static_cast<int>(static_cast<unsigned>(ymd.month()))) &&
           (days_star || weekdays_star ? by_day && by_weekday : by_day || by_weekday);
  }
};

std::string field(std::set<int>& out, int min, int max, bool star) {
  for (int i = min; star && i <= max; ++i) out.insert(i);
  if (star) return "*";
  const auto values =
      *rc::gen::nonEmpty(rc::gen::container<std::set<int>>(rc::gen::inRange(min, max + 1)));
  std::string text;
  for (int v : values) text += (text.empty() ? "" : ",") + std::to_string(v);
  out = values;
  return text;
}

plain any_plain() {
  const auto star = [] { return *rc::gen::arbitrary<bool>(); };
  plain p;
  p.text = field(p.minutes, 0, 59, star()) + " " + field(p.hours, 0, 23, star()) + " ";
  p.days_star = star();
  p.text += field(p.days, 1, 31, p.days_star) + " " + field(p.months, 1, 12, true) + " ";
  p.weekdays_star = star();
  p.text += field(p.weekdays, 0, 6, p.weekdays_star);
  return p;
}

/// Whether one of the local minutes that first show, or are jumped over, at this instant holds.
bool comes_at(const plain& p, const date::time_zone& zone, date::sys_seconds at) {
  const auto now = zone.get_info(at);
  const date::local_seconds local(at.time_since_epoch() + now.offset);
  const auto before = zone.get_info(at - 1s);
  if (now.begin == at && before.offset < now.offset) {
    for (auto l = local - (now.offset - before.offset); l < local; l += 1min)
      if (p.holds(l)) return true;
  }
  const auto shown = zone.get_info(local);
  const bool again = shown.result == date::local_info::ambiguous && at >= shown.second.begin;
  return !again && p.holds(local);
}

TEST_CASE("the next time is the first one that a walk over all minutes finds") {
  const std::vector<std::string> zones = {"UTC", "Europe/Berlin", "America/New_York",
                                          "Australia/Lord_Howe", "Asia/Kathmandu"};
  // Days before changes, so that most walks cross one.
  const std::vector<std::string> days = {"2026-03-28T12:00", "2026-10-24T20:00", "2026-03-07T22:00",
                                         "2026-11-01T00:00", "2026-10-03T10:00", "2026-04-04T08:00",
                                         "2028-02-28T00:00"};
  CHECK(rc::check([&] {
    const auto p = any_plain();
    const auto zone = *rc::gen::elementOf(zones);
    const auto from =
        utc(*rc::gen::elementOf(days)) + std::chrono::seconds(*rc::gen::inRange(0, 2 * 86'400));
    RC_LOG() << p.text << " in " << zone << " from " << shown(from);
    const cron c = made(p.text, zone);
    const auto found = c.next_after(from);
    const auto& where = *date::locate_zone(zone);
    auto t = date::floor<std::chrono::minutes>(from) + 1min;
    const auto end = t + std::chrono::hours(60);
    while (t < end && !comes_at(p, where, t)) t += 1min;
    if (t < end) {
      RC_ASSERT(found.has_value());
      RC_ASSERT(shown(found) == shown(wall_time(t)));
      // The same from anywhere in between.
      const auto gap = std::chrono::duration_cast<std::chrono::seconds>(*found - from).count();
      const auto between = from + std::chrono::seconds(*rc::gen::inRange<std::int64_t>(0, gap));
      RC_ASSERT(c.next_after(between) == found);
    } else {
      RC_ASSERT(!found || *found >= wall_time(end));
    }
  }));
}

}  // namespace
}  // namespace odeon
