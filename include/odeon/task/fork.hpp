#pragma once

#include <odeon/task/detail/fork_state.hpp>
#include <odeon/task/suspend.hpp>

#include <functional>
#include <string>
#include <utility>

/// @file Tasks beside each other: `fork`, `join`, `abort`, `exit`, `spawn`.
///
///     task<std::string> both() {
///       forked<std::string> a = co_await fork(fetch("a"));   // runs when this task suspends
///       forked<std::string> b = co_await fork(fetch("b"));
///       co_return co_await a.join() + co_await b.join();
///     }
///
/// Forked tasks take turns with the task that forked them, on its executor: none runs while another
/// does, each from suspension to suspension, first come, first served. A fork does not end with its
/// parent, and its failure harms nobody: who joins it gets its value, its error and, from then on,
/// its messages. What it emits while nobody has joined it is dropped. An error that nobody looked
/// at when the last handle goes is told to the unhandled-error hook.
///
/// All but `resume` and the handles' copying belongs on the executor of the task.

namespace odeon {

struct fork_options {
  std::string name = {};  ///< for texts; any
};

/// An error of a detached task that nobody joined, aborted or looked at.
struct unhandled_task_error {
  std::exception_ptr error;
  std::string task;  ///< the name it was forked with
  std::uint64_t id;  ///< of the fork
  /// The error as a text.
  [[nodiscard]] std::string what() const;
};
using unhandled_task_error_hook = std::function<void(const unhandled_task_error&)>;

/// Takes the errors of detached tasks that have no hook of their own (`run_options::on_unhandled`,
/// an actor's system) in the whole process; returns the hook before. Without one they are written
/// to stderr. The hook may be called on any thread and must not throw. @threadsafe
unhandled_task_error_hook set_unhandled_task_error_hook(unhandled_task_error_hook hook);

namespace detail {
void report_unhandled(const unhandled_task_error& e) noexcept;
}  // namespace detail

/// A handle to a forked task. Cheap to copy; a handle that is let go detaches, and an idle task is
/// destroyed with its last one. An empty handle is only good for assigning to.
template <class T = void, class M = void>
class forked : public task_handle {
 public:
  using value_type = T;
  using message_type = M;

  forked() noexcept = default;
  explicit forked(detail::fork_state<T, M>* adopted) noexcept { task_ = adopted; }

  /// `co_await fork(…)`, `co_await f`: activates the task, when it is idle, and gives the handle.
  /// It runs when those before it have had their turn. Never suspends.
  auto operator co_await() const& { return activation{*this}; }
  auto operator co_await() && { return activation{std::move(*this)}; }
  [[nodiscard]] auto activate() const { return activation{*this}; }

  /// Awaited: waits for the end of the task, activating it when it is idle, and gives its value or
  /// throws its error. Its messages are the joining task's meanwhile. A value is copied, or moved
  /// out when it cannot be copied (then the second join throws `invalid_argument`). When the
  /// joining task is aborted here, the joined one is as well, by the same error. Throws
  /// `invalid_argument` when the task runs on another executor, `call_cycle` when it waits for the
  /// joining one.
  [[nodiscard]] auto join() const& {
    auto& s = state();
    s.add_ref();
    return detail::join_awaiter<T, M>(s, false);
  }
  /// The same; moves the value out, and lets go of the handle.
  [[nodiscard]] auto join() && {
    auto& s = state();
    task_ = nullptr;
    return detail::join_awaiter<T, M>(s, true);
  }

  /// Throws `error` (an exception, an `odeon::error`, or a `std::exception_ptr`) into the task at
  /// its suspension, and runs it to its next one: it may catch, send and suspend while it cleans
  /// up. What it throws then is its outcome and nobody else's concern. An idle task ends at once; a
  /// finished one is left alone; one that runs now (the caller itself) gets it at its next
  /// suspension. May be awaited, which changes nothing.
  template <class E>
  detail::done abort(E&& error) const {
    state().conclude(detail::thrown_as(std::forward<E>(error)));
    return {};
  }
  /// With `errc::cancelled`.
  detail::done abort() const {
    state().conclude(detail::aborted());
    return {};
  }
  /// Ends the task with `value`: `task_exit` is thrown into it as by `abort`. A value that the task
  /// returns all the same is its outcome instead.
  template <class... V>
    requires(std::is_void_v<T> ? sizeof...(V) == 0 : sizeof...(V) == 1)
  detail::done exit(V&&... value) const {
    state().exit_with(std::forward<V>(value)...);
    return {};
  }
  /// Ends the task without a value: `T()`, or, where there is none, as `abort()`.
  detail::done terminate() const {
    if constexpr (std::is_void_v<T> || std::is_default_constructible_v<T>)
      state().exit_with();
    else
      state().conclude(detail::aborted());
    return {};
  }

  [[nodiscard]] task_status status() const { return state().status(); }
  /// Unique in the process.
  [[nodiscard]] std::uint64_t id() const { return state().id(); }
  [[nodiscard]] const std::string& name() const { return state().name(); }
  /// Its outcome; null while it has not finished. Looking at an error counts as handling it.
  [[nodiscard]] const task_outcome<T>* result() const {
    auto& s = state();
    if (s.status() == task_status::finished) s.look();
    return s.outcome();
  }

  /// For the verbs of this module.
  [[nodiscard]] detail::fork_state<T, M>& state() const {
    if (!task_) detail::throw_no_fork();
    return *static_cast<detail::fork_state<T, M>*>(task_);
  }

 private:
  struct activation {
    using driven_tag = void;
    forked self;
    bool await_ready() const noexcept { return false; }
    template <class P>
    bool await_suspend(std::coroutine_handle<P> h) {
      self.state().activate(*h.promise().driver());
      return false;
    }
    forked await_resume() noexcept { return std::move(self); }
  };
};

/// A handle to `work`, idle: it runs from `co_await fork(work)`, its activation or its first join.
/// Two allocations from the pool, that of the frame and this. Throws `invalid_argument` for a task
/// that was moved away.
template <class T, class M>
[[nodiscard]] forked<T, M> fork(task<T, M> work) {
  return forked<T, M>(new detail::fork_state<T, M>(std::move(work)));
}
template <class T, class M>
[[nodiscard]] forked<T, M> fork(task<T, M> work, fork_options options) {
  auto f = fork(std::move(work));
  if (!options.name.empty()) f.state().set_name(std::move(options.name));
  return f;
}

namespace detail {

template <class T, class M>
struct detached_start {
  using driven_tag = void;
  forked<T, M> f;
  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    f.state().activate(*h.promise().driver());
    f = {};
    return false;
  }
  void await_resume() const noexcept {}
};

}  // namespace detail

/// `co_await spawn(work)`: starts it detached, without a handle. Its error goes to the
/// unhandled-error hook.
template <class T, class M>
[[nodiscard]] auto spawn(task<T, M> work, fork_options options = {}) {
  return detail::detached_start<T, M>{fork(std::move(work), std::move(options))};
}

/// As the members of the same names.
template <class T, class M>
[[nodiscard]] auto join(const forked<T, M>& f) {
  return f.join();
}
template <class T, class M, class... E>
detail::done abort(const forked<T, M>& f, E&&... error) {
  return f.abort(std::forward<E>(error)...);
}
template <class T, class M, class... V>
detail::done exit(const forked<T, M>& f, V&&... value) {
  return f.exit(std::forward<V>(value)...);
}
template <class T, class M>
detail::done terminate(const forked<T, M>& f) {
  return f.terminate();
}
}  // namespace odeon
