// What becomes of a job when its worker dies, and of what was noted under the lock. The protocol
// stands in troupe_work.cpp.

#include "internal/troupe_leg.hpp"

namespace odeon::detail {

// -- deaths ---------------------------------------------------------------------------------------

void troupe_work::failed(cell& c, directive what, const std::string& why) noexcept {
  after todo;
  {
    std::lock_guard guard(mutex_);
    const auto found = hands_.find(&c);
    if (found == hands_.end()) return;
    hand& h = found->second;
    if (what == directive::resume) {
      // The worker lives. Its job is done for, unless somebody may still answer it.
      if (is_open(h)) return;
      if (!h.answer) h.good = false;
      close(h, todo);
      if (!h.what.first && h.what.message) {
        todo.over.pop_back();
        todo.given_up.push_back({h.what, {errc::handler_failed, why}});
      }
    } else {
      died(h, why, todo);
      ended_over_job_.insert(&c);  // if this is its end
    }
    hands_.erase(found);
  }
  carry_out(todo);
}

void troupe_work::died(hand& h, const std::string& why, after& todo) {
  if (h.told) {  // it was answered before
    close(h, todo);
    return;
  }
  if (h.answer) {
    h.answer->dropped = !h.answer->settled;
    todo.ended.push_back(std::exchange(h.answer, nullptr));
  }
  job& j = h.what;
  if (++j.deaths < options_.attempts && j.message) {
    pending_.push_front(j);
    ++counts_.requeued;
    todo.requeued = true;
    return;
  }
  ++counts_.failed;
  todo.given_up.push_back(
      {j,
       {errc::handler_failed,
        std::string(j.type) + " was given up after " + std::to_string(j.deaths) +
            (j.deaths == 1 ? " worker" : " workers") + " died over it; the last: " + why}});
}

void troupe_work::left(cell& c) noexcept {
  after todo;
  {
    std::lock_guard guard(mutex_);
    idle_.erase(&c);
    if (const auto found = hands_.find(&c); found != hands_.end()) {
      hand& h = found->second;
      const bool unanswered = h.answer && !h.told;
      if (unanswered)
        died(h, h.why ? std::string(h.why->text()) : "the worker has stopped", todo);
      else
        close(h, todo);
      hands_.erase(found);
    } else if (ended_over_job_.erase(&c) == 0) {
      jobless_.insert(&c);
    }
  }
  carry_out(todo);
  rested();
}

bool troupe_work::awaits(cell& c) noexcept {
  std::lock_guard guard(mutex_);
  const auto found = hands_.find(&c);
  if (found == hands_.end()) return false;
  found->second.let_go = true;
  return is_open(found->second);
}

bool troupe_work::keeps(const cell& c) const noexcept {
  std::lock_guard guard(mutex_);
  const auto found = hands_.find(&c);
  return found != hands_.end() && found->second.what.message;
}

void troupe_work::rested() noexcept {
  if (waiting() == 0) return;
  if (const auto s = state_.lock()) wake(*s);
}

// -- what is done without the lock ----------------------------------------------------------------

void troupe_work::attach_ask(job& j) noexcept {
  j.message->from = std::exchange(j.first, nullptr);
  j.message->flags |= envelope::is_ask;
}

void troupe_work::destroy(job& j) noexcept {
  if (j.first) std::exchange(j.first, nullptr)->drop_ref();
  if (envelope* e = std::exchange(j.message, nullptr)) {
    destroy_payload(*e);
    free_block(*e);
  }
}

void troupe_work::carry_out(after& todo) noexcept {
  for (auto& [first, why] : todo.told_errors) {
    first->fail(std::move(why));
    first->drop_ref();
  }
  for (leg* l : todo.ended) {
    if (l->dropped) {
      l->ask.detach_waiter();
      l->ask.let_go();
      l->ask.drop_ref();
      if (!l->late) l->drop_ref();
    }
    l->drop_ref();
  }
  for (job& j : todo.over) destroy(j);
  for (auto& [j, why] : todo.given_up) {
    if (!j.message) {
      if (j.first) j.first->fail(std::move(why));
      destroy(j);
      continue;
    }
    if (j.first) attach_ask(j);
    envelope& e = *std::exchange(j.message, nullptr);
    const auto state = state_.lock();
    if (const any_ref router = state ? state->self() : any_ref()) {
      lose(*router.get(), e, why);
    } else {
      if (ask_state_base* ask = take_ask(e)) {
        ask->fail(std::move(why));
        ask->drop_ref();
      }
      destroy_payload(e);
      free_block(e);
    }
  }
  if (todo.requeued) rested();
}

}  // namespace odeon::detail
