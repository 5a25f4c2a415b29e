#pragma once

#include "odeon/journal/tool.hpp"
#include <odeon/base/time.hpp>

#include <cstddef>
#include <string>
#include <string_view>

/// @file The commands of `odeon timers`. Each blocks, prints to its terminal, and returns an exit
/// code of `odeon journal`; why, if that is not `good`, has been told in one sentence.
///
/// Listing may run beside the program whose journal it is. A change of a SQLite journal needs its
/// program stopped; of a server's it does not, and that program sees it within
/// `durable_timers_options::recheck`.

namespace odeon::timers_tool {

struct list_options {
  journal_tool::source from;
  std::string owner;  ///< "" for all
  std::size_t max = 1000;
  bool json = false;
};

struct change_options {
  journal_tool::source from;
  std::string owner;
  std::string id;
  std::string to;  ///< of `move`: a time as `read_time` takes it
};

[[nodiscard]] int list(const list_options& options, const journal_tool::terminal& t);
[[nodiscard]] int cancel(const change_options& options, const journal_tool::terminal& t);
/// Sets the due time of the next round.
[[nodiscard]] int move(const change_options& options, const journal_tool::terminal& t);

/// "2026-03-01T12:00:00Z", with or without a fraction of up to nine digits; "+90s", "+10m", "+2h",
/// "+1d" from `now`. Error: `invalid_argument`, with an example.
[[nodiscard]] result<wall_time> read_time(std::string_view text, wall_time now);

}  // namespace odeon::timers_tool
