#pragma once

#include "odeon/dev/child_process.hpp"
#include "odeon/dev/data_folder.hpp"
#include "odeon/dev/kill_plan.hpp"
#include "odeon/dev/protocol.hpp"
#include "odeon/dev/screen.hpp"
#include "odeon/dev/tally.hpp"
#include "odeon/dev/worker.hpp"
#include <odeon/runtime/runtime.hpp>

#include <cstdio>
#include <memory>
#include <optional>
#include <vector>

namespace odeon::dev {

/// How often a worker that somebody else killed is started again.
inline constexpr unsigned max_unplanned_restarts = 3;

/// Starts the worker, shows how far it is, writes down what it acknowledges, kills it as planned,
/// and starts it again, until the file is done.
class worker_watch {
 public:
  /// The references must outlive it. Error: `io_failed`, the notes cannot be written.
  [[nodiscard]] static result<std::unique_ptr<worker_watch>> make(runtime& rt, screen& out,
                                                                  tally& counts,
                                                                  const data_folder& folder,
                                                                  worker_options worker,
                                                                  std::vector<kill_point> plan);

  /// True: the file is done. False: a signal came, and the worker has ended what was under way.
  /// Error: the worker's, or what became of it. Blocks.
  [[nodiscard]] result<bool> run();

  [[nodiscard]] unsigned kills() const noexcept { return kills_; }

 private:
  using file = std::unique_ptr<std::FILE, int (*)(std::FILE*)>;
  worker_watch(runtime& rt, screen& out, tally& counts, worker_options worker,
               std::vector<kill_point> plan, file acknowledgements, file rejections);

  // One life of the worker, to its end.
  result<exit_status> live();
  // Reads what the pipe has. False: its end.
  result<bool> take_reports(const child_process& worker);
  result<void> take(const report& r);
  void tell_phase(const phase_report& before);
  result<void> write_down(const std::vector<acknowledgement>& acknowledged);
  result<void> report_rejections();
  void heed_signals(const child_process& worker);
  void kill_as_planned(const child_process& worker);
  void draw();

  runtime& rt_;
  screen& out_;
  tally& counts_;
  worker_options worker_;
  std::vector<kill_point> plan_;
  file acknowledgements_;
  file rejections_;
  termination_signals signals_;
  unsigned heeded_ = 0;  // signals
  unsigned kills_ = 0;
  unsigned unplanned_ = 0;
  bool killed_ = false;  // this life, by us
  frame_reader frames_;
  std::optional<finished> finished_;
  std::optional<error> failed_;
  std::uint64_t told_rejections_ = 0;
  time_point drawn_;
};

}  // namespace odeon::dev
