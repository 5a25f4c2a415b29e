#pragma once

#include <odeon/task/future.hpp>

#include <expected>

/// @file Awaiting what is not of this library: a coroutine without a driver awaits it, on whatever
/// thread it resumes, and keeps a promise that the task waits for.

namespace odeon::detail {

template <class A>
struct foreign_result {
  using type = std::remove_cvref_t<decltype(awaiter_of(std::declval<A>()).await_resume())>;
};

struct unattended {
  struct promise_type {
    unattended get_return_object() noexcept { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() noexcept {}
    void unhandled_exception() noexcept { std::terminate(); }  // all is caught in `bridge`
  };
};

template <class A, class R>
unattended bridge(A operand, promise<std::expected<R, std::exception_ptr>> kept) {
  std::exception_ptr error;
  try {
    if constexpr (std::is_void_v<R>) {
      co_await static_cast<A&&>(operand);
      kept.set();
    } else {
      kept.set(co_await static_cast<A&&>(operand));
    }
  } catch (...) {
    error = std::current_exception();
  }
  if (error) kept.set(std::unexpected(std::move(error)));
}

template <class A>
task<typename foreign_result<A>::type> await_foreign(A operand) {
  using R = typename foreign_result<A>::type;
  runtime& rt = co_await driver_query{[](task_driver& d) -> runtime& { return d.get_runtime(); }};
  auto [kept, value] = promise<std::expected<R, std::exception_ptr>>::make(rt);
  bridge<A, R>(static_cast<A&&>(operand), std::move(kept));
  auto r = co_await std::move(value);
  if (!r) std::rethrow_exception(std::move(r.error()));
  if constexpr (!std::is_void_v<R>) co_return std::move(*r);
}

}  // namespace odeon::detail
