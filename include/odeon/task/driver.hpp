#pragma once

#include <odeon/runtime/fwd.hpp>
#include <odeon/task/fwd.hpp>

#include <atomic>
#include <stop_token>

/// @file Who drives a task: an actor's handler, a blocked thread, later a scope. A task never
/// chooses its thread; when what it waits for is there, its driver is told, and resumes it where
/// and when its rules allow.

namespace odeon {

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

  /// For diagnostics: the future that the task waits on now, or null. Set on the driver's turn.
  std::atomic<const void*> waiting_on{nullptr};

 protected:
  ~task_driver() = default;
};

}  // namespace odeon
