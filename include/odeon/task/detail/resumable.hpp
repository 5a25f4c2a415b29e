#pragma once

#include <odeon/base/detail/pool.hpp>
#include <odeon/task/driver.hpp>

#include <atomic>
#include <coroutine>
#include <cstdint>

/// @file What `suspend` and `resume` meet on. The protocol stands in src/task/resumable.cpp.

namespace odeon::detail {

class resumable {
 public:
  void add_ref() noexcept { refs_.fetch_add(1, std::memory_order_relaxed); }
  void drop_ref() noexcept {
    // The only holder needs no read-modify-write: nobody else can make another reference. Acquire:
    // the end sees what all holders did; release: what this one did happens before the end.
    if (refs_.load(std::memory_order_acquire) == 1 ||
        refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      free_self();
  }

  /// The task goes on from `suspend`, or does not stop at its next one. False: it has ended.
  /// @threadsafe
  bool resume() noexcept;
  [[nodiscard]] bool has_ended() const noexcept {
    return word_.load(std::memory_order_acquire) & gone;
  }

  // -- on the driver's turn -----------------------------------------------------------------------

  /// False: it was resumed before, go on.
  bool begin_wait(std::coroutine_handle<> h) noexcept;
  void end_wait() noexcept;
  /// The driver has ended, or its task is destroyed.
  void retire() noexcept;

  /// That of a driver; the first call for one that is not a fork allocates.
  [[nodiscard]] static resumable& of(task_driver& d);

 protected:
  resumable(task_driver& driver, std::uint32_t refs) noexcept : refs_(refs), driver_(&driver) {
    node_.arrive = &arrived;
    node_.owner = this;
  }
  ~resumable() = default;
  virtual void free_self() noexcept = 0;

 private:
  struct wake_node : driver_node {
    resumable* owner = nullptr;
  };
  static void arrived(driver_node& n);

  static constexpr std::uint32_t permit = 1, waiting = 2, in_flight = 4, gone = 8;

  std::atomic<std::uint32_t> refs_;
  std::atomic<std::uint32_t> word_{0};
  task_driver* driver_;
  std::coroutine_handle<> handle_;
  wake_node node_;
};

}  // namespace odeon::detail
