#pragma once

#include <odeon/base/detail/pool.hpp>
#include <odeon/base/error.hpp>
#include <odeon/task/driver.hpp>

#include <concepts>
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
///
/// A task may await any awaitable of C++. One that is not of this library may resume on any thread:
/// the task goes on where its driver says. It is moved into a frame of its own when it is an
/// rvalue, so that it may end after the task; an lvalue must outlive its own end.

namespace odeon {

namespace detail {

template <class A>
decltype(auto) awaiter_of(A&& a) {
  if constexpr (requires { static_cast<A&&>(a).operator co_await(); })
    return static_cast<A&&>(a).operator co_await();
  else if constexpr (requires { operator co_await(static_cast<A&&>(a)); })
    return operator co_await(static_cast<A&&>(a));
  else
    return static_cast<A&&>(a);
}
template <class A>
concept can_be_awaited = requires(A&& a) { static_cast<A&&>(a).operator co_await(); } ||
                         requires(A&& a) { operator co_await(static_cast<A&&>(a)); } ||
                         requires(A&& a) { a.await_ready(); };
/// One that resumes through the driver, as those of this library do.
template <class A>
concept driven_awaitable = can_be_awaited<A> && requires {
  typename std::remove_cvref_t<decltype(awaiter_of(std::declval<A>()))>::driven_tag;
};
template <class A>
struct foreign_result;
/// Awaits what resumes wherever it likes, and goes on with the driver.
template <class A>
task<typename foreign_result<A>::type> await_foreign(A operand);

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

