#include "odeon/bank/account.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace odeon::bank {

namespace {

constexpr std::uint64_t snapshot_every = 100;

template <class Event>
void remember(account_state& s, const Event& e, step what, cents change) {
  s.balance += change;
  s.applied[e.reference] = what;
  for (const auto& reference : e.settled) s.applied.erase(reference);
  ++s.replayed;
}

}  // namespace

account::account(const std::string& name)
    : event_sourced(std::string(account_prefix) + name, {.snapshot_every = snapshot_every}) {}

account::effect account::on(const open_account& m) {
  const std::uint64_t replayed = state().replayed;
  if (state().open) return reply(open_account::reply_type{false, replayed});
  return persist(account_opened{m.balance, m.limit})
      .then_reply(open_account::reply_type{true, replayed});
}

account::effect account::on(const withdraw& m) {
  if (state().applied.contains(m.reference)) return reply(refusal::none);
  if (m.amount > state().balance) return reply(refusal::insufficient_funds);
  return persist(withdrawn{m.reference, m.amount, take_settled()}).then_reply(refusal::none);
}

account::effect account::on(const deposit& m) {
  if (state().applied.contains(m.reference)) return reply(refusal::none);
  if (m.amount > state().limit - state().balance) return reply(refusal::over_limit);
  return persist(deposited{m.reference, m.amount, take_settled()}).then_reply(refusal::none);
}

account::effect account::on(const refund& m) {
  const auto found = state().applied.find(m.reference);
  if (found == state().applied.end() || found->second == step::deposited)
    return reply(error(errc::invalid_argument, "nothing was withdrawn for " + m.reference));
  if (found->second == step::refunded) return reply(refusal::none);
  return persist(refunded{m.reference, m.amount, take_settled()}).then_reply(refusal::none);
}

void account::on(settle m) { settled_.push_back(std::move(m.reference)); }

void account::on(settle_recovered) {
  std::ranges::move(std::exchange(recovered_, {}), std::back_inserter(settled_));
}

void account::recovery_completed() {
  for (const auto& [reference, what] : state().applied) recovered_.push_back(reference);
}

std::vector<std::string> account::take_settled() {
  const auto count = static_cast<std::ptrdiff_t>(std::min(settled_.size(), max_settled));
  std::vector<std::string> taken(std::move_iterator(settled_.begin()),
                                 std::move_iterator(settled_.begin() + count));
  settled_.erase(settled_.begin(), settled_.begin() + count);
  return taken;
}

void account::apply(account_state& s, const account_opened& e) {
  s.open = true;
  s.balance = e.balance;
  s.limit = e.limit;
  ++s.replayed;
}

void account::apply(account_state& s, const withdrawn& e) {
  remember(s, e, step::withdrawn, -e.amount);
}

void account::apply(account_state& s, const deposited& e) {
  remember(s, e, step::deposited, e.amount);
}

void account::apply(account_state& s, const refunded& e) {
  remember(s, e, step::refunded, e.amount);
}

}  // namespace odeon::bank
