#pragma once

#include "crash/workload.hpp"

#include <functional>
#include <mutex>
#include <string>

/// @file Many writers on one journal, each with a few appends on their way, each telling `claims`
/// of an acknowledgement before it does anything else.
///
/// Beside the appends they take over the writing of their ids, recover, save snapshots, deliver
/// and remove outbox messages, let a service set timers, and try what a fenced writer would.

namespace crash {

struct fleet_options {
  std::uint64_t seed = 1;
  unsigned window = 3;        ///< appends of one id on their way
  std::uint64_t steps = ~0U;  ///< appends until it falls silent; `more` gives it others
  bool delivers = true;       ///< takes outbox messages, and removes them
  bool lies = false;          ///< for the test of the test: acknowledges before the journal does
};

/// Works in the completions of the journal's calls, on whatever threads these come.
class fleet {
 public:
  /// `told` is where an earlier fleet on the same journal has left it, issued and acked equal.
  fleet(odeon::journal& j, claims& told, fleet_options options);

  /// Opens all writers; the rest follows. Not called twice.
  void start();

  /// So many appends more.
  void more(std::uint64_t steps);

  /// Nothing new is begun from here on.
  void end();

  /// The first thing that was not as it must be; empty: none.
  [[nodiscard]] std::string fault() const;

 private:
  struct writer {
    bool open = false;
    bool paused = false;
    bool takes_over = false;
    bool recovers = false;
    bool saves = false;
    unsigned in_flight = 0;
    std::uint64_t stale_epoch = 0;
    expected model;  // as of the steps issued
    std::uint64_t seen = 0;
  };

  void take_over(std::uint32_t id);
  void recover(std::uint32_t id);
  void fill(std::uint32_t id);
  void append(std::uint32_t id);
  void acknowledged(std::uint32_t id, std::uint64_t step, std::uint64_t sequence,
                    const odeon::result<odeon::append_ack>& ack);
  void go_on(std::uint32_t id);
  void save(std::uint32_t id);
  void deliver();
  void serve(std::uint32_t id);
  void probe_fence(std::uint32_t id);
  void fail(const std::string& what);
  [[nodiscard]] claim& of(std::uint32_t id) noexcept { return told_.of[id]; }

  odeon::journal& j_;
  claims& told_;
  const fleet_options options_;
  mutable std::recursive_mutex mutex_;  // a call that is refused completes inside itself
  dice dice_;
  std::array<writer, ids_max> writers_{};
  unsigned in_flight_ = 0;
  std::uint64_t left_;
  bool delivers_ = false;
  bool ended_ = false;
  std::string fault_;
};

}  // namespace crash
