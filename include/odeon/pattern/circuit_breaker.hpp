#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/pattern/detail/attempt.hpp>
#include <odeon/pattern/fwd.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/task/combine.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

/// @file `circuit_breaker`: a service that fails is left alone for a while.
///
///     circuit_breaker payments(system.get_runtime(), {.max_failures = 3}, "payments");
///     auto receipt = co_await payments.call([&] { return bank.ask<pay>(order); });
///
/// Closed: calls go through; `max_failures` failures in a row open it. Open: calls fail at once.
/// After `reset_timeout` it is half open: one call is let through as a trial, the others fail at
/// once; the trial closes it, or opens it again.

namespace odeon {

enum class breaker_state : std::uint8_t { closed, open, half_open };

/// "closed", "open", "half open".
[[nodiscard]] std::string_view to_string(breaker_state s) noexcept;

struct breaker_options {
  unsigned max_failures = 5;                        ///< in a row; at least 1
  duration call_timeout = std::chrono::seconds(1);  ///< a call that takes longer has failed; zero:
                                                    ///< no limit
  duration reset_timeout = std::chrono::seconds(10);  ///< from open to half open; above zero
  double growth = 1;  ///< each failed trial makes the next wait so much longer …
  duration max_reset_timeout =
      std::chrono::minutes(5);  ///< … up to this; a good trial sets it back
  /// Which errors count as failures of the service; empty: all. One that does not is a success.
  std::function<bool(const std::exception_ptr&)> is_failure = {};
};

/// Handed to listeners.
struct breaker_transition {
  std::string_view name;  ///< the breaker's; valid during the call
  breaker_state from;
  breaker_state to;
  std::string_view why;  ///< the last failure's text on the way to open; else empty
};

/// What happened so far.
struct breaker_counters {
  std::uint64_t succeeded = 0;
  std::uint64_t failed = 0;     ///< timeouts included
  std::uint64_t timed_out = 0;  ///< of the failed ones
  std::uint64_t rejected = 0;   ///< failed at once: open, or half open with the trial under way
  std::uint64_t opened = 0;     ///< how often it went open
};

/// What a call through an open breaker throws. Its code is `errc::refused`, its text says how long.
class circuit_open : public actor_error {
 public:
  circuit_open(std::string text, duration remaining)
      : actor_error(errc::refused, std::move(text)),
        remaining_(remaining) {}
  /// Until the next trial may be made; zero while a trial is under way.
  [[nodiscard]] duration remaining() const noexcept { return remaining_; }

 private:
  duration remaining_;
};

/// A handle on one breaker: copies are the same breaker. The runtime must outlive the last one.
/// @threadsafe: share one among many actors. Time is that of users (`clock_domain::user`), except
/// for the limit of asks, which is housekeeping's.
class circuit_breaker {
 public:
  /// Throws `actor_error(errc::invalid_argument)`: no failures, no reset timeout, a growth below 1.
  explicit circuit_breaker(runtime& rt, breaker_options options = {}, std::string name = "unnamed");

  /// Calls `f` and waits for what it gives: a `task`, `future` (an ask) or `result`, or a plain
  /// value. Gives the value; throws what the work threw (an error that is no exception as
  /// `actor_error`), `circuit_open` without having called `f`, and
  /// `actor_error(errc::ask_timeout)` after `call_timeout`: an ask is given up then, a task
  /// aborted. A call that is itself aborted, stopped or destroyed counts neither way.
  template <class F>
  task<detail::work_value<std::invoke_result_t<F&>>> call(F f) {
    return called(*this, std::move(f));
  }

  /// The same for plain functions, on the calling thread: it cannot be cut short, but counts as
  /// failed when it took longer than `call_timeout` (its value is given all the same).
  template <class F>
  auto run(F&& f) {
    using V = std::invoke_result_t<F&>;
    static_assert(!detail::work_of<std::remove_cvref_t<V>>::is_later,
                  "odeon: circuit_breaker::run takes a plain function; for a task or future: "
                  "co_await breaker.call(f)");
    permit p = enter();
    return judged(p, [&] { return f(); });
  }

  /// The right to make one call, for work that fits neither form. Say how it went; dropped unsaid
  /// it counts neither way. Move-only.
  class permit {
   public:
    permit(permit&&) noexcept = default;
    permit& operator=(permit&&) = delete;
    ~permit();
    void success();
    void failure(std::string_view why);
    void failure(const std::exception_ptr& why);

