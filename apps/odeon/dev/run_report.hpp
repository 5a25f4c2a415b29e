#pragma once

#include "odeon/bank/reconcile.hpp"
#include "odeon/dev/tally.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

/// @file What `--json` prints. Fields are added, not renamed.

namespace odeon::dev {

struct latency_figures {
  std::uint64_t p50_us = 0;
  std::uint64_t p90_us = 0;
  std::uint64_t p99_us = 0;
  std::uint64_t max_us = 0;
};

struct recovery_figures {
  double seconds = 0;
  std::uint64_t events = 0;
  std::uint64_t transfers_under_way = 0;
};

struct load_figures {
  std::uint64_t lines = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t rejected = 0;
  std::uint64_t kills = 0;
  double seconds = 0;
  double transfers_per_second = 0;
  std::uint64_t events = 0;
  std::uint64_t commits = 0;
  latency_figures latency;
  std::vector<recovery_figures> recoveries;
};

struct proof_figures {
  bool good = false;
  double seconds = 0;
  std::uint64_t transfers = 0;
  std::uint64_t completed = 0;
  std::uint64_t refused = 0;
  std::uint64_t refunded = 0;
  std::uint64_t unfinished = 0;
  std::uint64_t rejected = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t acknowledged = 0;
  std::uint64_t confirmed = 0;
  std::uint64_t events = 0;
  std::uint64_t accounts = 0;
  std::string opened_with;
  std::string sum_of_balances;
  std::string lowest_balance;
  std::string debited;
  std::string credited;
  std::string refunded_sum;
  std::vector<std::string> problems;
};

struct run_report {
  std::string data;
  std::string file;
  std::optional<load_figures> load;
  std::optional<proof_figures> proof;
};

[[nodiscard]] load_figures figures_of(const tally& t, unsigned kills);
[[nodiscard]] proof_figures figures_of(const bank::reconciliation& r, duration took);

/// One line of JSON, without the line break.
[[nodiscard]] std::string to_json(const run_report& report);

}  // namespace odeon::dev
