#pragma once

// The one public header that includes Boost: its whole purpose is to be used with Asio's types. It
// is no part of odeon.hpp, and nothing of the library includes it.

#include <odeon/net/detail/task_home.hpp>
#include <odeon/task/fork.hpp>
#include <odeon/task/future.hpp>
#include <odeon/task/run.hpp>

#include <boost/asio/associated_cancellation_slot.hpp>
#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/prefer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <expected>
#include <memory>
#include <stop_token>
#include <utility>

/// @file Tasks and Asio's coroutines, each awaited by the other.
///
///     boost::asio::awaitable<void> session(tcp::socket s, odeon::actor_ref<get_price> prices) {
///       int p = co_await odeon::as_awaitable(rt, prices.ask<get_price>());     // a future, a task
///       co_await async_write(s, buffer(std::to_string(p)), boost::asio::use_awaitable);
///     }
///     odeon::task<std::size_t> fetch(tcp::socket& s, std::span<char> room) {
///       co_return co_await odeon::as_task(s.get_executor(),
///           s.async_read_some(buffer(room), boost::asio::use_awaitable));      // any operation
///     }
///
/// Values and exceptions go through as they are. Cancelling goes through both ways: Asio's
/// cancellation of the coroutine that waits asks the task to stop and aborts it with
/// `errc::cancelled`; a task that is asked to stop, aborted or destroyed emits Asio's cancellation
/// of the coroutine it waits for, whose `operation_aborted` it then sees.

namespace odeon {

namespace detail {

/// The root of what a coroutine of Asio waits for. `home` is alive: it drives this.
template <class T, class Done>
task<void> serve_awaitable(task<T> work, task_home& home, Done done) {
  std::expected<T, std::exception_ptr> r(std::unexpect, nullptr);
  try {
    forked<T> f = co_await fork(std::move(work));
    const task_home::interruptible now(home, [f] { f.abort(); });
    if constexpr (std::is_void_v<T>) {
      co_await std::move(f).join();
      r.emplace();
    } else {
      r.emplace(co_await std::move(f).join());
    }
  } catch (...) {
    r = std::unexpected(std::current_exception());
  }
  done(std::move(r));
}

template <class T>
task<T> value_of(future<T> f) {
  co_return co_await std::move(f);
}

/// Starts `work` for a handler of `void(std::expected<T, std::exception_ptr>)`.
template <class T>
struct start_task {
  runtime* rt;
  task<T> work;

  template <class Handler>
  void operator()(Handler handler) {
    namespace asio = boost::asio;
    auto slot = asio::get_associated_cancellation_slot(handler);
    // It counts as work of its context until the handler was called.
    const auto at = asio::prefer(asio::get_associated_executor(handler),
                                 asio::execution::outstanding_work.tracked);
    task_home& home = task_home::make(
        *rt, [at](std::move_only_function<void()> f) { asio::post(at, std::move(f)); });
    if (slot.is_connected()) slot.assign([&home](asio::cancellation_type) { home.interrupt(); });
    auto done = [slot, at, h = std::move(handler)](std::expected<T, std::exception_ptr> r) mutable {
      slot.clear();
      asio::post(at,
                 [h = std::move(h), r = std::move(r)]() mutable { std::move(h)(std::move(r)); });
    };
    home.start(serve_awaitable<T>(std::move(work), home, std::move(done)));
  }
};

/// Emits the cancellation of a coroutine of Asio, on its strand; when it is destroyed before it was
/// told that the coroutine is over, too.
template <class Strand>
class asio_canceller {
 public:
  explicit asio_canceller(Strand at) : at_(std::move(at)) {}
  asio_canceller(const asio_canceller&) = delete;
  ~asio_canceller() {
    if (!over_) emit();
  }
  /// What the coroutine is spawned with. The signal holds what the coroutine's frames refer to, so
  /// it goes after them.
  [[nodiscard]] auto token() {
    return boost::asio::bind_cancellation_slot(
        signal_->slot(), [s = signal_, at = at_](const std::exception_ptr&) mutable {
          boost::asio::post(at, [last = std::move(s)] {});
        });
  }
  void emit() const {
    boost::asio::post(at_, [s = signal_] { s->emit(boost::asio::cancellation_type::terminal); });
  }
  void over() noexcept { over_ = true; }

