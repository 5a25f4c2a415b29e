#include "odeon/bank/coordinator.hpp"

#include <odeon/base/type_name.hpp>

#include <chrono>
#include <utility>

namespace odeon::bank {

namespace {

constexpr std::uint64_t snapshot_every = 1000;

// Commits are milliseconds. When an account has not answered after this, the store has stopped
// working, and the transfer stays where it is.
constexpr duration step_limit = std::chrono::minutes(2);

std::uint64_t content_of(const transfer& t) {
  return fnv1a(t.from + '\n' + t.to + '\n' + std::to_string(t.amount));
}

void end(coordinator_state& s, const std::string& reference, ending how, refusal why) {
  ++s.replayed;
  const auto found = s.pending.find(reference);
  if (found == s.pending.end()) return;
  const transfer& t = found->second.what;
  s.ended[reference] = {t.line, content_of(t), how, why};
  s.pending.erase(found);
}

}  // namespace

std::size_t coordinator_of(std::string_view reference) noexcept {
  return fnv1a(reference) % coordinator_count;
}

std::string_view to_string(ending how) noexcept {
  switch (how) {
    case ending::completed: return "completed";
    case ending::refused: return "refused";
    case ending::refunded: return "refunded";
    case ending::duplicate: return "duplicate";
  }
  return "unknown";
}

std::string_view to_string(refusal why) noexcept {
  switch (why) {
    case refusal::none: return "none";
    case refusal::insufficient_funds: return "insufficient funds";
    case refusal::over_limit: return "over the limit";
  }
  return "unknown";
}

coordinator::coordinator(std::size_t index, std::shared_ptr<const account_directory> accounts)
    : event_sourced(std::string(coordinator_prefix) + std::to_string(index),
                    {.snapshot_every = snapshot_every}),
      accounts_(std::move(accounts)) {}

resume::reply_type coordinator::on(resume m) {
  sink_ = std::move(m.sink);
  for (const auto& [reference, pending] : state().pending) {
    resumed_.insert(reference);
    step(reference, pending.refunding ? stage::refunding : stage::withdrawing);
  }
  return {state().pending.size(), state().ended.size(), state().replayed};
}

coordinator::effect coordinator::on(submit m) {
  const transfer& t = m.what;
  const auto pending = state().pending.find(t.reference);
  const auto ended = state().ended.find(t.reference);
  const bool is_pending = pending != state().pending.end();
  const bool is_known = is_pending || ended != state().ended.end();
  const bool is_same = is_pending ? content_of(pending->second.what) == content_of(t)
                                  : !is_known || ended->second.content == content_of(t);

  const auto [claim, is_first] = claims_.try_emplace(t.reference, t.line);
  if (!is_same || (!is_first && claim->second != t.line)) {
    const std::uint64_t first_line = is_same      ? claim->second
                                     : is_pending ? pending->second.what.line
                                                  : ended->second.line;
    sink_.tell(verdict{t.line, t.reference, ending::duplicate, refusal::none, first_line});
    return none();
  }
  if (is_pending) return none();  // its verdict comes
  if (is_known) {
    tell_of_ended(t.line, t.reference, true);
    return none();
  }
  return persist(transfer_started{t})
      .then([this, reference = t.reference](const coordinator_state&) {
        step(reference, stage::withdrawing);
      });
}

coordinator::effect coordinator::on(const stepped& m) {
  const auto found = state().pending.find(m.reference);
  if (found == state().pending.end()) return none();
  const pending_transfer& p = found->second;
  if (!m.answer) {
    sink_.tell(trouble{error(m.answer.error().code(), "transfer " + m.reference + ": " +
                                                          std::string(m.answer.error().text()))});
    return none();
  }
  const refusal answer = *m.answer;
  switch (m.at) {
    case stage::withdrawing:
      if (answer != refusal::none) return finish(p.what, ending::refused, answer);
      step(m.reference, stage::depositing);
      return none();
    case stage::depositing:
      if (answer == refusal::none) return finish(p.what, ending::completed, refusal::none);
      return persist(refund_decided{m.reference, answer})
          .then([this, reference = m.reference](const coordinator_state&) {
            step(reference, stage::refunding);
          });
    case stage::refunding: return finish(p.what, ending::refunded, p.why);
  }
  return none();
}

void coordinator::step(const std::string& reference, stage at) {
  const transfer& t = state().pending.at(reference).what;
  switch (at) {
    case stage::withdrawing: ask<withdraw>(t.from, t, at); break;
    case stage::depositing: ask<deposit>(t.to, t, at); break;
    case stage::refunding: ask<refund>(t.from, t, at); break;
  }
}

template <class Command>
void coordinator::ask(const std::string& account, const transfer& what, stage at) {
  const auto found = accounts_->find(account);
  if (found == accounts_->end()) {
    sink_.tell(
        trouble{error(errc::not_found, "transfer " + what.reference + ": no account " + account)});
    return;
  }
  ctx().pipe_to_self(
      found->second.template ask<Command>(what.reference, what.amount).within(step_limit),
      [reference = what.reference, at](result<refusal> answer) {
        return stepped{reference, at, std::move(answer)};
      });
}

coordinator::effect coordinator::finish(const transfer& what, ending how, refusal why) {
  const std::string& reference = what.reference;
  effect e = how == ending::completed ? persist(transfer_completed{reference})
             : how == ending::refused ? persist(transfer_refused{reference, why})
                                      : persist(transfer_refunded{reference, why});
  return std::move(e).then([this, what, how](const coordinator_state&) {
    // Whoever has applied a step of it may forget it now.
    if (how != ending::refused) accounts_->at(what.from).tell<settle>(what.reference);
    if (how == ending::completed) accounts_->at(what.to).tell<settle>(what.reference);
    tell_of_ended(what.line, what.reference, false);
  });
}

void coordinator::tell_of_ended(std::uint64_t line, const std::string& reference,
                                bool known_before) {
  const ended_transfer& e = state().ended.at(reference);
  sink_.tell(verdict{.line = line,
                     .reference = reference,
                     .how = e.how,
                     .why = e.why,
                     .known_before = known_before,
                     .resumed = resumed_.erase(reference) > 0});
}

void coordinator::apply(coordinator_state& s, const transfer_started& e) {
  ++s.replayed;
  s.pending.insert_or_assign(e.what.reference, pending_transfer{e.what});
}

void coordinator::apply(coordinator_state& s, const refund_decided& e) {
  ++s.replayed;
  if (const auto found = s.pending.find(e.reference); found != s.pending.end()) {
    found->second.refunding = true;
    found->second.why = e.why;
  }
}

void coordinator::apply(coordinator_state& s, const transfer_completed& e) {
  end(s, e.reference, ending::completed, refusal::none);
}

void coordinator::apply(coordinator_state& s, const transfer_refused& e) {
  end(s, e.reference, ending::refused, e.why);
}

void coordinator::apply(coordinator_state& s, const transfer_refunded& e) {
  end(s, e.reference, ending::refunded, e.why);
}

}  // namespace odeon::bank
