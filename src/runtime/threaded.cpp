// The real runtime: CLOCK_MONOTONIC, one timer thread for both domains, getrandom, threads.
//
// The timer thread sleeps on a futex word until the earliest due time; arming an earlier one moves
// the word. It starts with the first timer. Lost wake-ups are excluded by reading the word before
// asking the wheels for their next due time: an arm after that has moved the word, and the sleep
// returns at once.

#include "internal/futex.hpp"
#include "internal/thread_pool.hpp"
#include "internal/threads.hpp"
#include "internal/timer_wheel.hpp"
#include "internal/work_stealing.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/error.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <mutex>
#include <thread>

namespace odeon {

namespace {

time_point steady_now() noexcept {
  return time_point(
      std::chrono::duration_cast<duration>(std::chrono::steady_clock::now().time_since_epoch()));
}

}  // namespace

namespace detail {

class threaded_runtime final : public runtime {
 public:
  ~threaded_runtime() override {
    stop_.store(true);
    word_.fetch_add(1);
    futex_wake(word_, 1);
    if (timer_thread_.joinable()) timer_thread_.join();
  }

  [[nodiscard]] time_point now(clock_domain) const noexcept override { return steady_now(); }

  [[nodiscard]] wall_time wall_now() const noexcept override {
    return std::chrono::time_point_cast<duration>(std::chrono::system_clock::now());
  }

  void random(std::span<std::byte> out) noexcept override {
    while (!out.empty()) {
      const ssize_t n = getrandom(out.data(), out.size(), 0);
      ODEON_ASSERT(n > 0 || errno == EINTR, "the kernel gives no random bytes");
      if (n > 0) out = out.subspan(static_cast<std::size_t>(n));
    }
  }

  timer_queue& timers(clock_domain domain) noexcept override {
    std::call_once(started_, [this] { timer_thread_ = std::thread([this] { tick(); }); });
    return wheels_[static_cast<std::size_t>(domain)];
  }

  std::unique_ptr<executor> make_executor(executor_options options) override {
    if (options.kind == executor_kind::work_stealing)
      return std::make_unique<work_stealing_executor>(std::move(options));
    return std::make_unique<thread_pool>(std::move(options));
  }
  std::unique_ptr<serial_executor> make_serial(std::string name) override {
    return std::make_unique<serial_thread>(std::move(name));
  }

  bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
            time_point deadline) override {
    if (deadline == time_point::max()) return futex_wait(word, value, forever);
    return futex_wait(word, value, deadline - steady_now());
  }

  void wake(const std::atomic<std::uint32_t>& word) noexcept override { futex_wake(word, INT_MAX); }

  [[nodiscard]] bool is_simulated() const noexcept override { return false; }

 private:
  void tick() noexcept {
    name_this_thread("odeon-timers");
    while (!stop_.load()) {
      const std::uint32_t seen = word_.load();
      time_point due = time_point::max();
      for (auto& w : wheels_) due = std::min(due, w.next_due());
      const time_point at = steady_now();
      if (due > at) futex_wait(word_, seen, due == time_point::max() ? forever : due - at);
      for (auto& w : wheels_) w.advance(steady_now());
    }
  }
  void earlier() noexcept {
    word_.fetch_add(1);
    futex_wake(word_, 1);
  }

  std::atomic<std::uint32_t> word_{0};
  std::atomic<bool> stop_{false};
  std::array<timer_wheel, 2> wheels_{timer_wheel(steady_now(), [this](time_point) { earlier(); }),
                                     timer_wheel(steady_now(), [this](time_point) { earlier(); })};
  std::once_flag started_;
  std::thread timer_thread_;
};

}  // namespace detail

std::uint64_t runtime::random_u64() noexcept {
  std::uint64_t out = 0;
  random(std::as_writable_bytes(std::span(&out, 1)));
  return out;
}

std::unique_ptr<runtime> make_threaded_runtime() {
  return std::make_unique<detail::threaded_runtime>();
}

}  // namespace odeon
