#pragma once

#include <odeon/task/fork.hpp>

#include <concepts>
#include <functional>
#include <optional>
#include <ranges>
#include <span>
#include <tuple>
#include <utility>
#include <variant>
#include <vector>

/// @file Many tasks as one: `all`, `race`, `group`, `then`, `wait`.

namespace odeon {

namespace detail {

/// Suspends until all forks have finished, one has failed, or (`first`) one has finished. Then, or
/// when something is thrown into the waiting task, the others are aborted.
class gathering {
 public:
  using driven_tag = void;
  enum class until : bool { all, first };

  /// The forks must stay alive as long as this.
  gathering(std::vector<fork_base*> forks, until when);
  gathering(gathering&&) = delete;
  ~gathering();

  bool await_ready() const noexcept { return false; }
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    return begin(*h.promise().driver(), h);
  }
  /// The place of the first to finish (`until::first`). Rethrows the first failure of `until::all`.
  std::size_t await_resume();

 private:
  struct place : fork_base::joiner {
    gathering* of = nullptr;
    fork_base* fork = nullptr;
  };
  static void told(fork_base::joiner& j) noexcept;
  bool begin(task_driver& d, std::coroutine_handle<> h);
  [[nodiscard]] bool is_over() const noexcept;
  void abort_others(const std::exception_ptr& why) noexcept;

  std::vector<place> places_;
  until when_;
  std::size_t left_;
  std::ptrdiff_t decided_ = -1;  // the first that failed, or finished
  parking parking_;
};

/// The same for typed forks, whose messages flow through the waiting task.
template <class M, class Forks>
class typed_gathering : public gathering {
 public:
  typed_gathering(Forks& forks, std::vector<fork_base*> raw, until when)
      : gathering(std::move(raw), when),
        forks_(&forks) {}
  template <class P>
  bool await_suspend(std::coroutine_handle<P> h) {
    each([&](auto& f) { f.state().flow_to(h.promise()); });
    return gathering::await_suspend(h);
  }
  std::size_t await_resume() {
    struct ends {
      typed_gathering* g;
      ~ends() {
        g->each([](auto& f) { f.state().flow_nowhere(); });
      }
    } const after{this};
    return gathering::await_resume();
  }

 private:
  void each(auto what) {
    if constexpr (std::ranges::range<Forks>)
      for (auto& f : *forks_) what(f);
    else
      std::apply([&](auto&... f) { (what(f), ...); }, *forks_);
  }
  Forks* forks_;
};

template <class M, class Forks>
auto gather(Forks& forks, gathering::until when) {
  std::vector<fork_base*> raw;
  if constexpr (std::ranges::range<Forks>) {
    raw.reserve(forks.size());
    for (auto& f : forks) raw.push_back(&f.state());
  } else {
    std::apply([&](auto&... f) { (raw.push_back(&f.state()), ...); }, forks);
  }
  return typed_gathering<M, Forks>(forks, std::move(raw), when);
}

template <class T>
using gathered = std::conditional_t<std::is_void_v<T>, std::monostate, T>;

template <class T, class M>
gathered<T> give_gathered(const forked<T, M>& f) {
  if constexpr (std::is_void_v<T>) {
    f.state().give(true);
    return {};
  } else {
    return f.state().give(true);
  }
}

// The message type of several tasks: theirs, when they agree; `void` ones do not count.
template <class... Ms>
struct common_message {
  using type = void;
};
template <class M, class... Ms>
struct common_message<M, Ms...> {
  using rest = typename common_message<Ms...>::type;
  static_assert(std::is_void_v<M> || std::is_void_v<rest> || std::same_as<M, rest>,
                "odeon: these tasks send messages of different types");
  using type = std::conditional_t<std::is_void_v<M>, rest, M>;
};
template <class... Ms>
using common_message_t = typename common_message<Ms...>::type;

template <class R>
concept range_of_tasks =
    std::ranges::input_range<R> && is_any_task<std::remove_cvref_t<std::ranges::range_value_t<R>>>;

/// Moves the tasks into forks, and starts them.
template <class T, class M>
task<std::vector<forked<T, M>>, M> start_all(std::vector<task<T, M>> tasks) {
  std::vector<forked<T, M>> forks;
  forks.reserve(tasks.size());
  for (auto& t : tasks) forks.push_back(co_await fork(std::move(t)));
  co_return forks;
}

}  // namespace detail

/// `co_await group(forks)`: joins several; waits until all have finished, and gives nothing. The
/// first failure aborts the others and is rethrown. Of no forks: returns at once.
template <class T, class M>
[[nodiscard]] task<void, M> group(std::vector<forked<T, M>> forks) {
  (void)co_await detail::gather<M>(forks, detail::gathering::until::all);
}
template <class... Ts, class... Ms>
[[nodiscard]] task<void, detail::common_message_t<Ms...>> group(forked<Ts, Ms>... forks) {
  std::tuple<forked<Ts, Ms>...> all(std::move(forks)...);
  (void)co_await detail::gather<detail::common_message_t<Ms...>>(all,
                                                                 detail::gathering::until::all);
}

