#pragma once

#include "interp.hpp"
#include <odeon/runtime/runtime.hpp>
#include <odeon/task/driver.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

/// @file A host: the thread, or the event loop, that runs actors of Python. The executor of their
/// cells; the protocol stands in host.cpp.

namespace odeon::python {

struct driver;
struct execution;
struct ask_object;
class host;

/// A driver of the core whose nodes arrive in a host's drain: `arrived` is called there, attached.
class hosted_driver : public task_driver {
 public:
  explicit hosted_driver(host& at) noexcept : at_(&at) {}
  void post(driver_node& node) noexcept final;
  void expect_late_node() noexcept override {}
  [[nodiscard]] bool stop_requested() const noexcept override { return false; }
  [[nodiscard]] std::stop_token stop_token() override { return {}; }
  [[nodiscard]] runtime& get_runtime() const noexcept override { return *rt; }
  /// On the host's thread, between turns.
  virtual void arrived(driver_node& node) noexcept = 0;

  runtime* rt = nullptr;

 protected:
  ~hosted_driver() = default;

 private:
  host* at_;
};

/// What a host's thread has done; written by it alone.
struct host_metrics {
  std::uint64_t drains = 0;
  std::uint64_t turns = 0;
  std::uint64_t messages = 0;
  std::uint64_t suspensions = 0;
  std::uint64_t wakeups = 0;      ///< by other threads
  std::uint64_t gil_hold_ns = 0;  ///< time in drains
  std::uint64_t longest_hold_ns = 0;
};

class host final : public executor, public std::enable_shared_from_this<host> {
 public:
  /// `loop`: the running event loop of the calling thread, or null for a thread without one.
  /// Attached; null with an exception set when the loop refuses.
  [[nodiscard]] static std::shared_ptr<host> make(interp& in, PyObject* loop, std::string name);
  ~host() override;

  // -- executor: any thread
  // -------------------------------------------------------------------------
  void submit(runnable& work) noexcept override;
  [[nodiscard]] bool is_current() const noexcept override;
  [[nodiscard]] bool may_block() const noexcept override { return false; }
  void complete(driver_node& node) noexcept;

  // -- its own thread, attached
  // ---------------------------------------------------------------------
  /// Runs what is ready, for at most about a millisecond. True: more is waiting.
  bool drain() noexcept;
  /// The loop's callback: a drain, and another one soon when more is waiting.
  void drain_in_loop() noexcept;
  /// The same for the loop's reader: another thread has signalled.
  void woken() noexcept;
  /// The whole life of a thread without a loop: drains and waits, until `stop`. False: an exception
  /// is set (a signal's).
  bool run_thread() noexcept;
  /// Has `run_thread` return. @threadsafe
  void stop() noexcept;
  /// For simulations, whose loop has a virtual clock: drains of that loop take one turn each,
  /// chosen by the seed among those that are ready, and read no clock.
  void simulate(std::uint64_t seed) noexcept { chance_ = seed | 1; }
  [[nodiscard]] bool is_simulated() const noexcept { return chance_ != 0; }
  /// Takes the loop away: its reader, its idle drivers. What comes later waits for `drain`.
  void detach() noexcept;

  /// Has `x`, a handler that was suspended or has yet to begin, driven by a task of the loop.
  void drive(execution& x) noexcept;
  /// A parked driver whose task is the current one of the loop, for handlers that may not suspend
  /// at all; null when there is none just now.
  driver* enter() noexcept;
  void leave() noexcept;
  void park(driver& d) noexcept { idle_.push_back(&d); }
  void forget(driver& d) noexcept;
  /// A KeyboardInterrupt or SystemExit that no supervisor kept: the caller's loop ends with it, as
  /// with a task's; a thread's host keeps it for who ends the system.
  void end_with(py_handle exception) noexcept { fatal_ = std::move(exception); }
  /// A new reference, or null.
  [[nodiscard]] PyObject* take_fatal() noexcept { return fatal_.take(); }
  /// A driver was made here: it is held until its task has ended. A loop knows its tasks by weak
  /// references alone, so that a parked driver, its task and its waiter would be garbage.
  void add(driver& d);
  /// Its task ends now.
  void release(driver& d) noexcept;
  /// Lets all of them go, with a loop that is gone.
  void release_drivers() noexcept;
  /// Cancels every handler that is suspended here, as its task's `cancel` does.
  void cancel_handlers() noexcept;

