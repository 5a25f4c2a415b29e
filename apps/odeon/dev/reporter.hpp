#pragma once

#include "odeon/dev/protocol.hpp"
#include <odeon/core/actor.hpp>

#include <functional>
#include <memory>
#include <vector>

namespace odeon::dev {

/// The worker's end of the pipe to its supervisor. Not for two threads at once.
class report_pipe {
 public:
  /// Takes the descriptor over.
  explicit report_pipe(int fd) noexcept : fd_(fd) {}
  ~report_pipe();
  report_pipe(const report_pipe&) = delete;
  report_pipe& operator=(const report_pipe&) = delete;

  /// Blocks while the pipe is full. A supervisor that is gone is no error: nobody is left to tell.
  void send(const report& r) noexcept;

 private:
  int fd_;
};

/// Sends everything that waits.
struct flush_reports {
  using reply = bool;
};

/// The reporter's own clock.
struct report_tick {};

/// Gathers what is to be told and sends it every few milliseconds. Runs on the blocking dispatcher.
class reporter
    : public actor<acknowledgement, bank::rejected_line, phase_report, flush_reports, report_tick> {
 public:
  /// `sample` is called ten times a second for the counters.
  reporter(std::shared_ptr<report_pipe> pipe, std::function<counters()> sample);

  void pre_start();
  void on(acknowledgement m);
  void on(bank::rejected_line m);
  void on(const phase_report& m);
  bool on(flush_reports);
  void on(report_tick);

 private:
  void flush();

  std::shared_ptr<report_pipe> pipe_;
  std::function<counters()> sample_;
  acknowledgements acknowledged_;
  rejections rejected_;
  unsigned ticks_ = 0;
};

}  // namespace odeon::dev
