#pragma once

#include "odeon/bank/reconcile.hpp"
#include "odeon/dev/tally.hpp"
#include <odeon/base/time.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// @file What `odeon dev` says, as text. Nothing here prints or reads a clock.

namespace odeon::dev {

/// "1,234,567".
[[nodiscard]] std::string grouped(std::uint64_t n);

/// Of a duration in microseconds: "870 us", "12.3 ms", "4.21 s".
[[nodiscard]] std::string show_us(std::uint64_t us);

/// "[=======>      ]" with `width` characters inside.
[[nodiscard]] std::string bar(double share, std::size_t width);

/// The live block of a terminal.
[[nodiscard]] std::vector<std::string> live_block(const tally& t, unsigned kills);

/// The same on one line, for logs.
[[nodiscard]] std::string plain_line(const tally& t, unsigned kills);

/// What a recovery did: one line, when it is over.
[[nodiscard]] std::string recovery_line(const incarnation& life);

/// Throughput, latency and commits of the whole run.
[[nodiscard]] std::vector<std::string> summary(const tally& t, unsigned kills);

/// The proof, or what is wrong. `reported`: bad lines that a run has reported; nothing when no run
/// was there to report them.
[[nodiscard]] std::vector<std::string> proof(const bank::reconciliation& r,
                                             std::optional<std::uint64_t> reported, duration took);

}  // namespace odeon::dev
