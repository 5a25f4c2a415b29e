#pragma once

#include <odeon/task/task.hpp>

#include <functional>

/// @file A task on somebody else's executor, without that one's types. src/net/task_home.cpp

namespace odeon::detail {

/// Drives one task, and what it forks, by functions that are given to `defer` to be run; one at a
/// time, on whatever thread that is. Ends by itself, when nothing is left of the task.
class task_home {
 public:
  using defer_fn = std::move_only_function<void(std::move_only_function<void()>)>;

  /// To be started.
  [[nodiscard]] static task_home& make(runtime& rt, defer_fn defer);
  task_home(const task_home&) = delete;

  /// Its first step is deferred as well.
  virtual void start(task<void> root) noexcept = 0;

  /// Asks the task to stop, and calls what is `interruptible` then, on the task's turn. Until the
  /// task has ended. @threadsafe
  virtual void interrupt() noexcept = 0;

  /// On the task's turn: what is to be done when it is interrupted, or was.
  class interruptible {
   public:
    interruptible(task_home& h, std::move_only_function<void()> f) : home_(h) {
      home_.set_interruption(std::move(f));
    }
    interruptible(const interruptible&) = delete;
    ~interruptible() { home_.set_interruption(nullptr); }

   private:
    task_home& home_;
  };

 protected:
  task_home() = default;
  ~task_home() = default;

 private:
  virtual void set_interruption(std::move_only_function<void()> f) = 0;
};

}  // namespace odeon::detail