   private:
    friend class circuit_breaker;
    struct held;
    explicit permit(std::unique_ptr<held> h) noexcept;
    void timeout();
    /// Counts a slow success as failed.
    void finished();
    std::unique_ptr<held> held_;
  };
  /// Lets a call in, or throws `circuit_open`.
  [[nodiscard]] permit enter();
  /// Lets a call in, or `errc::refused` with the same sentence.
  [[nodiscard]] result<permit> try_enter();

  /// Half open is seen as soon as the reset timeout has passed.
  [[nodiscard]] breaker_state state() const;
  [[nodiscard]] breaker_counters counters() const;
  [[nodiscard]] const std::string& name() const noexcept;
  [[nodiscard]] const breaker_options& options() const noexcept;

  /// Opens it, or closes it, by hand.
  void trip(std::string_view why);
  void reset();

  /// `f` is called at each transition from now on, after it happened, on the thread that caused it
  /// (towards half open: the timer's), without locks held: be short, do not throw.
  void on_transition(std::function<void(const breaker_transition&)> f);

 private:
  template <class F>
  static task<detail::work_value<std::invoke_result_t<F&>>> called(circuit_breaker self, F f);
  template <class G>
  static auto judged(permit& p, G g) {
    try {
      if constexpr (std::is_void_v<std::invoke_result_t<G&>>) {
        g();
        p.finished();
      } else {
        auto v = g();
        if constexpr (detail::is_result<decltype(v)>)
          v ? p.finished() : p.failure(v.error().to_string());
        else
          p.finished();
        return v;
      }
    } catch (...) {
      p.failure(std::current_exception());
      throw;
    }
  }
  [[nodiscard]] error too_slow() const;

  struct core;
  std::shared_ptr<core> core_;
};

namespace detail {

/// How a piece of work went: its exception, or its value, or neither: its time was over.
template <class T>
struct work_outcome {
  std::exception_ptr why = {};
  std::optional<T> value = {};
  bool late = false;
};
template <>
struct work_outcome<void> {
  std::exception_ptr why = {};
  bool late = false;
};

template <class T>
task<work_outcome<T>> outcome_of(task<T> work) {
  work_outcome<T> out;
  try {
    if constexpr (std::is_void_v<T>)
      co_await std::move(work);
    else
      out.value.emplace(co_await std::move(work));
  } catch (...) {
    out.why = std::current_exception();
  }
  co_return out;
}
template <class T>
task<work_outcome<T>> late_after(duration limit) {
  co_await sleep(limit);
  work_outcome<T> out;
  out.late = true;
  co_return out;
}

template <class F>
task<work_value<std::invoke_result_t<F&>>> ask_within(F& f, duration limit) {
  auto asked = f();
  if (limit > duration::zero()) asked = std::move(asked).within(limit);  // else its own
  if constexpr (is_try_future<decltype(asked)>)
    co_return value_or_throw(co_await std::move(asked));
  else
    co_return co_await std::move(asked);
}

}  // namespace detail

template <class F>
task<detail::work_value<std::invoke_result_t<F&>>> circuit_breaker::called(circuit_breaker self,
                                                                           F f) {
  using V = std::remove_cvref_t<std::invoke_result_t<F&>>;
  using T = detail::work_value<V>;
  permit p = self.enter();
  std::exception_ptr why;
  const duration limit = self.options().call_timeout;
  if constexpr (detail::is_task<V>) {
    if (limit > duration::zero()) {
      auto out = co_await race(detail::outcome_of<T>(detail::perform_work(f)),
                               detail::late_after<T>(limit));
      if (out.late) {
        p.timeout();
        throw actor_error(self.too_slow());
      }
      if (out.why) {
        p.failure(out.why);
        std::rethrow_exception(out.why);
      }
      p.success();
      if constexpr (std::is_void_v<T>)
        co_return;
      else
        co_return std::move(*out.value);
    }
  }
  try {
    if constexpr (std::is_void_v<T>) {
      if constexpr (detail::is_future<V>)
        co_await detail::ask_within(f, limit);
      else
        co_await detail::perform_work(f);
      p.finished();
      co_return;
    } else if constexpr (detail::is_future<V>) {
      T value = co_await detail::ask_within(f, limit);
      p.success();
      co_return std::move(value);
    } else {
      T value = co_await detail::perform_work(f);
      p.finished();
      co_return std::move(value);
    }
  } catch (const task_exit&) {
    throw;  // the task that calls is made to exit
  } catch (...) {
    why = std::current_exception();
  }
  // Thrown into the calling task, it says nothing about the service.
  if (!co_await stop_requested()) p.failure(why);
  std::rethrow_exception(why);
}

}  // namespace odeon
