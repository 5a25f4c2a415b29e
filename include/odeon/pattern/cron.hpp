#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// @file Times that come again, as people write them.
///
///     auto c = cron::parse("*/5 9-17 * * mon-fri", "Europe/Berlin");
///     if (!c) …                                     // names the field, the place and the reason
///     std::optional<wall_time> t = c->next_after(rt.wall_now());
///
/// Five fields: minute (0–59), hour (0–23), day of the month (1–31), month (1–12 or jan–dec), day
/// of the week (0–7 or sun–sat; 0 and 7 are Sunday). With six, the first one is the second (0–59);
/// with five the second is 0. Upper and lower case are the same.
///
/// A field is a list, separated by commas, of `*`, `a`, `a-b`, each with a step behind it where
/// wanted: `*/15`, `10-40/10`, `7/20` (from 7 to the end). In the day fields `?` is `*`. Further:
///   day of the month   `L` the last one, `L-3` three days before it
///   day of the week    `friL` or `5L` the last Friday of the month, `mon#2` or `1#2` the second
///   Monday
/// In place of all fields: `@yearly` (`@annually`), `@monthly`, `@weekly`, `@daily` (`@midnight`),
/// `@hourly`.
///
/// **Both day fields.** As POSIX has it, and the cron of Vixie after it: where neither day field
/// begins with `*` or `?`, a day that either of them names is one; otherwise a day must be in both.
/// `0 0 13 * fri` is each 13th and each Friday; `0 0 */2 * fri` each Friday with an odd date.
///
/// **Daylight saving.** Fields are of the zone's local time. A local time that does not exist,
/// because the clock jumped over it, comes at the moment of the jump; several such are one. A local
/// time that exists twice comes once, the first time. So `*/5 * * * *` pauses in the autumn while
/// the hour is repeated: what must not pause has the zone "UTC", or is an interval.
///
/// Zones are those of the system's time zone files, as the `date` library reads them; after 2037,
/// where these files end, a zone keeps its last offset.

namespace date {
class time_zone;
}

namespace odeon {

inline constexpr std::size_t cron_text_max = 1024;  ///< bytes of an expression

/// A parsed expression and its zone. A value; copies cost the two texts. @threadsafe
class cron {
 public:
  /// Errors: `errc::invalid_argument`, with field, position (bytes from 1) and reason; for a zone
  /// that is not there, with the nearest one that is; and for a text past `cron_text_max`. The
  /// first call of a program with a zone reads that zone's file.
  [[nodiscard]] static result<cron> parse(std::string_view expression,
                                          std::string_view zone = "UTC");

  /// The first time after `t`; nothing when there is none before `wall_time`'s end in 2262, such as
  /// for 30 February. Some microseconds; at most about 100 for an expression that never comes.
  [[nodiscard]] std::optional<wall_time> next_after(wall_time t) const;

  /// As it was given.
  [[nodiscard]] const std::string& expression() const noexcept { return expression_; }
  [[nodiscard]] const std::string& zone() const noexcept { return zone_name_; }

  /// The same texts.
  friend bool operator==(const cron& a, const cron& b) noexcept {
    return a.expression_ == b.expression_ && a.zone_name_ == b.zone_name_;
  }

 private:
  friend class cron_parser;
  cron() = default;
  /// Bit d-1: day d of that month is one.
  [[nodiscard]] std::uint32_t days_of(int year, unsigned month) const noexcept;
  /// The first matching time of the day, in seconds, at `from` or later.
  [[nodiscard]] std::optional<int> time_at_or_after(int from) const noexcept;
  /// The first matching local time, in seconds since 1970, at `from` or later.
  [[nodiscard]] std::optional<std::int64_t> local_at_or_after(std::int64_t from) const noexcept;

  std::string expression_;
  std::string zone_name_;
  const date::time_zone* where_ = nullptr;
  std::uint64_t seconds_ = 0;  // bit n: n
  std::uint64_t minutes_ = 0;
  std::uint32_t hours_ = 0;
  std::uint32_t days_ = 0;              // bit d: day d
  std::uint32_t from_end_ = 0;          // bit n: n days before the last
  std::uint32_t months_ = 0;            // bit m: month m
  std::uint32_t weekdays_ = 0;          // bit w: 0 is Sunday
  std::uint32_t last_of_ = 0;           // bit w: the last such weekday of the month
  std::array<std::uint32_t, 7> nth_{};  // of each weekday, bit n: the n-th, from 1
  bool either_day_ = false;             // a day of either field
};

}  // namespace odeon
