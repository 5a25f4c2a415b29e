#pragma once

#include "odeon/bank/money.hpp"
#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

/// @file The worker process of `odeon dev`: the bank itself. It may be killed at any moment;
/// started again with the same options it goes on from what its journal holds.

namespace odeon::dev {

struct worker_options {
  std::string journal;              ///< the file
  std::string transfers;            ///< the file
  std::uint64_t accounts = 0;       ///< of generated names, besides those that the file names
  bank::cents opening_balance = 0;  ///< of new accounts
  bank::cents balance_limit = 0;    ///< of new accounts
  std::size_t window = 1000;        ///< transfers under way at most
  duration group_wait{0};           ///< see `journal_options`
  unsigned threads = 0;             ///< of the default dispatcher; 0: one per core
  int report_fd = -1;               ///< the pipe to the supervisor
  std::int64_t supervisor = 0;      ///< its process id: without it the worker ends as well
};

/// The same options as a command line, "dev worker …", for `exec`.
[[nodiscard]] std::vector<std::string> to_arguments(const worker_options& options);

/// Runs the bank until the file is done, SIGTERM comes, or something fails; the reports say which.
/// The exit code: 0 done or stopped, 1 failed. Blocks.
[[nodiscard]] int run_worker(const worker_options& options);

}  // namespace odeon::dev
