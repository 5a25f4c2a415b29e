#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/task/task.hpp>

#include <coroutine>
#include <cstddef>
#include <stop_token>

/// @file What the homes of detached tasks share.

namespace odeon::detail {

/// A detached task, the one beside it that drives what it forks, and the queue of nodes for both.
/// Who derives gives the turns: one thread at a time calls what stands under "on a turn", and the
/// home ends when `are_over`.
class lanes {
 protected:
  explicit lanes(runtime& rt) noexcept : rt_(rt), root_(*this), beside_(*this) {}
  ~lanes() = default;

  /// A node of one of the two came: `push` it, and see that a turn takes it. @threadsafe
  virtual void post(driver_node& node) noexcept = 0;
  [[nodiscard]] virtual bool stop_requested() const noexcept { return false; }
  [[nodiscard]] virtual std::stop_token stop_token() { return {}; }

  void push(driver_node& node) noexcept;  ///< @threadsafe
  /// The oldest; null when there is none. @threadsafe
  [[nodiscard]] driver_node* pop() noexcept;

  // -- on a turn ----------------------------------------------------------------------------------

  void begin(task<void> work) noexcept { root_.begin(std::move(work)); }
  /// Its first step.
  void resume_root() noexcept { root_.resume(); }
  static void arrive(driver_node& n) noexcept { static_cast<lane*>(n.to)->arrive(n); }
  /// Nothing is left of either, late nodes included. Looks after each step; an exception that left
  /// the detached task ends the program.
  [[nodiscard]] bool are_over() noexcept;
  [[nodiscard]] task_driver& root() noexcept { return root_; }

 private:
  class lane final : public task_driver {
   public:
    explicit lane(lanes& home) noexcept : home_(home) {}
    void begin(task<void> work) noexcept;
    void resume() noexcept;
    void arrive(driver_node& n) noexcept;
    [[nodiscard]] bool is_over() noexcept;

   private:
    void post(driver_node& node) noexcept override;
    void accompany(task<void> work) override;
    void expect_late_node() noexcept override { ++late_; }
    [[nodiscard]] bool stop_requested() const noexcept override { return home_.stop_requested(); }
    [[nodiscard]] std::stop_token stop_token() override { return home_.stop_token(); }
    [[nodiscard]] runtime& get_runtime() const noexcept override { return home_.rt_; }

    lanes& home_;
    std::coroutine_handle<task_promise<void>> work_;
    std::size_t late_ = 0;
  };

  runtime& rt_;
  lane root_;
  lane beside_;
  spin_lock lock_;
  driver_node* head_ = nullptr;
  driver_node* tail_ = nullptr;
};

}  // namespace odeon::detail