  [[nodiscard]] interp& home() const noexcept { return in_; }
  [[nodiscard]] PyObject* loop() const noexcept { return loop_; }
  /// The context variables that actors begin with: those of where the host was made. Borrowed.
  [[nodiscard]] PyObject* first_variables() const noexcept { return first_variables_; }
  /// A mark of what the context variables are that plain handlers run with in this drain: another
  /// one after a handler has set some. Null: they cannot be told from others here.
  [[nodiscard]] const void* variables_mark() const noexcept {
    return in_variables_ ? vars_of(variables_) : nullptr;
  }
  /// Gives away the context that a handler has set variables in: a new reference, or null. The next
  /// handler begins as this one did.
  [[nodiscard]] PyObject* give_variables() noexcept;
  [[nodiscard]] bool is_draining() const noexcept { return draining_; }
  [[nodiscard]] bool is_detached() const noexcept { return detached_; }
  [[nodiscard]] driver* entered_driver() const noexcept { return entered_; }
  [[nodiscard]] const std::string& name() const noexcept { return name_; }
  [[nodiscard]] PyObject* wrapper() const noexcept { return wrapper_; }
  /// Whether a coroutine waits for a loop that this host does not have.
  [[nodiscard]] bool wants_loop() const noexcept { return wants_loop_; }
  host_metrics metrics;
  std::shared_ptr<struct waiting_count> waiting;  // its quota of messages from elsewhere, or null

  /// Of the calling thread: the one that drains here, or whose loop runs here. Null: none.
  [[nodiscard]] static host* current() noexcept;
  /// Makes it the thread's.
  void adopt_thread() noexcept;

 private:
  host(interp& in, std::string name) noexcept : in_(in), name_(std::move(name)) {}
  friend struct host_object_access;

  class own_context;
  /// The immutable map in a context, which every `ContextVar.set` replaces: CPython keeps it in the
  /// second word of the object (3.11 to 3.13, checked by `make`).
  [[nodiscard]] static const void* vars_of(PyObject* context) noexcept {
    return reinterpret_cast<void**>(context)[sizeof(PyObject) / sizeof(void*) + 1];
  }
  [[nodiscard]] bool is_mine() const noexcept;
  void notify() noexcept;
  void schedule() noexcept;
  void take_remote() noexcept;
  void run_ready() noexcept;
  void hand_over() noexcept;
  void tell_done() noexcept;
  void choose_ready() noexcept;
  bool drain_one() noexcept;
  bool new_driver(execution* first) noexcept;

  interp& in_;
  const std::string name_;
  PyObject* loop_ = nullptr;
  PyObject* wrapper_ = nullptr;  // borrowed: the Host object, while it lives
  PyObject* drain_call_ = nullptr;
  PyObject* first_variables_ = nullptr;  // never entered
  PyObject* variables_ = nullptr;        // that drains run in, plain handlers with them
  int event_ = -1;
  bool vars_known_ = false;    // `vars_of` is what it should be
  bool in_variables_ = false;  // `variables_` is the current context
  bool draining_ = false;
  bool scheduled_ = false;
  bool detached_ = false;
  bool wants_loop_ = false;
  py_handle fatal_;
  std::uint64_t chance_ = 0;  // of a simulation; 0: this is none
  std::atomic<std::uintptr_t> thread_{0};

  // Of its own thread.
  runnable* ready_first_ = nullptr;
  runnable* ready_last_ = nullptr;
  driver_node* done_first_ = nullptr;
  driver_node* done_last_ = nullptr;
  driver* entered_ = nullptr;
  std::vector<driver*> idle_;
  std::vector<driver*> drivers_;    // all
  std::vector<execution*> handed_;  // suspended in this turn: each is woken after it

  // Of all threads.
  alignas(64) std::atomic<runnable*> ready_remote_{nullptr};
  std::atomic<driver_node*> done_remote_{nullptr};
  std::atomic<std::uint32_t> signalled_{0};
  std::atomic<bool> stopping_{false};
};

/// The Python object `Host`.
struct host_object {
  PyObject_HEAD std::shared_ptr<host> held;
};
/// A new Host object for the running loop of this thread, or (`loop` null) for this thread.
[[nodiscard]] PyObject* new_host_object(interp& in, PyObject* loop, std::string name);
/// The host of the loop that runs on this thread, made on first need; null without an exception:
/// no loop runs here.
[[nodiscard]] host* host_of_running_loop(interp& in) noexcept;
[[nodiscard]] bool add_host_type(PyObject* module, interp& in) noexcept;

}  // namespace odeon::python
