#include "odeon/bank/ledger.hpp"

#include <algorithm>
#include <utility>

namespace odeon::bank {

void ledger::expect(const transfer& t) {
  record& r = records_[t.reference];
  if (r.wanted.amount != 0) {
    ++found_.duplicates;
    return;
  }
  r.wanted = t;
  ++found_.transfers;
}

void ledger::expect(const rejected_line&) { ++found_.rejected; }

ledger::account_number ledger::open_page(std::string name) {
  pages_.push_back({std::move(name)});
  return static_cast<account_number>(pages_.size() - 1);
}

void ledger::book(account_number account, const account_opened& e) {
  ++found_.events;
  page& p = pages_[account];
  if (p.open) problem("account " + p.name + " was opened twice");
  p.open = true;
  p.balance += e.balance;
  found_.opened_with += e.balance;
  if (e.balance < 0) problem("account " + p.name + " was opened with less than nothing");
  ++found_.accounts;
  found_.lowest_balance =
      found_.accounts == 1 ? p.balance : std::min(found_.lowest_balance, p.balance);
}

void ledger::book(account_number account, const withdrawn& e) {
  ++found_.debits;
  found_.debited += e.amount;
  change(account, e.reference, &record::debit, e.amount, -1);
}

void ledger::book(account_number account, const deposited& e) {
  ++found_.credits;
  found_.credited += e.amount;
  change(account, e.reference, &record::credit, e.amount, 1);
}

void ledger::book(account_number account, const refunded& e) {
  ++found_.refunds;
  found_.given_back += e.amount;
  change(account, e.reference, &record::refund, e.amount, 1);
}

void ledger::change(account_number account, const std::string& reference, booking record::* kind,
                    cents amount, cents sign) {
  ++found_.events;
  page& p = pages_[account];
  if (!p.open) problem("account " + p.name + " has a booking before it was opened");
  if (amount <= 0) problem("account " + p.name + " has a booking of " + show_amount(amount));
  p.balance += sign * amount;
  found_.lowest_balance = std::min(found_.lowest_balance, p.balance);
  if (p.balance < 0)
    problem("account " + p.name + " fell to " + show_amount(p.balance) + " with " + reference);
  booking& b = records_[reference].*kind;
  ++b.count;
  b.account = account;
  b.amount = amount;
}

void ledger::close_page(account_number account) {
  found_.sum_of_balances += pages_[account].balance;
}

void ledger::note(const transfer_started& e) {
  ++found_.events;
  record& r = records_[e.what.reference];
  ++r.starts;
  r.started = e.what;
}

void ledger::note(const refund_decided& e) {
  ++found_.events;
  ++records_[e.reference].decisions;
}

void ledger::note(const transfer_completed& e) { end(e.reference, ending::completed); }
void ledger::note(const transfer_refused& e) { end(e.reference, ending::refused); }
void ledger::note(const transfer_refunded& e) { end(e.reference, ending::refunded); }

void ledger::end(const std::string& reference, ending how) {
  ++found_.events;
  record& r = records_[reference];
  ++r.ends;
  r.how = how;
}

void ledger::acknowledge(std::string_view reference, ending how) {
  record& r = records_[std::string(reference)];
  if (r.acknowledgements++ > 0 && r.acknowledged != how)
    problem("transfer " + std::string(reference) + " was acknowledged as " +
            std::string(to_string(r.acknowledged)) + " and as " + std::string(to_string(how)));
  r.acknowledged = how;
}

reconciliation ledger::close(bool complete) {
  for (const auto& [reference, r] : records_) check(reference, r, complete);
  if (found_.debited != found_.credited + found_.given_back + found_.on_the_way)
    problem("debits of " + show_amount(found_.debited) + " stand against credits and refunds of " +
            show_amount(found_.credited + found_.given_back));
  if (found_.sum_of_balances + found_.on_the_way != found_.opened_with)
    problem("the balances add up to " + show_amount(found_.sum_of_balances) +
            ", but the accounts were opened with " + show_amount(found_.opened_with));
  return std::exchange(found_, {});
}

void ledger::check(const std::string& reference, const record& r, bool complete) {
  const std::string name = "transfer " + reference;
  if (r.acknowledgements > 0) {
    ++found_.acknowledged;
    if (r.ends == 1 && r.how == r.acknowledged)
      ++found_.confirmed;
    else
      problem(name + " was acknowledged as " + std::string(to_string(r.acknowledged)) +
              ", but the journal " +
              (r.ends == 0 ? "does not have its end" : "says " + std::string(to_string(r.how))));
  }
  if (r.starts == 0) {
    if (r.debit.count + r.credit.count + r.refund.count + r.ends + r.decisions > 0)
      problem(name + " has bookings or an end, but was never started");
    else if (r.wanted.amount != 0 && ++found_.unfinished > 0 && complete)
      problem(name + " (line " + std::to_string(r.wanted.line) + ") is not in the journal");
    return;
  }
  check_started(reference, r);
  if (r.ends > 0) {
    ++(r.how == ending::completed ? found_.completed
       : r.how == ending::refused ? found_.refused
                                  : found_.refunded);
    return;
  }
  found_.on_the_way += r.debit.amount - r.credit.amount - r.refund.amount;
  if (++found_.unfinished > 0 && complete) problem(name + " was started and has no end");
}

void ledger::check_started(const std::string& reference, const record& r) {
  const std::string name = "transfer " + reference;
  const transfer& t = r.started;
  if (r.starts > 1) problem(name + " was started " + std::to_string(r.starts) + " times");
  if (r.ends > 1) problem(name + " ended " + std::to_string(r.ends) + " times");
  if (r.wanted.amount == 0)
    problem(name + " is in the journal, but not in the file");
  else if (r.wanted.from != t.from || r.wanted.to != t.to || r.wanted.amount != t.amount)
    problem(name + " is another one in the journal than in the file");
  if (r.ends == 0) return;  // whatever was booked until now is on its way
  const bool completed = r.how == ending::completed;
  const bool refunded = r.how == ending::refunded;
  check_booking(reference, r.debit, "debit", t.from, t.amount, completed || refunded);
  check_booking(reference, r.credit, "credit", t.to, t.amount, completed);
  check_booking(reference, r.refund, "refund", t.from, t.amount, refunded);
  if ((r.decisions > 0) != refunded)
    problem(name + " was " + std::string(to_string(r.how)) +
            (refunded ? " without a decision to refund" : " after a decision to refund"));
}

void ledger::check_booking(const std::string& reference, const booking& b, std::string_view what,
                           const std::string& account, cents amount, bool wanted) {
  const std::string name = "transfer " + reference;
  if (b.count != (wanted ? 1U : 0U))
    problem(name + " has " + std::to_string(b.count) + " " + std::string(what) + "s instead of " +
            (wanted ? "one" : "none"));
  else if (wanted && (b.amount != amount || pages_[b.account].name != account))
    problem("the " + std::string(what) + " of " + name + " is " + show_amount(b.amount) + " on " +
            pages_[b.account].name + " instead of " + show_amount(amount) + " on " + account);
}

void ledger::problem(std::string text) {
  if (++found_.problem_count <= max_listed_problems) found_.problems.push_back(std::move(text));
}

}  // namespace odeon::bank