 private:
  Strand at_;
  std::shared_ptr<boost::asio::cancellation_signal> signal_ =
      std::make_shared<boost::asio::cancellation_signal>();
  bool over_ = false;
};

template <class T, class Executor>
boost::asio::awaitable<void, Executor> keep_promise(
    boost::asio::awaitable<T, Executor> work, promise<std::expected<T, std::exception_ptr>> kept) {
  std::exception_ptr why;
  try {
    if constexpr (std::is_void_v<T>) {
      co_await std::move(work);
      kept.set();
    } else {
      kept.set(co_await std::move(work));
    }
  } catch (...) {
    why = std::current_exception();
  }
  if (why) kept.set(std::unexpected(std::move(why)));
}

}  // namespace detail

/// Runs `work` on the executor of the Asio coroutine that awaits this, and gives its value or
/// throws what it threw. The coroutine goes on on its executor, in a turn of its own. The
/// executor's context must run until then, which it does by itself: the task counts as work of it.
///
/// Cancellation of the coroutine, of any type, asks the task to stop and aborts it (see
/// `forked::abort`); the coroutine goes on when the task has ended. `rt`, the source of the task's
/// time, must outlive it.
template <class T>
[[nodiscard]] boost::asio::awaitable<T> as_awaitable(runtime& rt, task<T> work) {
  using outcome = std::expected<T, std::exception_ptr>;
  auto r =
      co_await boost::asio::async_initiate<const boost::asio::use_awaitable_t<>, void(outcome)>(
          detail::start_task<T>{&rt, std::move(work)}, boost::asio::use_awaitable);
  if (!r) std::rethrow_exception(std::move(r.error()));
  if constexpr (!std::is_void_v<T>) co_return std::move(*r);
}
/// The same with the clock of `odeon::run` without a runtime: real time.
template <class T>
[[nodiscard]] boost::asio::awaitable<T> as_awaitable(task<T> work) {
  return as_awaitable(detail::shared_runtime(), std::move(work));
}
/// The value of an ask, say. Throws `actor_error`.
template <class T>
[[nodiscard]] boost::asio::awaitable<T> as_awaitable(runtime& rt, future<T> f) {
  return as_awaitable(rt, detail::value_of(std::move(f)));
}

/// Runs an Asio coroutine on a strand of `executor`, and gives its value or throws what it threw;
/// the task goes on on its own executor. Any asynchronous operation of Asio is such a coroutine
/// when it is given `boost::asio::use_awaitable`. The executor's context must
/// run until the coroutine has ended, and outlive the task's waiting.
///
/// A task that is asked to stop emits the cancellation of the coroutine (terminal) and waits for
/// its end; one that is aborted or destroyed here emits it and does not wait, so what the coroutine
/// refers to must outlive its own end.
template <class AtExecutor, class T, class Executor>
[[nodiscard]] task<T> as_task(AtExecutor executor, boost::asio::awaitable<T, Executor> work) {
  namespace asio = boost::asio;
  runtime& rt =
      co_await detail::driver_query{[](task_driver& d) -> runtime& { return d.get_runtime(); }};
  const std::stop_token stop = co_await this_stop_token();
  auto strand = asio::make_strand(executor);
  detail::asio_canceller<decltype(strand)> cancel(strand);
  auto [kept, value] = promise<std::expected<T, std::exception_ptr>>::make(rt);
  asio::co_spawn(strand, detail::keep_promise<T, Executor>(std::move(work), std::move(kept)),
                 cancel.token());
  const std::stop_callback on_stop(stop, [&cancel] { cancel.emit(); });
  auto r = co_await std::move(value);
  cancel.over();
  if (!r) std::rethrow_exception(std::move(r.error()));
  if constexpr (!std::is_void_v<T>) co_return std::move(*r);
}

}  // namespace odeon
