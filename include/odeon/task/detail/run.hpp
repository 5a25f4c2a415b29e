#pragma once

#include <odeon/task/task.hpp>

#include <optional>

namespace odeon {

namespace detail {

/// Resumes `root` on the calling thread until it is done.
void drive(runtime& rt, task_promise_base& promise, std::coroutine_handle<> root);

}  // namespace detail

template <class T>
T run(runtime& rt, task<T> work) {
  auto h = work.handle();
  detail::drive(rt, h.promise(), h);
  return h.promise().take();
}

}  // namespace odeon
