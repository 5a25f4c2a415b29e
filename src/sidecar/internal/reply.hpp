#pragma once

#include <odeon/base/time.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/sidecar/message.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

/// @file The one answer to somebody who waits.

namespace odeon::sidecar::detail {

/// Gives its answer once: whoever is first, an answer or the deadline. @threadsafe
class reply_once final : timer_node {
 public:
  using done_fn = std::move_only_function<void(invocation_answer)>;

  /// Waits from now on, at most until `deadline` of the user's clock. `late` is called before
  /// `done` when the deadline came first.
  static std::shared_ptr<reply_once> begin(runtime& rt, time_point deadline, done_fn done,
                                           std::move_only_function<void()> late);
  reply_once(runtime& rt, time_point deadline, done_fn done, std::move_only_function<void()> late);
  reply_once(const reply_once&) = delete;

  /// False: it was answered before. Runs `done` here.
  bool give(invocation_answer answer);
  [[nodiscard]] bool is_open() const noexcept { return open_.load(); }
  [[nodiscard]] time_point deadline() const noexcept { return deadline_; }

  /// What is said should the deadline come: where the request is, and what went wrong so far.
  void note(std::string where);

 private:
  static void fired(timer_node& node) noexcept;

  runtime& rt_;
  const time_point deadline_;
  done_fn done_;
  std::move_only_function<void()> late_;
  std::atomic<bool> open_{true};
  std::shared_ptr<reply_once> self_;  // while the timer is armed; taken by whoever ends that
  std::mutex mutex_;                  // guards the note
  std::string where_;
};

}  // namespace odeon::sidecar::detail
