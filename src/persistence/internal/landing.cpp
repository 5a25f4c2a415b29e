#include "persistence/internal/landing.hpp"

#include "persistence/internal/event_format.hpp"
#include <odeon/base/assert.hpp>

#include <algorithm>

namespace odeon::detail {

namespace {

// What a sweep that must move on stores at least in one transaction.
constexpr std::size_t quota_min = 64u << 10;

}  // namespace

bool landing::copy_tail(std::uint32_t actor, tail& out) const {
  const std::lock_guard lock(mutex_);
  const auto found = tails_.find(actor);
  if (found == tails_.end()) return false;
  out = found->second;
  return true;
}

std::uint64_t landing::last_of(std::uint32_t actor) const {
  const std::lock_guard lock(mutex_);
  const auto found = tails_.find(actor);
  return found == tails_.end() ? 0 : found->second.last;
}

bool landing::copy_event(std::uint32_t actor, std::uint64_t sequence,
                         std::vector<std::byte>& out) const {
  const std::lock_guard lock(mutex_);
  const auto found = tails_.find(actor);
  if (found == tails_.end() || sequence < found->second.first || sequence > found->second.last)
    return false;
  std::span<const std::byte> left = found->second.records;
  for (std::uint64_t at = found->second.first;; ++at) {
    const auto record = peek_record(left);
    if (!record) return false;
    if (at == sequence) {
      out.assign(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(record->second));
      return true;
    }
    left = left.subspan(record->second);
  }
}

std::uint64_t landing::next_position() const {
  const std::lock_guard lock(mutex_);
  return next_position_;
}

void landing::add(std::span<const addition> events, std::uint64_t next_position) {
  const std::lock_guard lock(mutex_);
  for (const auto& e : events) {
    tail& t = tails_[e.actor];
    if (t.records.empty()) {
      t.first = e.sequence;
      bytes_ += tail_overhead;
    } else {
      ODEON_ASSERT(e.sequence == t.last + 1, "the landing got an event out of order");
    }
    const bool was_light = t.records.size() < heavy_size_;
    t.last = e.sequence;
    t.records.insert(t.records.end(), e.record.begin(), e.record.end());
    bytes_ += e.record.size();
    if (was_light && t.records.size() >= heavy_size_) heavy_.push_back(e.actor);
  }
  next_position_ = next_position;
}

const landing::tail* landing::find(std::uint32_t actor) const noexcept {
  const auto found = tails_.find(actor);
  return found == tails_.end() ? nullptr : &found->second;
}

landing::plan landing::make_plan(std::size_t incoming) const {
  plan p{heavy_, cursor_, false};
  std::size_t left = bytes_ + incoming;
  for (const auto actor : heavy_) left -= cost(tails_.at(actor));
  const bool log_is_long = since_mark_ + incoming > limit_;
  const std::size_t quota = 2 * incoming + quota_min;
  std::size_t swept = 0;
  auto at = tails_.lower_bound(cursor_);
  while (left > limit_ || (log_is_long && swept < quota)) {
    if (at == tails_.end()) {
      p.sweep_ends = true;  // one round at most in a plan: the next one goes on
      p.cursor = 0;
      break;
    }
    if (at->second.records.size() < heavy_size_) {
      p.actors.push_back(at->first);
      left -= cost(at->second);
      swept += cost(at->second);
    }
    p.cursor = at->first + 1;
    ++at;
  }
  return p;
}

landing::plan landing::plan_of_all() const {
  plan p{.actors = {}, .cursor = 0, .sweep_ends = true};
  for (const auto& [actor, tail] : tails_) p.actors.push_back(actor);
  return p;
}

std::uint64_t landing::stored(const plan& p, std::size_t incoming, std::uint64_t log_next) {
  const std::lock_guard lock(mutex_);
  for (const auto actor : p.actors) {
    const auto found = tails_.find(actor);
    bytes_ -= cost(found->second);
    tails_.erase(found);
  }
  heavy_.clear();
  cursor_ = p.cursor;
  since_mark_ += incoming;
  if (p.sweep_ends) {
    safe_below_ = sweep_mark_;
    sweep_mark_ = log_next;
    since_mark_ = 0;
  }
  return safe_below_;
}

}  // namespace odeon::detail
