#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/pattern/detail/attempt.hpp>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

/// @file So many in so long a time: `token_bucket`, the rule; `rate_limiter`, for tasks and
/// functions; `spawn_throttler`, for messages on their way to an actor.
///
///     rate_limiter limiter(system.get_runtime(), {.elements = 100, .per = 1s, .burst = 10});
///     co_await limiter.acquire();                       // waits for its turn
///
///     auto slow = spawn_throttler(system, printer, {.elements = 5, .per = 1s});
///     slow.tell<page>("…");                             // reaches the printer in its time

namespace odeon {

struct rate {
  std::size_t elements = 1;                ///< so many …
  duration per = std::chrono::seconds(1);  ///< … in each such time, in the long run
  std::size_t burst = 1;  ///< so many may go at once after a rest; 1: evenly spaced
};

/// The rule alone, without a clock: the generic cell rate algorithm (ITU-T I.371), two numbers. Not
/// for two threads at once.
class token_bucket {
 public:
  /// Throws `actor_error(errc::invalid_argument)`: no elements, no time, no burst.
  explicit token_bucket(rate r);
  /// Takes `n` places if there are so many at `now`.
  bool try_take(time_point now, std::size_t n = 1) noexcept;
  /// Takes `n` places, of the future if need be; how long from `now` until they may be used.
  duration reserve(time_point now, std::size_t n = 1) noexcept;
  /// How long from `now` until `n` places are there; more than `burst` never are.
  [[nodiscard]] duration wait_for(time_point now, std::size_t n = 1) const noexcept;

 private:
  duration interval_;
  duration tolerance_;
  time_point next_{duration::min()};  // the theoretical arrival time
};

/// A handle on one limiter: copies are the same one. @threadsafe. Time is that of users. The
/// runtime must outlive the calls.
class rate_limiter {
 public:
  /// `max_wait` bounds the queue: who would have to wait for longer is refused at once.
  rate_limiter(runtime& rt, rate r, duration max_wait = std::chrono::minutes(1));

  /// True: go on. False: not now.
  [[nodiscard]] bool try_acquire(std::size_t n = 1);
  /// Waits for the turn; turns come in the order of the calls. Throws
  /// `actor_error(errc::limit_exceeded)` at once when that would take longer than `max_wait`, and
  /// `errc::cancelled` when the work is asked to stop meanwhile; its turn then passes unused.
  [[nodiscard]] task<void> acquire(std::size_t n = 1);
  /// How long a call of now would wait.
  [[nodiscard]] duration backlog(std::size_t n = 1) const;

 private:
  struct core;
  std::shared_ptr<core> core_;
};

struct throttle_options {
  std::size_t elements = 1;
  duration per = std::chrono::seconds(1);
  std::size_t burst = 1;                             ///< as `rate`
  std::size_t capacity = 1000;                       ///< messages that wait; at least 1
  odeon::overflow overflow = odeon::overflow::fail;  ///< what the full queue does
  std::string name = {};
};

namespace detail {

template <class... Ms>
class throttler_actor final : public actor<Ms...> {
 public:
  throttler_actor(const actor_ref<Ms...>& to, const rate& r) : to_(to), bucket_(r) {}
  void pre_start() { this->ctx().watch(to_); }

  // No coroutine itself: the message is passed on while it is in hand. Until the next place is
  // there the handler has not ended, and the mailbox, with its bound and its overflow, is the
  // queue.
  template <class M>
    requires(message_list<Ms...>::template contains<M>)
  task<result<reply_t<M>>> on(M m) {
    const time_point now = this->ctx().system().get_runtime().now();
    bucket_.try_take(now);
    this->ctx().forward(to_, std::move(m));
    return rest<reply_t<M>>(bucket_.wait_for(now));
  }
  void on(terminated) { this->ctx().stop(); }

 private:
  template <class R>
  static task<result<R>> rest(duration d) {
    if (d > duration::zero()) co_await pause(d);
    co_return fail(errc::unhandled, "passed on");  // reaches nobody: the ask went with the message
  }
  actor_ref<Ms...> to_;
  token_bucket bucket_;
};

}  // namespace detail

/// An actor in `where` (an `actor_system` or a `context`) that passes messages on to `to`, in
/// order, with their senders and asks, no faster than told; it ends with `to`. What comes to a full
/// queue is treated as in any bounded mailbox.
template <class Where, class... Ms>
actor_ref<Ms...> spawn_throttler(Where& where, const actor_ref<Ms...>& to,
                                 throttle_options options) {
  const rate r{options.elements, options.per, options.burst};
  (void)token_bucket(r);  // refused here, not in the new actor
  spawn_options o{.name = std::move(options.name),
                  .mailbox = mailbox::bounded(options.capacity, options.overflow)};
  return where.template spawn<detail::throttler_actor<Ms...>>(std::move(o), to, r);
}

}  // namespace odeon
