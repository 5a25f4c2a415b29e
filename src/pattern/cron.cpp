#include <odeon/pattern/cron.hpp>

#include <date/tz.h>

#include <bit>
#include <chrono>

namespace odeon {

namespace {

using std::chrono::sys_days;
using std::chrono::weekday;
using std::chrono::year_month_day;
using std::chrono::year_month_day_last;

constexpr std::int64_t day_seconds = 86'400;
constexpr std::int64_t last_instant =
    std::chrono::floor<std::chrono::seconds>(wall_time::max().time_since_epoch()).count();
constexpr int last_year = 2262;

std::chrono::sys_seconds as_sys(std::int64_t s) noexcept {
  return std::chrono::sys_seconds(std::chrono::seconds(s));
}

/// What the zone's clock shows at an instant, and where a repeated local time ends: all before that
/// has come already when the clock shows it for the second time.
std::int64_t local_from(const date::time_zone& zone, std::int64_t instant) {
  const auto now = zone.get_info(as_sys(instant));
  const std::int64_t local = instant + now.offset.count();
  const auto info = zone.get_info(date::local_seconds(std::chrono::seconds(local)));
  if (info.result == date::local_info::ambiguous && as_sys(instant) >= info.second.begin)
    return info.first.end.time_since_epoch().count() + info.first.offset.count();
  return local + 1;
}

/// When the zone's clock shows `local` first, or jumps over it.
std::int64_t instant_of(const date::time_zone& zone, std::int64_t local) {
  const auto info = zone.get_info(date::local_seconds(std::chrono::seconds(local)));
  if (info.result == date::local_info::nonexistent)
    return info.first.end.time_since_epoch().count();
  return local - info.first.offset.count();
}

}  // namespace

std::uint32_t cron::days_of(int year, unsigned month) const noexcept {
  const std::chrono::year_month of{std::chrono::year(year), std::chrono::month(month)};
  const year_month_day_last last{of.year(), std::chrono::month_day_last(of.month())};
  const unsigned length = static_cast<unsigned>(last.day());
  const unsigned first = weekday(sys_days(of / 1)).c_encoding();

  std::uint32_t by_date = days_ >> 1;
  for (std::uint32_t left = from_end_; left != 0; left &= left - 1) {
    const auto before = static_cast<unsigned>(std::countr_zero(left));
    if (before < length) by_date |= 1u << (length - 1 - before);
  }
  std::uint32_t by_weekday = 0;
  for (unsigned day = 1; day <= length; ++day) {
    const unsigned w = (first + day - 1) % 7;
    const bool is_one = ((weekdays_ >> w) & 1u) != 0 ||
                        (((last_of_ >> w) & 1u) != 0 && day + 7 > length) ||
                        ((nth_[w] >> ((day + 6) / 7)) & 1u) != 0;
    if (is_one) by_weekday |= 1u << (day - 1);
  }
  const std::uint32_t all = (1u << length) - 1;
  return (either_day_ ? by_date | by_weekday : by_date & by_weekday) & all;
}

std::optional<int> cron::time_at_or_after(int from) const noexcept {
  const auto next = [](std::uint64_t mask, int at) {
    if (at >= 64) return -1;
    mask &= ~std::uint64_t{0} << at;
    return mask == 0 ? -1 : std::countr_zero(mask);
  };
  const int h0 = from / 3600;
  const int m0 = from / 60 % 60;
  const int first_minute = std::countr_zero(minutes_);
  const int first_second = std::countr_zero(seconds_);
  if (int h = next(hours_, h0); h == h0) {
    if (int m = next(minutes_, m0); m == m0) {
      if (const int s = next(seconds_, from % 60); s >= 0) return h * 3600 + m * 60 + s;
    }
    if (const int m = next(minutes_, m0 + 1); m >= 0) return h * 3600 + m * 60 + first_second;
  }
  if (const int h = next(hours_, h0 + 1); h >= 0)
    return h * 3600 + first_minute * 60 + first_second;
  return std::nullopt;
}

std::optional<std::int64_t> cron::local_at_or_after(std::int64_t from) const noexcept {
  const std::int64_t day_number =
      from / day_seconds - (from % day_seconds < 0 ? 1 : 0);  // rounded down
  const year_month_day start{sys_days(std::chrono::days(day_number))};
  const auto at = [this](sys_days day, int time) -> std::optional<std::int64_t> {
    const auto t = time_at_or_after(time);
    if (!t) return std::nullopt;
    return day.time_since_epoch().count() * day_seconds + *t;
  };
  const auto start_month = static_cast<unsigned>(start.month());
  const auto start_day = static_cast<unsigned>(start.day());
  for (int year = static_cast<int>(start.year()); year <= last_year; ++year) {
    const bool first_year = year == static_cast<int>(start.year());
    for (unsigned month = first_year ? start_month : 1; month <= 12; ++month) {
      if (((months_ >> month) & 1u) == 0) continue;
      const bool here = first_year && month == start_month;
      std::uint32_t days = days_of(year, month);
      if (here) days &= ~0u << (start_day - 1);
      for (; days != 0; days &= days - 1) {
        const auto day = static_cast<unsigned>(std::countr_zero(days)) + 1;
        const sys_days date(std::chrono::year(year) / static_cast<int>(month) /
                            static_cast<int>(day));
        const bool today = here && day == start_day;
        if (auto t = at(date, today ? static_cast<int>(from - day_number * day_seconds) : 0))
          return t;
      }
    }
  }
  return std::nullopt;
}

std::optional<wall_time> cron::next_after(wall_time t) const {
  const std::int64_t after = std::chrono::floor<std::chrono::seconds>(t).time_since_epoch().count();
  // The instants of growing local times grow or stay, so the first one behind `after` is the next.
  // A local time is passed over only when it lies in a jump that is `after` itself.
  std::int64_t local = local_from(*where_, after);
  for (;;) {
    const auto found = local_at_or_after(local);
    if (!found) return std::nullopt;
    const std::int64_t instant = instant_of(*where_, *found);
    if (instant > last_instant) return std::nullopt;
    if (instant > after) return wall_time(std::chrono::seconds(instant));
    local = *found + 1;
  }
}

}  // namespace odeon
