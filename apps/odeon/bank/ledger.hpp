#pragma once

#include "odeon/bank/events.hpp"
#include "odeon/bank/reconcile.hpp"
#include "odeon/bank/transfer_file.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace odeon::bank {

/// The reconciliation's own book: what the file asks for, what the journal holds and what was
/// acknowledged, by reference, in any order, and compared at the end.
class ledger {
 public:
  using account_number = std::uint32_t;

  // The file.
  void expect(const transfer& t);
  void expect(const rejected_line& line);

  // The accounts: one page each.
  account_number open_page(std::string name);
  void book(account_number account, const account_opened& e);
  void book(account_number account, const withdrawn& e);
  void book(account_number account, const deposited& e);
  void book(account_number account, const refunded& e);
  void close_page(account_number account);

  // The coordinators.
  void note(const transfer_started& e);
  void note(const refund_decided& e);
  void note(const transfer_completed& e);
  void note(const transfer_refused& e);
  void note(const transfer_refunded& e);

  void acknowledge(std::string_view reference, ending how);

  /// Compares. `complete`: every transfer of the file must have ended.
  [[nodiscard]] reconciliation close(bool complete);

 private:
  // One kind of booking for a reference.
  struct booking {
    std::uint32_t count = 0;
    account_number account = 0;
    cents amount = 0;
  };
  struct record {
    transfer wanted;   // by the file; without an amount: not in the file
    transfer started;  // by the coordinator
    std::uint32_t starts = 0;
    std::uint32_t decisions = 0;  // to refund
    std::uint32_t ends = 0;
    ending how = ending::completed;
    booking debit;
    booking credit;
    booking refund;
    std::uint32_t acknowledgements = 0;
    ending acknowledged = ending::completed;
  };
  struct page {
    std::string name;
    bool open = false;
    cents balance = 0;
  };

  void change(account_number account, const std::string& reference, booking record::* kind,
              cents amount, cents sign);
  void end(const std::string& reference, ending how);
  void check(const std::string& reference, const record& r, bool complete);
  void check_started(const std::string& reference, const record& r);
  void check_booking(const std::string& reference, const booking& b, std::string_view what,
                     const std::string& account, cents amount, bool wanted);
  void problem(std::string text);

  std::unordered_map<std::string, record> records_;
  std::vector<page> pages_;
  reconciliation found_;
};

}  // namespace odeon::bank
