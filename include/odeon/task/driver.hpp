#pragma once

#include <odeon/runtime/fwd.hpp>
#include <odeon/task/fwd.hpp>

#include <atomic>
#include <coroutine>
#include <exception>
#include <stop_token>

/// @file Who drives a task: an actor's handler, a blocked thread, or the fork that it is the body
/// of. A task never chooses its thread; when what it waits for is there, its driver is told, and
/// resumes it where and when its rules allow.

namespace odeon {

namespace detail {

class task_group;
class resumable;

/// Where a task is suspended, for who throws into it there.
struct suspension {
  /// Takes the registration back: nobody else resumes the task from here on.
  void (*withdraw)(suspension&) noexcept = nullptr;
  std::coroutine_handle<> leaf = {};
};

}  // namespace detail

/// What a driver is told with: an intrusive node, owned by who posts it. A driver calls `arrive`
/// once for each post, on its own turn, never from inside `post`.
struct driver_node {
  using arrive_fn = void (*)(driver_node&);
  arrive_fn arrive = nullptr;
  driver_node* next = nullptr;
  task_driver* to = nullptr;  // set by a driver that shares a queue with others
};

class task_driver {
 public:
  /// Hands a node over. The driver must be alive: who may post, and until when, is agreed by the
  /// waiting side (see `future`: a waiter that goes away either takes its registration back, or
  /// waits for the node). @threadsafe
  virtual void post(driver_node& node) noexcept = 0;

  /// A registration could not be taken back: its node is on the way, and the driver must outlive
  /// its arrival.
  virtual void expect_late_node() noexcept = 0;

  /// Whether the work was asked to stop: its asker gave up, or its actor is being stopped.
  [[nodiscard]] virtual bool stop_requested() const noexcept = 0;
  /// The same as a token for foreign code; the first call allocates.
  [[nodiscard]] virtual std::stop_token stop_token() = 0;

  [[nodiscard]] virtual runtime& get_runtime() const noexcept = 0;

  /// Drives `work` as well, on the same turns; on the driver's turn. It may be resumed inside the
  /// call, and ends with the driver at the latest, destroyed where it is suspended. Throws
  /// `invalid_argument` when this driver drives one task only.
  virtual void accompany(task<void> work);

  /// An error of a detached task that nobody looked at; on the driver's turn.
  virtual void unhandled(const unhandled_task_error& e) noexcept;

  /// For diagnostics: the future that the task waits on now, or null. Set on the driver's turn.
  std::atomic<const void*> waiting_on{nullptr};

  // -- on the driver's turn, for the awaitables of this module ------------------------------------

  detail::suspension* suspended_at = nullptr;
  std::exception_ptr thrown;             ///< by who throws into the task: for the suspension
  detail::task_group* group = nullptr;   ///< of the tasks forked here; with a reference
  detail::resumable* control = nullptr;  ///< for `current()`; with a reference
  bool is_fork = false;  ///< a `detail::fork_base`: its group and control are its own

 protected:
  ~task_driver() = default;

  /// The task has ended or is destroyed: by the driver, before it looks whether nodes are late.
  void retire() noexcept {
    if (group || control) retire_slow();
  }

 private:
  void retire_slow() noexcept;
};

namespace detail {

/// Whose task runs on this thread now, or null.
extern constinit thread_local task_driver* this_driver;

class driving {
 public:
  explicit driving(task_driver& d) noexcept : before_(this_driver) { this_driver = &d; }
  ~driving() { this_driver = before_; }
  driving(const driving&) = delete;
  driving& operator=(const driving&) = delete;

 private:
  task_driver* before_;
};

}  // namespace detail
}  // namespace odeon
