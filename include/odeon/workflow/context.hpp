#pragma once

#include <odeon/core/fwd.hpp>
#include <odeon/workflow/fwd.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

/// @file What a step sees of the run it belongs to.

namespace odeon::workflows {

namespace detail {

/// One attempt of one step. Shared by the run and the step.
struct step_info {
  std::string run_id;
  std::string step;
  std::string key;
  unsigned attempt = 1;
  std::shared_ptr<state_store> state;
  actor_system* system = nullptr;
  std::atomic<bool> given_up{false};
};

}  // namespace detail

/// What a step (or a compensation) takes as its last parameter when it wants to know more than its
/// input. A cheap copy; valid as long as the step runs. @threadsafe
class step_context {
 public:
  explicit step_context(std::shared_ptr<const detail::step_info> info) noexcept
      : info_(std::move(info)) {}

  /// The id given to `durable`; a generated one for other runs.
  [[nodiscard]] const std::string& run_id() const noexcept { return info_->run_id; }
  /// The step's name.
  [[nodiscard]] const std::string& step() const noexcept { return info_->step; }
  /// The same for each attempt of this visit of the step, after a restart as well, and for no other
  /// visit: what an outside service deduplicates by. A step whose end was not recorded before a
  /// crash runs again with the same key. "order-17/charge/3"; a compensation's ends in "/undo".
  [[nodiscard]] const std::string& key() const noexcept { return info_->key; }
  /// 1, 2, …
  [[nodiscard]] unsigned attempt() const noexcept { return info_->attempt; }
  /// The run's state: that of its `run_options`, or one in memory of its own.
  [[nodiscard]] state_store& state() const noexcept { return *info_->state; }
  [[nodiscard]] actor_system& system() const noexcept { return *info_->system; }
  /// Nobody waits for this attempt any more: it timed out, or its run ended.
  [[nodiscard]] bool given_up() const noexcept { return info_->given_up.load(); }

 private:
  std::shared_ptr<const detail::step_info> info_;
};

}  // namespace odeon::workflows