/// `co_await all(tasks)`: runs them beside each other and gives their results in the order given
/// (nothing, for tasks without a result). The first failure aborts the others and is rethrown. Of
/// no tasks: an empty vector, at once.
template <class T, class M>
[[nodiscard]] auto all(std::vector<task<T, M>> tasks)
    -> task<std::conditional_t<std::is_void_v<T>, void, std::vector<detail::gathered<T>>>, M> {
  auto forks = co_await detail::start_all(std::move(tasks));
  (void)co_await detail::gather<M>(forks, detail::gathering::until::all);
  if constexpr (!std::is_void_v<T>) {
    std::vector<T> values;
    values.reserve(forks.size());
    for (auto& f : forks) values.push_back(f.state().give(true));
    co_return values;
  }
}
/// Of any range, taken apart.
template <detail::range_of_tasks R>
[[nodiscard]] auto all(R&& range) {
  std::vector<std::remove_cvref_t<std::ranges::range_value_t<R>>> tasks;
  for (auto&& t : range) tasks.push_back(std::move(t));
  return all(std::move(tasks));
}
/// Of tasks of different types: a tuple, with `std::monostate` for those without a result.
template <class... Ts, class... Ms>
  requires(sizeof...(Ts) > 0)
[[nodiscard]] auto all(task<Ts, Ms>... tasks)
    -> task<std::tuple<detail::gathered<Ts>...>, detail::common_message_t<Ms...>> {
  std::tuple<forked<Ts, Ms>...> forks{co_await fork(std::move(tasks))...};
  (void)co_await detail::gather<detail::common_message_t<Ms...>>(forks,
                                                                 detail::gathering::until::all);
  co_return std::apply(
      [](auto&... f) { return std::tuple<detail::gathered<Ts>...>{detail::give_gathered(f)...}; },
      forks);
}

/// `co_await race(tasks)`: runs them beside each other; the first that finishes decides, by its
/// value or its error, and the others are aborted. Throws `invalid_argument` without any.
template <class T, class M>
[[nodiscard]] task<T, M> race(std::vector<task<T, M>> tasks) {
  if (tasks.empty())
    throw actor_error(errc::invalid_argument, "a race of no tasks never has a first");
  auto forks = co_await detail::start_all(std::move(tasks));
  const std::size_t first = co_await detail::gather<M>(forks, detail::gathering::until::first);
  co_return forks[first].state().give(true);
}
template <class T, class M, class... Rest>
  requires(std::same_as<Rest, task<T, M>> && ...)
[[nodiscard]] task<T, M> race(task<T, M> first, Rest... rest) {
  std::vector<task<T, M>> tasks;
  tasks.reserve(1 + sizeof...(rest));
  tasks.push_back(std::move(first));
  (tasks.push_back(std::move(rest)), ...);
  return race(std::move(tasks));
}

namespace detail {

template <class V>
struct one_turn {
  using driven_tag = void;
  V value;
  parking place = {};
  bool await_ready() const noexcept { return false; }
  template <class P>
  void await_suspend(std::coroutine_handle<P> h) {
    place.park(*h.promise().driver(), h);
    place.unpark();
  }
  V await_resume() {
    if (auto thrown = place.arrived()) std::rethrow_exception(thrown);
    return std::move(value);
  }
};

}  // namespace detail

/// `co_await wait(x)`: awaits an awaitable and gives what it gives. Any other value comes back
/// after one turn of everybody who waits for theirs, so that code which sometimes waits behaves as
/// if it always did.
template <class A>
  requires detail::can_be_awaited<A>
[[nodiscard]] A&& wait(A&& awaitable) noexcept {
  return static_cast<A&&>(awaitable);
}
template <class V>
  requires(!detail::can_be_awaited<V>)
[[nodiscard]] auto wait(V&& value) {
  return detail::one_turn<std::remove_cvref_t<V>>{std::forward<V>(value)};
}

namespace detail {

template <class X>
struct task_or_value {
  using type = X;
};
template <class T, class M>
struct task_or_value<task<T, M>> {
  using type = T;
};

}  // namespace detail

/// `co_await then(work, ok, fail)`: `ok(value)` of its value, or `fail(std::exception_ptr)` of its
/// error; either may give a task, which is awaited. Both give the same type.
template <class T, class M, class Ok, class Fail>
[[nodiscard]] auto then(task<T, M> work, Ok ok, Fail fail)
    -> task<typename detail::task_or_value<std::invoke_result_t<Fail&, std::exception_ptr>>::type,
            M> {
  std::exception_ptr error;
  std::optional<detail::gathered<T>> value;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
      value.emplace();
    } else {
      value.emplace(co_await std::move(work));
    }
  } catch (const task_exit&) {
    throw;  // this task is made to exit
  } catch (...) {
    error = std::current_exception();
  }
  if (error) {
    if constexpr (detail::is_any_task<std::invoke_result_t<Fail&, std::exception_ptr>>)
      co_return co_await fail(std::move(error));
    else
      co_return fail(std::move(error));
  }
  const auto call = [&] {
    if constexpr (std::is_void_v<T>)
      return ok();
    else
      return ok(std::move(*value));
  };
  if constexpr (detail::is_any_task<decltype(call())>)
    co_return co_await call();
  else
    co_return call();
}

}  // namespace odeon
