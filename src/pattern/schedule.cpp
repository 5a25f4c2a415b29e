#include <odeon/base/error.hpp>
#include <odeon/pattern/schedule.hpp>
#include <odeon/runtime/runtime.hpp>

#include <cmath>

namespace odeon {

schedule::schedule(duration min, duration max, double jitter)
    : min_(min),
      max_(max),
      jitter_(jitter) {
  if (min < duration::zero())
    throw actor_error(errc::invalid_argument, "a pause of " + to_string(min) + " is negative");
  if (max < min)
    throw actor_error(errc::invalid_argument, "the longest pause, " + to_string(max) +
                                                  ", is shorter than the first one, " +
                                                  to_string(min));
  if (!(jitter >= 0 && jitter <= 1))
    throw actor_error(errc::invalid_argument,
                      "a jitter of " + std::to_string(jitter) + " is not between 0 and 1");
}

schedule schedule::fixed(duration every, double jitter) { return {every, every, jitter}; }

schedule schedule::exponential(duration min, duration max, double jitter) {
  return {min, max, jitter};
}

duration schedule::delay_for(unsigned attempt) const noexcept {
  if (attempt == 0) return duration::zero();
  duration d = min_;
  // At most 63 rounds: then the cap is reached, whatever it is.
  for (unsigned n = 1; n < attempt && d < max_; ++n) {
    if (d > max_ / 2 || d == duration::zero()) return d == duration::zero() ? d : max_;
    d *= 2;
  }
  return d;
}

duration schedule::delay_for(unsigned attempt, runtime& rt) const noexcept {
  const duration d = delay_for(attempt);
  if (jitter_ == 0 || d == duration::zero()) return d;
  const double spread = static_cast<double>(rt.random_u64() >> 11) * 0x1p-53 * 2 - 1;  // in [-1, 1)
  return duration(std::llround(static_cast<double>(d.count()) * (1 + jitter_ * spread)));
}

}  // namespace odeon
