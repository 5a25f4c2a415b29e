#pragma once

#include <odeon/task/fork.hpp>
#include <odeon/task/future.hpp>

#include <concepts>
#include <stop_token>
#include <utility>

/// @file Running tasks from a thread: `odeon::run(work(), on_message)`.

namespace odeon {

/// How `run` runs.
struct run_options {
  /// What `stop_requested()` and `this_stop_token()` tell the task and all it forks.
  std::stop_token stop = {};
  /// Takes the errors of detached tasks that nobody looked at; empty: the process's hook does.
  unhandled_task_error_hook on_unhandled = {};
};

namespace detail {

/// The runtime of `run` without one: a threaded one, made with the first use, for the whole
/// process.
runtime& shared_runtime();

/// Drives `root` and all that is forked by it on the calling thread until nothing is left.
void run_root(runtime& rt, fork_base& root, run_options options);

template <class M, class F>
concept takes_messages = std::is_void_v<M> || std::invocable<F&, M>;

template <class T, class M>
T run_fork(runtime& rt, forked<T, M> root, run_options options) {
  run_root(rt, root.state(), std::move(options));
  return root.state().give(true);
}

}  // namespace detail

/// Drives `work` on the calling thread, and gives its value or throws its error. What it forked and
/// left behind is driven to its end as well, before `run` returns. Blocks the thread; throws
/// `errc::would_block` inside an actor whose dispatcher must not block. Messages are dropped.
template <class T, class M>
T run(runtime& rt, task<T, M> work, run_options options = {}) {
  return detail::run_fork(rt, fork(std::move(work)), std::move(options));
}

/// The same; each message goes to `on_message(m)`, in the order emitted, inside `send`: what it
/// throws is thrown there.
template <class T, class M, class F>
  requires(!std::same_as<std::remove_cvref_t<F>, run_options>)
T run(runtime& rt, task<T, M> work, F&& on_message, run_options options = {}) {
  static_assert(!std::is_void_v<M>, "odeon: this task sends no messages: run(work) will do");
  static_assert(detail::takes_messages<M, F>,
                "odeon: run takes a function of the task's messages: run(work, [](M m) { … })");
  auto root = fork(std::move(work));
  if constexpr (!std::is_void_v<M>)
    root.state().slot = {
        [](void* f, M&& m) { (*static_cast<std::remove_reference_t<F>*>(f))(std::move(m)); },
        const_cast<void*>(static_cast<const void*>(std::addressof(on_message)))};
  return detail::run_fork(rt, std::move(root), std::move(options));
}

/// On a runtime of the process's own, with real time.
template <class T, class M, class... Rest>
T run(task<T, M> work, Rest&&... rest) {
  return run(detail::shared_runtime(), std::move(work), std::forward<Rest>(rest)...);
}

}  // namespace odeon
