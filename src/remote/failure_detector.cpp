#include <odeon/remote/failure_detector.hpp>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace odeon::remote {

namespace {

/// -log10 of the probability that a standard normal variable is above `x`.
double surprise(double x) noexcept {
  // Far out erfc is 0 in doubles: its asymptotic form, whose error is below 1/x² there.
  if (x > 30)
    return x * x / 2 * std::numbers::log10e + std::log10(x * std::sqrt(2 * std::numbers::pi));
  return -std::log10(std::erfc(x / std::numbers::sqrt2) / 2);
}

}  // namespace

failure_detector::failure_detector(failure_detector_options options) : options_(options) {
  options_.threshold = std::max(options_.threshold, 1e-3);
  options_.first_interval = std::max(options_.first_interval, duration(1));
  options_.least_deviation = std::max(options_.least_deviation, duration(1));
  options_.pause = std::max(options_.pause, duration::zero());
  options_.samples = std::max<std::size_t>(options_.samples, 2);
  intervals_.reserve(options_.samples);
  // Two that stand for what is expected: their mean is that, their deviation a quarter of it.
  intervals_ = {options_.first_interval - options_.first_interval / 4,
                options_.first_interval + options_.first_interval / 4};
  summarize();
}

void failure_detector::heartbeat(time_point at) {
  if (last_ && at < *last_) return;
  if (last_ && !suspects(at)) {
    const duration interval = at - *last_;
    if (intervals_.size() < options_.samples) {
      intervals_.push_back(interval);
    } else {
      intervals_[next_] = interval;
      next_ = (next_ + 1) % intervals_.size();
    }
    summarize();
  }
  last_ = at;
}

void failure_detector::summarize() noexcept {
  double sum = 0;
  for (const duration d : intervals_) sum += static_cast<double>(d.count());
  const double mean = sum / static_cast<double>(intervals_.size());
  double squares = 0;
  for (const duration d : intervals_) {
    const double off = static_cast<double>(d.count()) - mean;
    squares += off * off;
  }
  mean_ = duration(static_cast<duration::rep>(mean));
  deviation_ = duration(
      static_cast<duration::rep>(std::sqrt(squares / static_cast<double>(intervals_.size()))));
}

double failure_detector::phi_after(duration silence) const noexcept {
  const auto deviation =
      static_cast<double>(std::max(deviation_, options_.least_deviation).count());
  const auto beyond = static_cast<double>((silence - mean_ - options_.pause).count());
  return std::max(surprise(beyond / deviation), 0.0);
}

double failure_detector::phi(time_point now) const noexcept {
  return !last_ || now <= *last_ ? 0.0 : phi_after(now - *last_);
}

duration failure_detector::patience() const noexcept {
  // φ grows with the silence: doubled until it is enough, then halved between.
  duration most = std::max(mean_ + options_.pause, duration(1));
  while (phi_after(most) < options_.threshold && most < std::chrono::hours(24 * 365)) most *= 2;
  duration least{0};
  while (most - least > duration(1000)) {
    const duration middle = least + (most - least) / 2;
    (phi_after(middle) < options_.threshold ? least : most) = middle;
  }
  return most;
}

}  // namespace odeon::remote
