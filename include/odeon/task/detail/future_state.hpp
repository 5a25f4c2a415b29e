#pragma once

#include <odeon/base/detail/pool.hpp>
#include <odeon/base/error.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/task/driver.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <new>
#include <type_traits>
#include <utility>

/// @file The shared state of a future and its promise. The protocol stands in src/task/future.cpp.

namespace odeon::detail {

class future_state_base : public driver_node {
 public:
  // -- both sides ---------------------------------------------------------------------------------
  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    // Release: what this side wrote happens before the free; acquire: the free sees what all sides
    // wrote.
    if (refs_.fetch_sub(1, std::memory_order_acq_rel) == 1) free_state();
  }

  /// Takes a reference on memory that may be free already (type-stable pools only). False: it was.
  [[nodiscard]] bool try_add_ref() noexcept;

  // -- producer -----------------------------------------------------------------------------------
  /// After the value was constructed in place. False: nobody waits any more, and the value is
  /// still there.
  bool try_finish() noexcept;
  /// The same, but a value that comes too late is reported and destroyed.
  bool finish() noexcept;
  /// False: it was completed already. May allocate the error; on lack of memory the code alone
  /// remains.
  bool fail(error e) noexcept;

  // -- consumer -----------------------------------------------------------------------------------
  [[nodiscard]] bool is_done() const noexcept {
    return phase(word_.load(std::memory_order_acquire)) >= done_phase;
  }
  [[nodiscard]] bool has_value() const noexcept {
    return phase(word_.load(std::memory_order_acquire)) == replied;
  }
  [[nodiscard]] error take_error() noexcept;

  /// Registers the coroutine; false: it is done already, go on. On the driver's turn.
  bool add_waiter(task_driver& driver, std::coroutine_handle<> handle);
  /// The waiting coroutine goes away: takes the registration back. On the driver's turn.
  void detach_waiter() noexcept;
  /// Blocks the thread until done. False: the deadline passed, and the state was failed with
  /// `timed_out()`.
  void wait(runtime& rt);

  /// The consumer's end of life: when still pending, the producer is told through `abandoned`.
  void let_go() noexcept;

  [[nodiscard]] void* storage() const noexcept { return storage_; }
  virtual void timer_armed(time_point) noexcept {}

  /// By the consumer. Zero: none.
  virtual void set_timeout(duration d) noexcept { note_timeout(d); }
  /// By anyone: an ask's handler reads what its asker sets.
  [[nodiscard]] duration timeout() const noexcept {
    return timeout_.load(std::memory_order_relaxed);
  }
  /// Itself, when it is an ask: whose pool is type stable (unless its value is very large).
  [[nodiscard]] virtual const void* as_ask() const noexcept { return nullptr; }
  /// Where blocking consumers wait; null when only a driver knows.
  [[nodiscard]] virtual runtime* home() const noexcept { return nullptr; }

 protected:
  static constexpr pool_kind pool = pool_kind::frame;

  explicit future_state_base(std::uint32_t refs) noexcept;
  virtual ~future_state_base() = default;

  virtual void free_state() noexcept = 0;
  virtual void destroy_value() noexcept = 0;
  /// A value came after the consumer had gone or the future had failed; it is destroyed after this.
  virtual void late() noexcept {}
  /// The consumer went away while it was pending. Called once, on the consumer's thread.
  virtual void abandoned() noexcept {}
  /// It is failed now, and whoever waits will be told next.
  virtual void failing_with(const error&) noexcept {}
  /// The error of a timeout that passed now.
  [[nodiscard]] virtual error timed_out();

  [[nodiscard]] bool is_pending() const noexcept {
    return phase(word_.load(std::memory_order_acquire)) == pending;
  }
  [[nodiscard]] bool was_dropped() const noexcept {
    return word_.load(std::memory_order_acquire) & dropped;
  }

  /// Arms the timeout; holds a reference until it fires or is disarmed by `let_go`.
  void arm_timer(runtime& rt, time_point due);

  void* storage_ = nullptr;  // where the value goes
  /// Takes the armed timeout back; when it fires at this moment it ends the future all the same.
  void stop_timer() noexcept;
  void note_timeout(duration d) noexcept { timeout_.store(d, std::memory_order_relaxed); }

  bool times_itself_ = false;  // the derived state arms its timeout, not the waiting side

 private:
  friend struct future_timer;
  static constexpr std::uint32_t phase_mask = 7;
  static constexpr std::uint32_t pending = 0, failing = 1, done_phase = 2, replied = 2, failed = 3;
  static constexpr std::uint32_t waiter = 8, thread = 16, dropped = 32;
  static std::uint32_t phase(std::uint32_t w) noexcept { return w & phase_mask; }

  void complete(std::uint32_t before) noexcept;
  static void arrived(driver_node& node);

  std::atomic<duration> timeout_{duration(0)};
  std::atomic<std::uint32_t> refs_;
  std::atomic<std::uint32_t> word_{pending};
  task_driver* driver_ = nullptr;
  std::coroutine_handle<> handle_;
  std::unique_ptr<error> error_;
  std::atomic<struct future_timer*> timer_{nullptr};
};

struct nothing {};
template <class T>
using stored_value = std::conditional_t<std::is_void_v<T>, nothing, T>;

/// A state with room for a `T` (which may be void) behind what `Base` knows. From the pool.
template <class T, class Base>
class value_state final : public Base {
 public:
  template <class... As>
  explicit value_state(As&&... as) noexcept : Base(std::forward<As>(as)...) {
    this->storage_ = std::addressof(value_);
  }
  static void* operator new(std::size_t bytes) {
    return bytes <= pool_block_max ? pool_get(Base::pool, pool_class(bytes))
                                   : ::operator new(bytes);
  }
  static void operator delete(void* p, std::size_t bytes) noexcept {
    if (bytes <= pool_block_max)
      pool_put(Base::pool, pool_class(bytes), p);
    else
      ::operator delete(p, bytes);
  }

 private:
  ~value_state() override {
    if (this->has_value()) std::destroy_at(std::addressof(value_));
  }
  void destroy_value() noexcept override { std::destroy_at(std::addressof(value_)); }
  void free_state() noexcept override { delete this; }

  union {
    stored_value<T> value_;
  };
};

/// Producer only, once. False: too late.
template <class T, class... As>
bool fulfil(future_state_base& s, As&&... as) {
  std::construct_at(static_cast<stored_value<T>*>(s.storage()), std::forward<As>(as)...);
  return s.finish();
}

/// The state behind a `promise`.
class promise_state : public future_state_base {
 public:
  explicit promise_state(runtime& rt) noexcept : future_state_base(2), home_(&rt) {}

 private:
  [[nodiscard]] runtime* home() const noexcept override { return home_; }
  runtime* home_;
};

}  // namespace odeon::detail
