#pragma once

#include <odeon/base/error.hpp>
#include <odeon/task/detail/resumable.hpp>
#include <odeon/task/task.hpp>

#include <coroutine>
#include <exception>
#include <utility>

/// @file `current`, `suspend` and `resume`: how a task waits for code that calls back.

namespace odeon {

/// What resumes a task from outside: of `current()`. Cheap to copy. @threadsafe
class task_handle {
 public:
  task_handle() noexcept = default;
  explicit task_handle(detail::resumable& r) noexcept : task_(&r) { r.add_ref(); }
  task_handle(const task_handle& o) noexcept : task_(o.task_) {
    if (task_) task_->add_ref();
  }
  task_handle(task_handle&& o) noexcept : task_(std::exchange(o.task_, nullptr)) {}
  task_handle& operator=(task_handle o) noexcept {
    std::swap(task_, o.task_);
    return *this;
  }
  ~task_handle() {
    if (task_) task_->drop_ref();
  }
  [[nodiscard]] explicit operator bool() const noexcept { return task_ != nullptr; }
  [[nodiscard]] bool is_finished() const noexcept { return !task_ || task_->has_ended(); }
  friend bool operator==(const task_handle&, const task_handle&) noexcept = default;

  /// The task goes on from `suspend()`; when it is not there, its next `suspend()` does not stop.
  /// Any number of calls before that count as one. `errc::invalid_argument`: it has ended.
  result<void> try_resume() const noexcept;
  /// As `try_resume`; throws `actor_error`.
  void resume() const;

 protected:
  detail::resumable* task_ = nullptr;
};

inline void resume(const task_handle& t) { t.resume(); }

/// `co_await current()`: the handle by which the present task is resumed. Never suspends; for a
/// task that is not a fork the first call allocates.
[[nodiscard]] inline auto current() noexcept {
  return detail::driver_query{[](task_driver& d) { return task_handle(detail::resumable::of(d)); }};
}

/// `co_await suspend()`: waits until the task is resumed. It may return early, because of a
/// `resume` that came before or was meant for an earlier suspension: check what is waited for, in a
/// loop.
///
///     auto me = co_await current();
///     start_reading(file, [me, &done] { done = true; me.try_resume(); });
///     while (!done) co_await suspend();
class [[nodiscard]] suspend : detail::suspension {
 public:
  using driven_tag = void;
  suspend() noexcept : detail::suspension{&withdrawn} {}
  suspend(suspend&&) = delete;
  ~suspend() {
    if (waits_) {
      driver_->suspended_at = nullptr;
      at_->end_wait();
    }
  }
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    driver_ = h.promise().driver();
    at_ = &detail::resumable::of(*driver_);
    leaf = h;
    driver_->suspended_at = this;
    waits_ = at_->begin_wait(h);
    return waits_;
  }
  void await_resume() {
    waits_ = false;
    driver_->suspended_at = nullptr;
    if (driver_->thrown) std::rethrow_exception(std::exchange(driver_->thrown, nullptr));
  }

 private:
  static void withdrawn(detail::suspension& s) noexcept {
    auto& self = static_cast<suspend&>(s);
    self.waits_ = false;
    self.at_->end_wait();
  }
  task_driver* driver_ = nullptr;
  detail::resumable* at_ = nullptr;
  bool waits_ = false;
};

}  // namespace odeon
