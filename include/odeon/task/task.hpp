#pragma once

#include <odeon/base/detail/pool.hpp>
#include <odeon/base/error.hpp>
#include <odeon/task/driver.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>
#include <variant>

/// @file `task<T>`: the one coroutine type of Odeon.
///
/// A task is lazy: its body runs when it is awaited, or when an actor or `run` drives it. It runs
/// on the thread of its driver, one step at a time, and is resumed there. Awaiting a task hands
/// control over and back without growing the stack. A task that is destroyed before its end
/// destroys what its frame holds, at its suspension point.

namespace odeon {

namespace detail {

template <class A>
concept can_be_awaited = requires(A&& a) { static_cast<A&&>(a).operator co_await(); } ||
                         requires(A&& a) { operator co_await(static_cast<A&&>(a)); } ||
                         requires(A&& a) { a.await_ready(); };
// As the compiler prints them.
template <class Operand>
inline constexpr bool is_awaitable = can_be_awaited<Operand>;
template <class Returned, class Result>
inline constexpr bool becomes = std::is_constructible_v<Result, Returned>;

class task_promise_base {
 public:
  static void* operator new(std::size_t bytes) { return frame_alloc(bytes); }
  static void operator delete(void* p, std::size_t bytes) noexcept { frame_free(p, bytes); }

  std::suspend_always initial_suspend() noexcept { return {}; }

  struct final_awaiter {
    bool await_ready() noexcept { return false; }
    template <class P>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<P> h) noexcept {
      return h.promise().continuation_;
    }
    void await_resume() noexcept {}
  };
  final_awaiter final_suspend() noexcept { return {}; }

  template <can_be_awaited A>
  A&& await_transform(A&& a) noexcept {
    return static_cast<A&&>(a);
  }
  /// For the compiler's message alone.
  template <class A>
  auto await_transform(A&&) {
    if constexpr (can_be_awaited<std::remove_cvref_t<A>>)
      static_assert(is_awaitable<A>,
                    "odeon: a task or future is awaited once, and given away for it: co_await "
                    "std::move(x)");
    else
      static_assert(is_awaitable<A>,
                    "odeon: this cannot be awaited: co_await takes a task, a future "
                    "(ref.ask<request>()) or odeon::sleep(10ms)");
    return std::suspend_never();
  }

  [[nodiscard]] task_driver* driver() const noexcept { return driver_; }
  void set_driver(task_driver* driver) noexcept { driver_ = driver; }
  void set_continuation(std::coroutine_handle<> h) noexcept { continuation_ = h; }

 private:
  std::coroutine_handle<> continuation_ = std::noop_coroutine();
  task_driver* driver_ = nullptr;
};

template <class T>
class task_promise : public task_promise_base {
 public:
  task<T> get_return_object() noexcept;
  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }
  template <class U>
    requires std::is_constructible_v<T, U&&>
  void return_value(U&& value) {
    result_.template emplace<1>(std::forward<U>(value));
  }
  /// For the compiler's message alone.
  template <class U>
  void return_value(U&&) {
    static_assert(becomes<U, T>,
                  "odeon: what co_return gives is not the result of this task<T>: "
                  "return a T, or something that a T is made from");
  }
  T take() {
    if (result_.index() == 2) std::rethrow_exception(std::get<2>(result_));
    return std::move(std::get<1>(result_));
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <>
class task_promise<void> : public task_promise_base {
 public:
  task<void> get_return_object() noexcept;
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void return_void() noexcept {}
  void take() {
    if (error_) std::rethrow_exception(error_);
  }

 private:
  std::exception_ptr error_;
};

template <class T>
struct task_awaiter {
  std::coroutine_handle<task_promise<T>> h;
  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) noexcept {
    h.promise().set_driver(parent.promise().driver());
    h.promise().set_continuation(parent);
    return h;
  }
  T await_resume() { return h.promise().take(); }
};

/// Asks the driver something, without suspending: `ask(driver)` gives the answer.
template <class F>
struct driver_query {
  F ask;
  task_driver* driver = nullptr;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) noexcept {
    driver = h.promise().driver();
    return false;
  }
  decltype(auto) await_resume() { return ask(*driver); }
};
template <class F>
driver_query(F) -> driver_query<F>;

}  // namespace detail

/// A lazy coroutine with a result. Move-only; owns its frame. The frame comes from a pooled
/// allocator.
template <class T>
class [[nodiscard("a task does nothing until it is awaited or driven")]] task {
 public:
  using promise_type = detail::task_promise<T>;
  using value_type = T;
  using handle_type = std::coroutine_handle<promise_type>;

  task() noexcept = default;
  explicit task(handle_type h) noexcept : handle_(h) {}
  task(task&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  task& operator=(task&& other) noexcept {
    if (this != &other) {
      if (handle_) handle_.destroy();
      handle_ = std::exchange(other.handle_, nullptr);
    }
    return *this;
  }
  ~task() {
    if (handle_) handle_.destroy();
  }

  [[nodiscard]] explicit operator bool() const noexcept { return static_cast<bool>(handle_); }
  [[nodiscard]] bool done() const noexcept { return handle_ && handle_.done(); }

  /// Awaiting runs the task to its end and gives its value, or throws what it threw.
  auto operator co_await() && noexcept { return detail::task_awaiter<T>{handle_}; }

  /// For drivers: the frame, and giving it away.
  [[nodiscard]] handle_type handle() const noexcept { return handle_; }
  [[nodiscard]] handle_type release() noexcept { return std::exchange(handle_, nullptr); }

 private:
  handle_type handle_;
};

namespace detail {

template <class T>
task<T> task_promise<T>::get_return_object() noexcept {
  return task<T>(std::coroutine_handle<task_promise>::from_promise(*this));
}
inline task<void> task_promise<void>::get_return_object() noexcept {
  return task<void>(std::coroutine_handle<task_promise>::from_promise(*this));
}

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;

}  // namespace detail

/// `co_await odeon::stop_requested()`: whether the work at hand was asked to stop. Never suspends.
[[nodiscard]] inline auto stop_requested() noexcept {
  return detail::driver_query{[](task_driver& d) { return d.stop_requested(); }};
}

/// `co_await odeon::this_stop_token()`: the token that travels with the work at hand. Never
/// suspends; the first call in a handler allocates the token's state.
[[nodiscard]] inline auto this_stop_token() noexcept {
  return detail::driver_query{[](task_driver& d) { return d.stop_token(); }};
}

}  // namespace odeon
