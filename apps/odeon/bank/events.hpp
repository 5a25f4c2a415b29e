#pragma once

#include "odeon/bank/money.hpp"
#include "odeon/bank/transfer_file.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// @file What the bank's journal holds. Each account and each coordinator is an event-sourced actor
/// with a persistence id of its own. The life of a transfer:
///
///     coordinator   transfer_started
///     source          withdrawn                     (or it refuses: transfer_refused, the end)
///     target            deposited
///     coordinator   transfer_completed              the end
///     …or, when the target refuses:
///     coordinator   refund_decided
///     source          refunded
///     coordinator   transfer_refunded               the end
///
/// Each arrow from one line to the next is an ask that may be repeated after a crash: accounts
/// remember the references they have applied and apply none twice.

namespace odeon::bank {

inline constexpr std::string_view account_prefix = "account/";
inline constexpr std::string_view coordinator_prefix = "coordinator/";

/// Why a transfer did not happen.
enum class refusal : std::uint8_t {
  none = 0,
  insufficient_funds = 1,  ///< the source has less than the amount
  over_limit = 2,          ///< the target would have more than an account may hold
};

// -- of an account ------------------------------------------------------------------------------

struct account_opened {
  static constexpr auto manifest = "bank.account_opened";
  cents balance = 0;
  cents limit = 0;  ///< what a deposit may raise the balance to
};

// Each of these three also carries the references that need not be remembered any more, because
// their transfers have ended: so the memory of an account stays as small as what is under way.

struct withdrawn {
  static constexpr auto manifest = "bank.withdrawn";
  std::string reference;
  cents amount = 0;
  std::vector<std::string> settled;
};

struct deposited {
  static constexpr auto manifest = "bank.deposited";
  std::string reference;
  cents amount = 0;
  std::vector<std::string> settled;
};

/// What was withdrawn is back, because the target refused it.
struct refunded {
  static constexpr auto manifest = "bank.refunded";
  std::string reference;
  cents amount = 0;
  std::vector<std::string> settled;
};

// -- of a coordinator ---------------------------------------------------------------------------

struct transfer_started {
  static constexpr auto manifest = "bank.transfer_started";
  transfer what;
};

struct refund_decided {
  static constexpr auto manifest = "bank.refund_decided";
  std::string reference;
  refusal why = refusal::none;
};

struct transfer_completed {
  static constexpr auto manifest = "bank.transfer_completed";
  std::string reference;
};

/// No money has moved.
struct transfer_refused {
  static constexpr auto manifest = "bank.transfer_refused";
  std::string reference;
  refusal why = refusal::none;
};

/// The money has moved and is back.
struct transfer_refunded {
  static constexpr auto manifest = "bank.transfer_refunded";
  std::string reference;
  refusal why = refusal::none;
};

}  // namespace odeon::bank
