#pragma once

#include <odeon/base/time.hpp>

#include <cstddef>
#include <optional>
#include <vector>

/// @file Whether a peer that is silent is likely to be gone.
///
/// The φ accrual failure detector of Hayashibara, Défago, Yared and Katayama (SRDS 2004): the times
/// between heartbeats are taken as normally distributed with the mean and deviation of the latest
/// ones, and φ = -log10(probability that the next one is still to come). φ = 1 errs once in ten
/// times, φ = 10 once in ten thousand million, on a network that stays as it was. So one threshold
/// fits a quick and a slow network, where a fixed time fits one of them.

namespace odeon::remote {

struct failure_detector_options {
  double threshold = 10.0;  ///< of φ, from which on the peer is suspected; above 0
  /// What is expected before anything is known: the sender's interval.
  duration first_interval = std::chrono::milliseconds(500);
  /// However regular the heartbeats were: so much irregularity is ordinary. Above 0.
  duration least_deviation = std::chrono::milliseconds(100);
  /// Silence on top of the mean that is not held against the peer: pauses of its process.
  duration pause = duration::zero();
  std::size_t samples = 100;  ///< the latest intervals that count; at least 2
};

/// Of one peer. Pure: it reads no clock. Not threadsafe.
class failure_detector {
 public:
  /// Values outside their ranges count as the nearest one inside.
  explicit failure_detector(failure_detector_options options = {});

  /// Something was heard. The interval counts, unless the peer was suspected: how long it was away
  /// says nothing of its heartbeats. Earlier times than the last one are ignored. O(samples).
  void heartbeat(time_point at);

  /// How sure it is that the peer is gone; 0 before the first heartbeat. Grows with time until the
  /// next one; finite.
  [[nodiscard]] double phi(time_point now) const noexcept;
  [[nodiscard]] bool suspects(time_point now) const noexcept {
    return phi(now) >= options_.threshold;
  }
  /// How long after a heartbeat the peer is suspected: when to look again.
  [[nodiscard]] duration patience() const noexcept;

  /// Of the intervals that count.
  [[nodiscard]] duration mean() const noexcept { return mean_; }
  [[nodiscard]] duration deviation() const noexcept { return deviation_; }
  [[nodiscard]] std::optional<time_point> last() const noexcept { return last_; }

 private:
  void summarize() noexcept;
  [[nodiscard]] double phi_after(duration silence) const noexcept;

  failure_detector_options options_;
  std::vector<duration> intervals_;  // a ring
  std::size_t next_ = 0;
  std::optional<time_point> last_;
  duration mean_{0};
  duration deviation_{0};
};

}  // namespace odeon::remote
