#pragma once

#include <odeon/base/error.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// @file Amounts: whole cents in 64 bits.

namespace odeon::bank {

using cents = std::int64_t;

/// All money of a bank together stays below this, so that no sum of balances can overflow.
inline constexpr cents max_money = cents{1} << 60;

/// Reads "12", "12.5" or "12.50": digits, and at most two of them behind a point. Errors, each a
/// reason without a place: `bad_encoding`, `invalid_argument` (zero or negative), `limit_exceeded`
/// (more than `max_money`).
[[nodiscard]] result<cents> parse_amount(std::string_view text);

/// "1234.50": what `parse_amount` reads.
[[nodiscard]] std::string format_amount(cents amount);

/// "1,234.50", for people.
[[nodiscard]] std::string show_amount(cents amount);

}  // namespace odeon::bank