  template <driven_awaitable A>
  A&& await_transform(A&& a) noexcept {
    return static_cast<A&&>(a);
  }
  template <can_be_awaited A>
  auto await_transform(A&& a) {
    return await_foreign<A>(static_cast<A&&>(a));
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

/// Where the messages of a task go: the callback of `run`, the task that joins it, or nowhere.
template <class M>
struct message_slot {
  void (*take)(void* to, M&& message) = nullptr;
  void* to = nullptr;

  void emit(M&& message) const {
    if (take) take(to, static_cast<M&&>(message));
  }
  /// What this slot gets goes to `other`, whose messages are made from `M`.
  template <class N>
  void forward_to(message_slot<N>* other) noexcept {
    to = other;
    take = [](void* slot, M&& message) {
      if constexpr (std::same_as<M, N>)
        static_cast<message_slot<N>*>(slot)->emit(static_cast<M&&>(message));
      else
        static_cast<message_slot<N>*>(slot)->emit(N(static_cast<M&&>(message)));
    };
    if (!other) take = nullptr;
  }
};

/// What `send` gives to `co_await`.
template <class X>
struct outgoing {
  X message;
};

// As the compiler prints them.
template <class Message, class Of>
inline constexpr bool message_becomes = std::is_constructible_v<Of, Message>;
template <class Message>
inline constexpr bool has_messages = !std::is_void_v<Message>;

/// Whether messages of `M` find their way out of a task that sends `N`.
template <class M, class N>
consteval void check_flow() {
  if constexpr (!std::is_void_v<M>) {
    static_assert(has_messages<N>,
                  "odeon: the messages of this task have nowhere to go: the task that awaits or "
                  "joins it must send messages too (task<T, M>), or take them by "
                  "odeon::consume(task, on_message)");
    if constexpr (has_messages<N>)
      static_assert(message_becomes<M, N>,
                    "odeon: the messages of this task are of another type than those of the task "
                    "that awaits or joins it");
  }
}

template <class M>
class emitting_promise : public task_promise_base {
 public:
  using message_type = M;
  using task_promise_base::await_transform;
  template <class X>
  std::suspend_never await_transform(outgoing<X>&& m) {
    static_assert(message_becomes<X, M>,
                  "odeon: what is sent is not the message type of this task<T, M>");
    if constexpr (message_becomes<X, M>)
      if (out) out->emit(M(static_cast<X&&>(m.message)));
    return {};
  }
  message_slot<M>* out = nullptr;
};

template <>
class emitting_promise<void> : public task_promise_base {
 public:
  using message_type = void;
  using task_promise_base::await_transform;
  /// For the compiler's message alone.
  template <class X>
  std::suspend_never await_transform(outgoing<X>&&) {
    static_assert(
        has_messages<typename std::conditional_t<true, std::type_identity<void>, X>::type>,
        "odeon: a task<T> sends no messages: name their type, task<T, M> or effect<M>");
    return {};
  }
};

template <class T, class M = void>
class task_promise : public emitting_promise<M> {
 public:
  task<T, M> get_return_object() noexcept;
  void unhandled_exception() noexcept { result_.template emplace<2>(std::current_exception()); }
  template <class U = T>
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
  /// What it threw, or null; after its end.
  [[nodiscard]] std::exception_ptr failure() const noexcept {
    return result_.index() == 2 ? std::get<2>(result_) : nullptr;
  }

 private:
  std::variant<std::monostate, T, std::exception_ptr> result_;
};

template <class M>
class task_promise<void, M> : public emitting_promise<M> {
 public:
  task<void, M> get_return_object() noexcept;
  void unhandled_exception() noexcept { error_ = std::current_exception(); }
  void return_void() noexcept {}
  void take() {
    if (error_) std::rethrow_exception(error_);
  }
  [[nodiscard]] std::exception_ptr failure() const noexcept { return error_; }

 private:
  std::exception_ptr error_;
};

[[noreturn]] void throw_awaited_twice();

/// Runs a task inside another: the callee's messages go where those of the caller go.
template <class T, class M>
struct task_awaiter {
  using driven_tag = void;
  std::coroutine_handle<task_promise<T, M>> h;
  [[no_unique_address]] std::conditional_t<
      std::is_void_v<M>, std::monostate,
      message_slot<std::conditional_t<std::is_void_v<M>, int, M>>> converted = {};

  bool await_ready() const noexcept { return false; }
  template <class P>
  std::coroutine_handle<> await_suspend(std::coroutine_handle<P> parent) {
    check_flow<M, typename P::message_type>();
    if (!h || h.promise().driver()) [[unlikely]]
      throw_awaited_twice();
    if constexpr (!std::is_void_v<M> && has_messages<typename P::message_type>) {
      if constexpr (std::same_as<M, typename P::message_type>) {
        h.promise().out = parent.promise().out;
      } else {
        converted.forward_to(parent.promise().out);
        h.promise().out = &converted;
      }
    }
    h.promise().set_driver(parent.promise().driver());
    h.promise().set_continuation(parent);
    return h;
  }
  T await_resume() { return h.promise().take(); }
};

/// Asks the driver something, without suspending: `ask(driver)` gives the answer.
template <class F>
struct driver_query {
  using driven_tag = void;
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

/// A lazy coroutine with a result, that may emit messages of type `M` by `co_await send(m)` (see
/// `task/effects.hpp`; `void`: it emits none). Move-only; owns its frame. The frame comes from a
/// pooled allocator.
template <class T, class M>
class [[nodiscard("a task does nothing until it is awaited or driven")]] task {
 public:
  using promise_type = detail::task_promise<T, M>;
  using value_type = T;
  using message_type = M;
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

  /// Awaiting runs the task to its end and gives its value, or throws what it threw. Its messages
  /// are the awaiting task's. Awaiting a task that ran before throws `invalid_argument`.
  auto operator co_await() && noexcept { return detail::task_awaiter<T, M>{handle_}; }

  /// For drivers: the frame, and giving it away.
  [[nodiscard]] handle_type handle() const noexcept { return handle_; }
  [[nodiscard]] handle_type release() noexcept { return std::exchange(handle_, nullptr); }

 private:
  handle_type handle_;
};

namespace detail {

template <class T, class M>
task<T, M> task_promise<T, M>::get_return_object() noexcept {
  return task<T, M>(std::coroutine_handle<task_promise>::from_promise(*this));
}
template <class M>
task<void, M> task_promise<void, M>::get_return_object() noexcept {
  return task<void, M>(std::coroutine_handle<task_promise>::from_promise(*this));
}

template <class T>
inline constexpr bool is_task = false;
template <class T>
inline constexpr bool is_task<task<T>> = true;
template <class T>
inline constexpr bool is_any_task = false;
template <class T, class M>
inline constexpr bool is_any_task<task<T, M>> = true;

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
