#pragma once

#include <odeon/base/error.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace odeon::bank {

inline constexpr std::uint64_t max_accounts = 1'000'000;
inline constexpr std::uint64_t max_generated_lines = 100'000'000;

struct generator_options {
  std::uint64_t accounts = 10'000;    ///< 2 to `max_accounts`
  std::uint64_t transfers = 100'000;  ///< good lines
  std::uint64_t bad_lines = 0;        ///< besides, of all kinds that a reader has to reject
  std::uint64_t seed = 1;             ///< the same options give the same file

  /// Called now and then with how many lines have been written. May be empty.
  std::function<void(std::uint64_t)> progress = {};
};

/// The name of a bank's account, 0 to `accounts` - 1: "acct-00042", all of the same length.
[[nodiscard]] std::string account_name(std::uint64_t index, std::uint64_t accounts);

/// Writes a CSV file of transfers with a header. Most amounts are small, some larger than an
/// account may hold, and a hundredth of the accounts takes part in a tenth of the transfers. The
/// file appears when it is complete. Blocks the calling thread.
///
/// Errors: `invalid_argument` (an option outside its range), `io_failed` and `store_full` with the
/// path and the system's words.
[[nodiscard]] result<void> generate(const std::string& path, const generator_options& options);

}  // namespace odeon::bank
