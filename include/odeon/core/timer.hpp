#pragma once

#include <odeon/core/detail/envelope.hpp>

#include <utility>

namespace odeon {

namespace detail {

class timer_state;
void timer_cancel(timer_state& t) noexcept;
bool timer_active(const timer_state& t) noexcept;
void timer_drop(timer_state& t) noexcept;

}  // namespace detail

/// A scheduled message, as `context::send_after` and its like give it. Dropping the handle leaves
/// the timer armed. Timers end with their actor, and at its restart. @threadsafe
class timer {
 public:
  timer() noexcept = default;
  timer(timer&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  timer& operator=(timer&& o) noexcept {
    std::swap(state_, o.state_);
    return *this;
  }
  ~timer() {
    if (state_) detail::timer_drop(*state_);
  }

  /// Idempotent. Called on the actor's own turn, the message is not delivered any more, even when
  /// it waits in the mailbox already.
  void cancel() noexcept {
    if (state_) detail::timer_cancel(*state_);
  }
  /// Neither cancelled nor, for a single one, fired.
  [[nodiscard]] bool is_active() const noexcept { return state_ && detail::timer_active(*state_); }

  /// For the runtime: takes over a reference.
  explicit timer(detail::timer_state* s) noexcept : state_(s) {}

 private:
  detail::timer_state* state_ = nullptr;
};

}  // namespace odeon
