#pragma once

#include "odeon/bank/money.hpp"
#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

/// @file `odeon dev`: the sample bank under load, killed on purpose, and the proof that nothing was
/// lost.

namespace odeon::dev {

/// Exit codes of the program: stable, documented in docs/guide/the-bank.md.
enum exit_code : int {
  exit_good = 0,
  exit_failed = 1,         ///< the job failed, or the books do not balance
  exit_usage = 2,          ///< the command line, or something that it names, is not acceptable
  exit_interrupted = 130,  ///< ^C or SIGTERM; what was done is kept
};

struct dev_options {
  std::string file;  ///< empty: a generated one
  std::string data;  ///< empty: a temporary folder, removed after a run that ends well
  std::optional<std::uint64_t> accounts;  ///< of a generated file
  std::optional<std::uint64_t> transfers;
  std::optional<std::uint64_t> bad_lines;
  std::optional<bank::cents> opening_balance;
  std::optional<bank::cents> balance_limit;
  std::optional<std::uint64_t> seed;  ///< of the file and of the kills
  unsigned kills = 1;
  std::size_t window = 1000;  ///< transfers under way at most
  duration group_wait{0};
  unsigned threads = 0;  ///< of the worker; 0: one per core
  bool keep = false;     ///< the temporary folder
  bool json = false;     ///< the report as JSON on stdout, everything else on stderr
};

/// What stands for an option that was not given.
inline constexpr std::uint64_t default_accounts = 10'000;
inline constexpr std::uint64_t default_transfers = 300'000;
inline constexpr std::uint64_t default_bad_lines = 100;
inline constexpr bank::cents default_opening_balance = 1'000'00;
inline constexpr bank::cents default_balance_limit = 2'000'00;

/// Runs all of it. Blocks. The result is an `exit_code`; why, if it is not `exit_good`, has been
/// said on stderr in one sentence.
[[nodiscard]] int run_dev(const dev_options& options);

/// Reads the journal of a run again and proves its books, as the end of `run_dev` does.
[[nodiscard]] int run_reconcile(const std::string& data, bool json);

}  // namespace odeon::dev
