// The wheel. A node at level L, slot S is due in the tick range that S stands for; when the wheel's
// present tick enters a slot of a higher level, its nodes are sorted in again one or more levels
// down. Times are counted in ticks of 1 ms since `start_`, rounded up, so that nothing fires early.

#include "internal/timer_wheel.hpp"

#include <odeon/base/assert.hpp>

#include <algorithm>
#include <bit>
#include <mutex>
#include <utility>

namespace odeon {

namespace {

constexpr std::int64_t tick_ns = 1'000'000;

}  // namespace

timer_wheel::timer_wheel(time_point start, std::move_only_function<void(time_point)> earlier)
    : start_(start),
      earlier_(std::move(earlier)) {}

void timer_wheel::place(timer_node& node) noexcept {
  const std::int64_t due = std::max(node.due_, now_ + 1);
  // A level reaches from the next tick on: its present slot was emptied, and stands for the last of
  // its range.
  const auto distance = static_cast<std::uint64_t>(due - now_ - 1);
  unsigned level = 0;
  while (level + 1 < levels && distance >= (std::uint64_t{1} << shift(level + 1))) ++level;
  const unsigned count = level == 0 ? first_slots : other_slots;
  std::int64_t position = due >> shift(level);
  // Beyond the last level's reach: its farthest slot, from where it is sorted in again.
  if (const std::int64_t farthest = (now_ >> shift(level)) + count; position > farthest)
    position = farthest;
  const unsigned slot = base(level) + static_cast<unsigned>(position & (count - 1));
  node.slot_ = static_cast<std::uint16_t>(slot);
  node.next_ = slots_[slot];
  node.link_ = &slots_[slot];
  if (node.next_) node.next_->link_ = &node.next_;
  slots_[slot] = &node;
  used_[slot / 64] |= std::uint64_t{1} << (slot % 64);
}

void timer_wheel::unlink(timer_node& node) noexcept {
  *node.link_ = node.next_;
  if (node.next_) node.next_->link_ = node.link_;
  node.link_ = nullptr;
  const unsigned slot = node.slot_;
  if (!slots_[slot]) used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
}

timer_node* timer_wheel::take_slot(unsigned slot) noexcept {
  used_[slot / 64] &= ~(std::uint64_t{1} << (slot % 64));
  return std::exchange(slots_[slot], nullptr);
}

void timer_wheel::arm(timer_node& node, time_point due) noexcept {
  bool tell = false;
  {
    std::lock_guard guard(lock_);
    ODEON_DEBUG_ASSERT(!node.link_, "a timer node is armed twice");
    const auto since = due == time_point::max() ? duration::max() : due - start_;
    node.due_ = since.count() / tick_ns + (since.count() % tick_ns > 0 ? 1 : 0);
    place(node);
    ++armed_;
    if (node.due_ < promised_) {
      promised_ = node.due_;
      tell = static_cast<bool>(earlier_);
    }
  }
  if (tell) earlier_(due);
}

bool timer_wheel::disarm(timer_node& node) noexcept {
  std::lock_guard guard(lock_);
  if (!node.link_) return false;
  unlink(node);
  --armed_;
  return true;
}

std::size_t timer_wheel::size() const noexcept {
  std::lock_guard guard(lock_);
  return armed_;
}

// The first tick after `now_` at which a slot must be looked at: the nearest used slot of each
// level.
std::int64_t timer_wheel::next_tick() const noexcept {
  std::int64_t best = never;
  for (unsigned level = 0; level < levels; ++level) {
    const unsigned count = level == 0 ? first_slots : other_slots;
    const unsigned words = count / 64;
    const std::int64_t here = now_ >> shift(level);
    for (unsigned step = 1; step <= count;) {
      const auto slot = static_cast<unsigned>((here + step) & (count - 1));
      const std::uint64_t rest = used_[base(level) / 64 + slot / 64] >> (slot % 64);
      if (rest) {
        step += static_cast<unsigned>(std::countr_zero(rest));
        if (step <= count) best = std::min(best, (here + step) << shift(level));
        break;
      }
      step += 64 - slot % 64;
      if (words == 1 && step > count) break;
    }
  }
  return best;
}

time_point timer_wheel::next_due() noexcept {
  std::lock_guard guard(lock_);
  promised_ = next_tick();
  return promised_ == never ? time_point::max() : start_ + duration(promised_ * tick_ns);
}

std::size_t timer_wheel::advance(time_point now) noexcept {
  const std::int64_t target = (now - start_).count() / tick_ns;
  std::size_t fired = 0;
  for (;;) {
    timer_node* due = nullptr;
    {
      std::lock_guard guard(lock_);
      const std::int64_t tick = next_tick();
      if (tick > target) {
        now_ = std::max(now_, target);
        return fired;
      }
      // From the highest level down: what is sorted in again may be due in this very tick.
      now_ = tick - 1;
      for (unsigned level = levels; level-- > 1;) {
        if (tick & ((std::int64_t{1} << shift(level)) - 1)) continue;
        const auto slot =
            base(level) + static_cast<unsigned>((tick >> shift(level)) & (other_slots - 1));
        for (timer_node* n = take_slot(slot); n;) {
          timer_node* rest = n->next_;
          place(*n);
          n = rest;
        }
      }
      now_ = tick;
      due = take_slot(static_cast<unsigned>(tick & (first_slots - 1)));
      timer_node* in_order =
          nullptr;  // slots are stacks: turned round, timers of one tick fire as armed
      while (due) {
        timer_node* rest = due->next_;
        due->link_ = nullptr;
        due->next_ = in_order;
        in_order = due;
        due = rest;
        --armed_;
      }
      due = in_order;
    }
    while (due) {
      timer_node* rest = due->next_;
      ++fired;
      due->fire_(*due);
      due = rest;
    }
  }
}

}  // namespace odeon
