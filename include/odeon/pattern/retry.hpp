#pragma once

#include <odeon/pattern/detail/attempt.hpp>
#include <odeon/pattern/schedule.hpp>
#include <odeon/task/fork.hpp>

#include <exception>
#include <functional>
#include <initializer_list>
#include <type_traits>
#include <utility>

/// @file `retry`: the same work again, until it succeeds.
///
///     auto price = co_await odeon::retry([&] { return shop.ask<get_price>("ODN"); }, 5,
///                                        schedule::exponential(100ms, 5s));

namespace odeon {

/// Whether an error is worth another attempt. Empty: each one is. Must not throw.
using retry_filter = std::function<bool(const std::exception_ptr&)>;

/// Worth it for exceptions of these types and those derived from them.
template <class... Es>
[[nodiscard]] retry_filter retry_if_thrown() {
  return [](const std::exception_ptr& why) {
    const auto is = [&]<class E>(std::type_identity<E>) {
      try {
        std::rethrow_exception(why);
      } catch (const E&) {
        return true;
      } catch (...) {
        return false;
      }
    };
    return (is(std::type_identity<Es>()) || ...);
  };
}
/// Worth it for errors of these codes; what is no `actor_error` counts as `errc::handler_failed`.
[[nodiscard]] retry_filter retry_if(std::initializer_list<errc> codes);

namespace detail {

/// The counting part of `retry`. src/pattern/retry.cpp
class retry_state {
 public:
  retry_state(unsigned attempts, odeon::schedule pauses, retry_filter worth);
  /// An attempt has failed: waits for the next one, or throws.
  [[nodiscard]] task<void> failed(std::exception_ptr why);

 private:
  unsigned attempts_;
  unsigned failed_ = 0;
  odeon::schedule pauses_;
  retry_filter worth_;
};

}  // namespace detail

/// Calls `factory` for the work, which is a `task`, `future`, `result` or plain value, and waits
/// for it; when it fails (or the factory throws), waits as `pauses` says and calls it again,
/// `attempts` times in all. Gives the first good value. Throws what the last attempt threw – an
/// error that was no exception as `actor_error` –, at once when `worth` says that there is no
/// point. When the work is asked to stop a pause ends at once, with `actor_error(errc::cancelled)`
/// that names the last error. No attempts at all are `errc::invalid_argument`.
template <class F>
task<detail::work_value<std::invoke_result_t<F&>>> retry(F factory, unsigned attempts,
                                                         schedule pauses, retry_filter worth = {}) {
  detail::retry_state state(attempts, pauses, std::move(worth));
  for (;;) {
    std::exception_ptr why;
    try {
      co_return co_await detail::perform_work(factory);
    } catch (const task_exit&) {
      throw;  // this task is made to exit
    } catch (...) {
      why = std::current_exception();
    }
    co_await state.failed(std::move(why));
  }
}

}  // namespace odeon
