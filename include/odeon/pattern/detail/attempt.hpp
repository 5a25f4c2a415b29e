#pragma once

#include <odeon/base/detail/exceptions.hpp>
#include <odeon/base/error.hpp>
#include <odeon/task/future.hpp>
#include <odeon/task/task.hpp>

#include <exception>
#include <type_traits>
#include <utility>

/// @file What a piece of work may be: a task, a future, a result, or a plain value; and how to wait
/// for any of them.

namespace odeon::detail {

template <class V>
struct work_of {
  using type = V;
  static constexpr bool is_later = false;
};
template <class T>
struct work_of<task<T>> {
  using type = T;
  static constexpr bool is_later = true;
};
template <class T>
struct work_of<future<T>> {
  using type = T;
  static constexpr bool is_later = true;
};
template <class T>
struct work_of<try_future<T>> {
  using type = T;
  static constexpr bool is_later = true;
};
template <class T>
struct work_of<std::expected<T, error>> {
  using type = T;
  static constexpr bool is_later = false;
};

/// What is left of `V` when it went well: `int` for `task<int>`, `future<int>`, `result<int>`,
/// `int`.
template <class V>
using work_value = typename work_of<std::remove_cvref_t<V>>::type;

template <class V>
inline constexpr bool is_future = false;
template <class T>
inline constexpr bool is_future<future<T>> = true;
template <class T>
inline constexpr bool is_future<try_future<T>> = true;
template <class V>
inline constexpr bool is_try_future = false;
template <class T>
inline constexpr bool is_try_future<try_future<T>> = true;
template <class V>
inline constexpr bool is_result = false;
template <class T>
inline constexpr bool is_result<std::expected<T, error>> = true;

/// The value of a result, or its error thrown.
template <class T>
T value_or_throw(result<T> r) {
  if (!r) throw actor_error(std::move(r).error());
  if constexpr (!std::is_void_v<T>) return *std::move(r);
}

/// Calls `f` and waits for what it gives. An error, whatever its form, is thrown.
template <class F>
task<work_value<std::invoke_result_t<F&>>> perform_work(F& f) {
  using V = std::remove_cvref_t<std::invoke_result_t<F&>>;
  if constexpr (std::is_void_v<V>) {
    f();
    co_return;
  } else if constexpr (is_try_future<V>) {
    co_return value_or_throw(co_await f());
  } else if constexpr (work_of<V>::is_later) {
    co_return co_await f();
  } else if constexpr (is_result<V>) {
    co_return value_or_throw(f());
  } else {
    co_return f();
  }
}

/// Waits for `d` on the clock of users. False: it was cut short, because the work was asked to
/// stop.
[[nodiscard]] task<bool> pause(duration d);

}  // namespace odeon::detail
