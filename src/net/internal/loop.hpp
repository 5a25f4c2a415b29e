#pragma once

#include <odeon/base/error.hpp>
#include <odeon/runtime/runtime.hpp>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <functional>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <utility>

/// @file A thread that waits for sockets. The protocol stands at the top of tcp.cpp.

namespace odeon::tcp_detail {

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

  /// False: the loop is closed, and `f` was not called and will not be.
  template <class F>
  [[nodiscard]] bool submit(F&& f) {
    if (io.get_executor().running_in_this_thread()) {
      if (closing) return false;
      std::forward<F>(f)();
      return true;
    }
    std::lock_guard guard(mutex_);
    if (closed_) return false;
    asio::post(io, std::forward<F>(f));
    return true;
  }
  /// Steps 1 to 3.
  void close() {
    std::lock_guard guard(mutex_);
    closed_ = true;
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

  std::mutex mutex_;
  bool closed_ = false;
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

/// Calls `done` on the loop's thread, later. There.
template <class R>
void complete_later(loop& l, std::move_only_function<void(R)> done, R r) {
  asio::post(l.io, [d = std::move(done), r = std::move(r)]() mutable { d(std::move(r)); });
}

}  // namespace odeon::tcp_detail
