#pragma once

#include <odeon/base/error.hpp>
#include <odeon/task/detail/resumable.hpp>
#include <odeon/task/task.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

/// @file A fork without its types: a task with a driver of its own, in a group of tasks that take
/// turns. The protocol stands in src/task/internal/task_group.hpp.

namespace odeon {

/// Where a forked task stands.
enum class task_status : std::uint8_t {
  idle,      ///< not started: it runs from its activation or its first join
  active,    ///< started, and not at its end
  finished,  ///< it has a value or an error
};

/// Thrown into a task that is made to `exit`. Not a `std::exception`: handlers of errors let it
/// pass.
class task_exit {};

namespace detail {

class fork_base : public task_driver, public resumable {
 public:
  /// Who is told, once, when the fork has finished.
  struct joiner {
    joiner* next = nullptr;
    void (*finished)(joiner&) noexcept = nullptr;
  };

  fork_base(const fork_base&) = delete;

  [[nodiscard]] task_status status() const noexcept { return status_; }
  /// Unique in the process; given when first asked for.
  [[nodiscard]] std::uint64_t id() const noexcept;
  [[nodiscard]] const std::string& name() const noexcept;

  // -- on the group's turn, all of them -----------------------------------------------------------

  void set_name(std::string name);
  /// From idle: it is one of `by`'s group from here on, and runs when its turn comes.
  void activate(task_driver& by);
  /// Activates it when it is idle. Throws `invalid_argument` when it belongs elsewhere or is the
  /// joining task itself, `call_cycle` when it waits for that one.
  void prepare_join(task_driver& by);
  void add_joiner(joiner& j) noexcept;
  void remove_joiner(joiner& j) noexcept;
  /// Throws `error` into the task, and runs it to its next suspension. Harmless when it has
  /// finished; a running task gets it at its next suspension.
  void conclude(std::exception_ptr error) noexcept;
  /// Whether something was thrown into it, or will be.
  [[nodiscard]] bool is_concluded() const noexcept { return stopped_; }
  /// Ends it where it is suspended, by destroying its frame.
  void destroy() noexcept;
  /// Its outcome was seen: no report of its error.
  void look() noexcept { looked_at_ = true; }
  /// Takes its turn, behind those that wait for theirs.
  void schedule(std::coroutine_handle<> leaf) noexcept;
  void unschedule() noexcept { leaf_ = nullptr; }
  [[nodiscard]] bool failed() const noexcept { return failure() != nullptr; }
  [[nodiscard]] virtual std::exception_ptr failure() const noexcept = 0;

  fork_base* joining = nullptr;  // the one that it waits for, when it is one

  // -- task_driver --------------------------------------------------------------------------------

  void post(driver_node& node) noexcept override;
  void expect_late_node() noexcept override;
  [[nodiscard]] bool stop_requested() const noexcept override;
  [[nodiscard]] std::stop_token stop_token() override;
  [[nodiscard]] runtime& get_runtime() const noexcept override;

 protected:
  fork_base(std::coroutine_handle<> root, task_promise_base& promise) noexcept;
  ~fork_base();

  /// Moves the outcome out of the frame. `exiting`: what made it exit, or null.
  virtual void take_outcome(const std::exception_ptr& exiting) noexcept = 0;
  virtual void set_failure(std::exception_ptr e) noexcept = 0;
  /// For the end of the last handle.
  void report_unseen() noexcept;

  std::coroutine_handle<> root_;

 private:
  friend class task_group;
  struct stop_link;

  void step(driver_node& n) noexcept;
  // True, of all of these: it has finished, and the group's reference is the caller's to drop.
  [[nodiscard]] bool run(std::coroutine_handle<> h) noexcept;
  [[nodiscard]] bool throw_in(std::exception_ptr e) noexcept;
  [[nodiscard]] bool left() noexcept;
  [[nodiscard]] bool end_now() noexcept;
  bool finish() noexcept;
  void drop_frame() noexcept;
  static void take_turn(driver_node& n);

  task_promise_base* promise_;
  task_status status_ = task_status::idle;
  bool running_ = false;  // on the stack
  bool queued_ = false;   // turn_ is in the group's queue
  bool looked_at_ = false;
  bool stopped_ = false;
  bool doomed_ = false;  // to be destroyed when it is off the stack
  bool holds_group_ = false;
  std::uint32_t late_ = 0;  // nodes that come after its end
  driver_node turn_;
  std::coroutine_handle<> leaf_;
  std::exception_ptr pending_;  // to be thrown in when it is off the stack
  joiner* joiners_ = nullptr;
  fork_base* next_ = nullptr;  // of the group's list
  fork_base* prev_ = nullptr;
  std::unique_ptr<stop_link> stop_;
  std::unique_ptr<const std::string> name_;
  mutable std::atomic<std::uint64_t> id_{0};

 protected:
  std::exception_ptr exit_;  // what `exit` threw
};

/// The group of what `d` drives; the first fork of a task that is none makes it.
task_group& group_of(task_driver& d);

/// One suspension of a task that somebody on its executor ends by `unpark`.
class parking : public suspension {
 public:
  parking() noexcept : suspension{&withdrawn} {}
  parking(parking&&) = delete;
  ~parking() {
    if (parked_) leave();
  }
  void park(task_driver& d, std::coroutine_handle<> h);
  /// Once at most. The task goes on when its turn comes.
  void unpark() noexcept;
  /// First in `await_resume`. What was thrown into the task, or null.
  [[nodiscard]] std::exception_ptr arrived() noexcept;

 private:
  static void withdrawn(suspension& s) noexcept;
  void leave() noexcept;

  task_driver* driver_ = nullptr;
  bool parked_ = false;
  bool told_ = false;
  class future_state_base* elsewhere_ = nullptr;  // when the driver is no fork
};

}  // namespace detail
}  // namespace odeon
