#pragma once

#include "odeon/bank/events.hpp"
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/wire/reflect.hpp>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace odeon::bank {

/// What an account has done for a transfer that has not ended, as far as it knows.
enum class step : std::uint8_t { withdrawn, deposited, refunded };

struct account_state {
  bool open = false;
  cents balance = 0;
  cents limit = 0;
  std::map<std::string, step> applied;  ///< by reference; bounded by what is under way
  std::uint64_t replayed = 0;           ///< events applied since the snapshot; not part of it

  ODEON_REFLECT(account_state, open, balance, limit, applied)
};

// -- commands -----------------------------------------------------------------------------------

/// Opens the account with that balance; an open one stays as it is.
struct open_account {
  struct reply_type {
    bool is_new = false;
    std::uint64_t replayed = 0;  ///< events that its recovery read
  };
  using reply = reply_type;
  cents balance = 0;
  cents limit = 0;
};

// The three steps answer `refusal::none` when the account has the money moved, now or before.
struct withdraw {
  using reply = refusal;
  std::string reference;
  cents amount = 0;
};
struct deposit {
  using reply = refusal;
  std::string reference;
  cents amount = 0;
};
/// Never refused, but for a reference without a withdrawal: `errc::invalid_argument`.
struct refund {
  using reply = refusal;
  std::string reference;
  cents amount = 0;
};

/// The transfer has ended, durably: its reference will not come again.
struct settle {
  std::string reference;
};
/// All transfers that this account knew of when it recovered have ended.
struct settle_recovered {};

struct get_balance {
  using reply = cents;
};

/// How many references one event forgets at most; the rest waits for the next.
inline constexpr std::size_t max_settled = 256;

/// One account, event-sourced. Its balance is never negative, and no reference moves money twice.
class account
    : public event_sourced<account_state, events<account_opened, withdrawn, deposited, refunded>,
                           open_account, withdraw, deposit, refund, settle, settle_recovered,
                           get_balance> {
 public:
  explicit account(const std::string& name);

  effect on(const open_account& m);
  effect on(const withdraw& m);
  effect on(const deposit& m);
  effect on(const refund& m);
  void on(settle m);
  void on(settle_recovered);
  cents on(get_balance) { return state().balance; }
  void recovery_completed();

  static void apply(account_state& s, const account_opened& e);
  static void apply(account_state& s, const withdrawn& e);
  static void apply(account_state& s, const deposited& e);
  static void apply(account_state& s, const refunded& e);

 private:
  std::vector<std::string> take_settled();

  std::vector<std::string> settled_;    // not yet part of an event
  std::vector<std::string> recovered_;  // known from before, not yet settled
};

}  // namespace odeon::bank
