#pragma once

#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

/// @file What the state of one connection is guarded by, and its deadline.
///
/// A section runs functions one at a time, in the order in which they came, on whatever thread
/// brought the first of them: a transport's, the timers', or one that answers a request. Nobody
/// waits; no lock is held while a function runs, so it may call whom it likes. A function that is
/// brought from inside the section by its own thread runs at the end of the present one.
///
///   busy_   who sets it runs what comes until nothing waits, then clears it; under `mutex_`.
///   inside_ the thread that runs; relaxed, because a thread only ever compares it with itself.

namespace odeon::http_detail {

class section {
 public:
  template <class F>
  void enter(F&& f) {
    {
      const std::lock_guard guard(mutex_);
      if (busy_) {
        waiting_.emplace_back(std::forward<F>(f));
        return;
      }
      busy_ = true;
    }
    inside_.store(std::this_thread::get_id(), std::memory_order_relaxed);
    std::forward<F>(f)();
    for (;;) {
      std::vector<std::move_only_function<void()>> next;
      {
        const std::lock_guard guard(mutex_);
        if (waiting_.empty()) {
          inside_.store({}, std::memory_order_relaxed);
          busy_ = false;
          return;
        }
        next.swap(waiting_);
      }
      for (auto& n : next) n();
    }
  }
  [[nodiscard]] bool is_inside() const noexcept {
    return inside_.load(std::memory_order_relaxed) == std::this_thread::get_id();
  }

 private:
  std::mutex mutex_;
  bool busy_ = false;
  std::vector<std::move_only_function<void()>> waiting_;
  std::atomic<std::thread::id> inside_{};
};

/// A time that is moved often and reached seldom: the timer behind it is armed anew only for an
/// earlier time, and looks again when it fires. @threadsafe
class deadline {
 public:
  /// `fired` is called on the timers' thread, or by what drives a simulation.
  deadline(runtime& rt, std::move_only_function<void()> fired)
      : state_(std::make_shared<state>(rt, std::move(fired))) {}
  deadline(const deadline&) = delete;
  ~deadline() { state_->end(); }

  /// `time_point::max()`: none.
  void set(time_point due) { state_->set(due); }
  void clear() { set(time_point::max()); }

 private:
  struct state final : timer_node, std::enable_shared_from_this<state> {
    state(runtime& r, std::move_only_function<void()> f)
        : timer_node(&fire),
          timers(r.timers(clock_domain::housekeeping)),
          rt(r),
          fired(std::move(f)) {}
    void set(time_point at) {
      const std::lock_guard guard(mutex);
      due = at;
      if (over || due >= armed) return;
      // One that fires at this moment finds what is due itself.
      if (armed != time_point::max() && !timers.disarm(*this)) return;
      arm();
    }
    void arm() {
      armed = due;
      self = shared_from_this();
      timers.arm(*this, due);
    }
    void end() {
      std::shared_ptr<state> last;
      std::move_only_function<void()> f;
      const std::lock_guard guard(mutex);
      over = true;
      if (armed != time_point::max() && timers.disarm(*this)) last = std::move(self);
      f = std::move(fired);
    }
    static void fire(timer_node& n) noexcept {
      auto& s = static_cast<state&>(n);
      std::move_only_function<void()> f;
      const auto alive = [&s] {
        const std::lock_guard guard(s.mutex);
        return std::move(s.self);
      }();
      {
        const std::lock_guard guard(s.mutex);
        s.armed = time_point::max();
        if (s.over || s.due == time_point::max()) return;
        if (s.due > s.rt.now(clock_domain::housekeeping)) return s.arm();
        s.due = time_point::max();
        f = std::move(s.fired);
      }
      f();
      const std::lock_guard guard(s.mutex);
      if (!s.over) s.fired = std::move(f);
      if (!s.over && s.due < s.armed) s.arm();
    }
    timer_queue& timers;
    runtime& rt;
    std::mutex mutex;
    std::move_only_function<void()> fired;
    time_point due = time_point::max(), armed = time_point::max();
    std::shared_ptr<state> self;  // while armed
    bool over = false;
  };
  std::shared_ptr<state> state_;
};

}  // namespace odeon::http_detail
