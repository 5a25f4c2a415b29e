#pragma once

#include "odeon/bank/coordinator.hpp"
#include "odeon/bank/money.hpp"
#include <odeon/base/error.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/runtime/runtime.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

/// @file The proof that no money and no transfer was lost: the journal's raw events against the
/// input file and against what was acknowledged. It uses none of the bank's actors.

namespace odeon::bank {

inline constexpr std::size_t max_listed_problems = 20;

struct reconciliation {
  // The file.
  std::uint64_t transfers = 0;   ///< references that the file asks for
  std::uint64_t rejected = 0;    ///< lines that are no transfer
  std::uint64_t duplicates = 0;  ///< lines whose reference an earlier line has

  // The journal.
  std::uint64_t completed = 0;
  std::uint64_t refused = 0;
  std::uint64_t refunded = 0;
  std::uint64_t unfinished = 0;  ///< started without an end, or not started
  std::uint64_t events = 0;      ///< read, all in all
  std::uint64_t accounts = 0;

  // What the worker had acknowledged.
  std::uint64_t acknowledged = 0;  ///< different references
  std::uint64_t confirmed = 0;     ///< of them: in the journal with the same end

  // Bookings and their sums.
  std::uint64_t debits = 0;
  std::uint64_t credits = 0;
  std::uint64_t refunds = 0;
  cents debited = 0;
  cents credited = 0;
  cents given_back = 0;
  cents opened_with = 0;  ///< the sum of all opening balances
  cents sum_of_balances = 0;
  cents on_the_way = 0;      ///< withdrawn for transfers that have not ended
  cents lowest_balance = 0;  ///< of any account after any event

  std::uint64_t problem_count = 0;
  std::vector<std::string> problems;  ///< the first `max_listed_problems`, a sentence each

  /// Everything is as it should be, and every transfer of the file has ended.
  [[nodiscard]] bool good() const noexcept { return problem_count == 0; }
};

struct reconcile_options {
  std::string transfers;         ///< the input file
  std::string acknowledgements;  ///< see `acknowledgement_line`; empty: none are checked
  bool complete = true;          ///< an unfinished transfer is a problem
  /// Called now and then with how many of how many persistence ids have been read. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t all)> progress = {};
};

/// Reads everything and compares. What is wrong is in the report; an error means that it could not
/// be read: a damaged record (`corrupt_record`, with its place), an event of another program
/// (`unknown_manifest`), a file (`not_found`, `io_failed`). Memory: about 300 bytes a transfer.
/// Blocks the calling thread.
[[nodiscard]] result<reconciliation> reconcile(runtime& rt, journal& from,
                                               const reconcile_options& options);

/// How the supervisor writes down an acknowledgement, one a line: "completed T000000042".
[[nodiscard]] std::string acknowledgement_line(ending how, std::string_view reference);

}  // namespace odeon::bank
