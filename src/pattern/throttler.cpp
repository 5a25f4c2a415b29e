#include <odeon/base/detail/spin.hpp>
#include <odeon/pattern/throttler.hpp>

#include <algorithm>

namespace odeon {

token_bucket::token_bucket(rate r) {
  if (r.elements == 0 || r.burst == 0 || r.per <= duration::zero())
    throw actor_error(errc::invalid_argument,
                      "a rate has at least one element in a time above zero, and a burst of at "
                      "least one");
  interval_ = std::max(r.per / static_cast<duration::rep>(r.elements), duration(1));
  tolerance_ = interval_ * static_cast<duration::rep>(r.burst - 1);
}

duration token_bucket::wait_for(time_point now, std::size_t n) const noexcept {
  // The n-th of them is `n - 1` intervals after the first.
  const time_point first = std::max(next_, now);
  const duration wait = (first - now) + interval_ * static_cast<duration::rep>(n - 1) - tolerance_;
  return std::max(wait, duration::zero());
}

duration token_bucket::reserve(time_point now, std::size_t n) noexcept {
  const duration wait = wait_for(now, n);
  next_ = std::max(next_, now) + interval_ * static_cast<duration::rep>(n);
  return wait;
}

bool token_bucket::try_take(time_point now, std::size_t n) noexcept {
  if (wait_for(now, n) > duration::zero()) return false;
  reserve(now, n);
  return true;
}

struct rate_limiter::core {
  runtime& rt;
  duration max_wait;
  detail::spin_lock lock;
  token_bucket bucket;
};

rate_limiter::rate_limiter(runtime& rt, rate r, duration max_wait)
    : core_(new core{rt, max_wait, {}, token_bucket(r)}) {}

bool rate_limiter::try_acquire(std::size_t n) {
  const time_point now = core_->rt.now();
  detail::spin_guard guard(core_->lock);
  return core_->bucket.try_take(now, n);
}

duration rate_limiter::backlog(std::size_t n) const {
  const time_point now = core_->rt.now();
  detail::spin_guard guard(core_->lock);
  return core_->bucket.wait_for(now, n);
}

namespace {

error too_long(duration wait, duration most) {
  return {errc::limit_exceeded, "the rate limiter's next place is " + to_string(wait) +
                                    " away, further than its bound of " + to_string(most)};
}

/// What is left of `acquire` once its place is taken.
task<void> wait_turn(duration wait) {
  if (wait > duration::zero() && !co_await detail::pause(wait))
    throw actor_error(errc::cancelled, "asked to stop while waiting for a rate limiter's place");
}

task<void> refuse(error why) {
  throw actor_error(std::move(why));
  co_return;
}

}  // namespace

// The place is taken by the call, not by the await: turns come in the order of the calls.
task<void> rate_limiter::acquire(std::size_t n) {
  const time_point now = core_->rt.now();
  duration wait;
  {
    detail::spin_guard guard(core_->lock);
    wait = core_->bucket.wait_for(now, n);
    if (wait <= core_->max_wait) core_->bucket.reserve(now, n);
  }
  return wait <= core_->max_wait ? wait_turn(wait) : refuse(too_long(wait, core_->max_wait));
}

}  // namespace odeon
