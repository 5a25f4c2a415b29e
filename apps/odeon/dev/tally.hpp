#pragma once

#include "odeon/bank/coordinator.hpp"
#include "odeon/dev/protocol.hpp"
#include <odeon/base/time.hpp>
#include <odeon/telemetry/histogram.hpp>

#include <array>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <vector>

namespace odeon::dev {

/// Rejected lines that are remembered one by one; beyond them only new ones in file order count.
inline constexpr std::size_t max_remembered_rejections = 1'000'000;

/// One life of the worker, as far as it went.
struct incarnation {
  time_point started;
  duration recovery{0};  ///< from its start to its first new transfer; 0: it did not get there
  std::uint64_t replayed = 0;   ///< events read from the journal
  std::uint64_t under_way = 0;  ///< transfers that it found unfinished
  counters last;
};

/// What the supervisor knows from the reports. Time is handed in: it has no clock.
class tally {
 public:
  /// `lines`: entries of the file, good and bad.
  explicit tally(std::uint64_t lines) : lines_(lines) {}

  void worker_started(time_point now);
  /// Gives the acknowledgements that are new, so that they can be written down.
  std::vector<acknowledgement> add(const report& r, time_point now);
  /// The rejected lines that are new since the last call.
  std::vector<bank::rejected_line> take_new_rejections();

  [[nodiscard]] std::uint64_t lines() const noexcept { return lines_; }
  /// Lines of the file whose end is known.
  [[nodiscard]] std::uint64_t done() const noexcept { return acknowledged_ + rejected_; }
  [[nodiscard]] double share() const noexcept;
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return acknowledged_; }
  [[nodiscard]] std::uint64_t rejected() const noexcept { return rejected_; }
  [[nodiscard]] std::uint64_t ended(bank::ending how) const noexcept;
  [[nodiscard]] std::uint64_t refused_for(bank::refusal why) const noexcept;
  [[nodiscard]] const histogram& latency_us() const noexcept { return latency_us_; }
  [[nodiscard]] const phase_report& phase() const noexcept { return phase_; }
  [[nodiscard]] const std::vector<incarnation>& incarnations() const noexcept { return lives_; }
  /// Of all incarnations.
  [[nodiscard]] counters total() const noexcept;

  /// Per second, over the last seconds.
  [[nodiscard]] double transfers_per_second() const noexcept;
  [[nodiscard]] double events_per_second() const noexcept;
  [[nodiscard]] double events_per_commit() const noexcept;
  /// New transfers over all the time in which the worker transferred, and their number.
  [[nodiscard]] double mean_transfers_per_second() const noexcept;
  [[nodiscard]] std::uint64_t fresh() const noexcept { return fresh_; }
  [[nodiscard]] duration transferring() const noexcept { return transferring_; }

 private:
  struct sample {
    time_point at;
    std::uint64_t fresh;
    std::uint64_t events;
    std::uint64_t commits;
  };
  void add_phase(const phase_report& p, time_point now);
  void add_counters(const counters& c, time_point now);
  [[nodiscard]] double rate(std::uint64_t sample::* of) const noexcept;

  std::uint64_t lines_;
  std::vector<bool> seen_;  // by line
  std::set<std::uint64_t> rejected_lines_;
  std::vector<bank::rejected_line> new_rejections_;
  std::uint64_t acknowledged_ = 0;
  std::uint64_t rejected_ = 0;
  std::uint64_t fresh_ = 0;
  std::array<std::uint64_t, 4> ended_{};
  std::array<std::uint64_t, 3> refused_for_{};
  histogram latency_us_;
  phase_report phase_;
  time_point last_report_;
  duration transferring_{0};
  std::vector<incarnation> lives_;
  std::deque<sample> recent_;
};

}  // namespace odeon::dev
