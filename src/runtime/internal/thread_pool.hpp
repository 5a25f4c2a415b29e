#pragma once

#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <list>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

namespace odeon::detail {

/// Executors for code that may block: `pinned` (exactly one thread, from the start) and `blocking`
/// (a thread for each waiting runnable, up to a bound; idle ones end). One lock, one condition; its
/// cost does not matter beside what blocking code does.
class thread_pool final : public executor {
 public:
  explicit thread_pool(executor_options options);
  ~thread_pool() override;

  void submit(runnable& work) noexcept override;
  [[nodiscard]] bool is_current() const noexcept override;
  [[nodiscard]] bool may_block() const noexcept override { return true; }

 private:
  void start_thread();
  void loop(std::list<std::thread>::iterator handle);

  const executor_options options_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::condition_variable ended_;
  runnable* head_ = nullptr;
  runnable* tail_ = nullptr;
  std::size_t waiting_ = 0;
  unsigned threads_ = 0;
  unsigned idle_ = 0;
  std::uint64_t started_ = 0;
  bool stop_ = false;
  std::list<std::thread> handles_;  // of those that run
  std::thread last_;                // ended, and not joined yet
};

/// One thread, functions in order.
class serial_thread final : public serial_executor {
 public:
  explicit serial_thread(std::string name);
  ~serial_thread() override;
  void post(std::move_only_function<void()> job) override;

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::move_only_function<void()>> jobs_;
  bool stop_ = false;
  std::atomic<std::uint32_t> posted_{0};  // moves under the lock; looked at without it
  std::thread thread_;
};

}  // namespace odeon::detail
