#pragma once

#include <odeon/base/error.hpp>
#include <odeon/runtime/runtime.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

/// @file A thread that waits for sockets, and what is submitted to it.
///
/// From the outside everything is submitted: run at once when the caller is the loop's thread (Asio
/// calls no handler inside an initiation), else posted. `submit` and the closing of a loop exclude
/// each other by `mutex_`, so what was submitted before the closing is run, and what comes after it
/// is told so and cancels itself.

namespace odeon::net_detail {

namespace asio = boost::asio;

inline std::unexpected<error> gave_up() {
  return fail(errc::cancelled, "this side gave the connection up");
}
inline std::unexpected<error> misused(const char* how) { return fail(errc::invalid_argument, how); }

/// What closes when its loop does. On the loop's thread.
class closable {
 public:
  /// Once or more.
  virtual void close_now() noexcept = 0;

 protected:
  ~closable() = default;
};

class loop final : runnable {
 public:
  loop(runtime& rt, const std::string& name)
      : runnable(&run),
        guard_(io.get_executor()),
        thread_(rt.make_executor({.kind = executor_kind::pinned, .name = name})) {
    thread_->submit(*this);
  }

  [[nodiscard]] bool is_current() noexcept { return io.get_executor().running_in_this_thread(); }

  /// False: the loop is closed, and `f` was not called and will not be.
  template <class F>
  [[nodiscard]] bool submit(F&& f) {
    if (is_current()) {
      if (closing) return false;
      std::forward<F>(f)();
      return true;
    }
    return post_from_outside(std::forward<F>(f));
  }

  /// The same, but never inside the call; on its own thread it is never refused.
  template <class F>
  [[nodiscard]] bool later(F&& f) {
    if (!is_current()) return post_from_outside(std::forward<F>(f));
    asio::post(io, std::forward<F>(f));
    return true;
  }

  /// Refuses what comes from now on, on any thread; not yet seen by one that is inside `submit`.
  [[nodiscard]] bool is_closed() const noexcept {
    return closed_.load(std::memory_order_relaxed);  // a hint: `mutex_` decides
  }

  /// Steps 1 to 3 of the shutdown (socket_transport.cpp).
  void close() {
    std::lock_guard guard(mutex_);
    closed_.store(true, std::memory_order_relaxed);  // under the lock, which orders it
    asio::post(io, [this] {
      closing = true;
      for (auto& [key, c] : std::exchange(open, {}))
        if (auto alive = c.lock()) alive->close_now();
    });
    guard_.reset();
  }
  /// Step 4.
  void join() { thread_.reset(); }

  asio::io_context io{1};
  // On its thread.
  std::unordered_map<const closable*, std::weak_ptr<closable>> open;
  bool closing = false;

 private:
  static void run(runnable& self) noexcept { static_cast<loop&>(self).io.run(); }

  template <class F>
  bool post_from_outside(F&& f) {
    std::lock_guard guard(mutex_);
    if (closed_.load(std::memory_order_relaxed)) return false;  // the lock orders it
    asio::post(io, std::forward<F>(f));
    return true;
  }

  std::mutex mutex_;
  std::atomic<bool> closed_{false};
  asio::executor_work_guard<asio::io_context::executor_type> guard_;
  std::unique_ptr<executor> thread_;
};
using loop_ptr = std::shared_ptr<loop>;

template <class Start, class Done>
struct operation {
  Start start;
  Done done;
  void operator()() { start(std::move(done)); }
};
/// Runs `start(done)` on the loop's thread; on one that is closed, `done` is told here.
template <class R, class Start>
void operate(loop& l, Start start, std::move_only_function<void(R)> done) {
  operation<Start, std::move_only_function<void(R)>> op{std::move(start), std::move(done)};
  if (!l.submit(std::move(op))) op.done(R(gave_up()));
}

/// Calls `done(r)` on the loop's thread, later; on one that is closed it is told `cancelled` here.
template <class R>
void tell(loop& l, std::move_only_function<void(R)> done, R r) {
  struct telling {
    std::move_only_function<void(R)> done;
    R r;
    void operator()() { done(std::move(r)); }
  } t{std::move(done), std::move(r)};
  if (!l.later(std::move(t))) t.done(R(gave_up()));
}

/// Calls `done` on the loop's thread, later. There.
template <class R>
void complete_later(loop& l, std::move_only_function<void(R)> done, R r) {
  asio::post(l.io, [d = std::move(done), r = std::move(r)]() mutable { d(std::move(r)); });
}

}  // namespace odeon::net_detail
