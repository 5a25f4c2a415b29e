#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/runtime/detail/worker.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace odeon::detail {

class work_stealing_executor;

/// One thread and its queue. See the protocol in work_stealing.cpp.
struct alignas(128) worker final : worker_front {
  static constexpr std::uint32_t capacity = 256;

  worker(executor& home, bool light) noexcept : worker_front(home), light(light) {}
  [[nodiscard]] work_stealing_executor& owner() const noexcept;

  const bool light;          // the rescuer has membarrier: see "The slot and the rescuer"
  std::uint32_t streak = 0;  // how often in a row `next` was taken before the ring
  std::uint32_t tick = 0;    // turns, for the periodic look at the injector
  std::uint64_t chance = 1;  // where to start stealing

  /// Counts the runnables taken; a rescuer that sees the same value twice knows that this worker is
  /// held up.
  std::atomic<std::uint64_t> turns{0};
  std::atomic<bool> taking{false};  // its owner is emptying `next` with plain loads and stores
  std::atomic<bool> rescue{false};  // the rescuer may be emptying it
  std::atomic<bool> busy{true};     // false only while it looks for work: see idle()

  alignas(128) std::atomic<std::uint32_t> head{0};  // taken by CAS: by the owner and by thieves
  alignas(128) std::atomic<std::uint32_t> tail{0};  // moved by the owner alone
  std::atomic<runnable*> ring[capacity];

  void push(runnable* r) noexcept;
  runnable* pop() noexcept;
  runnable* steal_from(worker& victim, std::uint32_t at_least) noexcept;
  runnable* take_next() noexcept;
  runnable* rescue_next() noexcept;
};

class work_stealing_executor final : public executor {
 public:
  explicit work_stealing_executor(executor_options options);
  ~work_stealing_executor() override;

  void submit(runnable& work) noexcept override;
  void submit_last(runnable& work) noexcept override;
  [[nodiscard]] bool is_current() const noexcept override;
  [[nodiscard]] bool may_block() const noexcept override { return false; }

  void inject(runnable* first, runnable* last, std::int64_t count) noexcept;
  void notify() noexcept;

 private:
  void loop(worker& w) noexcept;
  void watch() noexcept;
  runnable* idle(worker& w) noexcept;
  [[nodiscard]] bool anything_queued() const noexcept;
  runnable* find(worker& w, std::uint32_t at_least) noexcept;
  runnable* take_injected(worker& w) noexcept;

  void (*const on_idle_)() noexcept;
  std::vector<std::unique_ptr<worker>> workers_;
  std::vector<std::thread> threads_;
  std::thread rescuer_;

  alignas(128) std::atomic<std::uint32_t> epoch_{
      0};  // futex word: moves when someone should look again
  std::atomic<bool> stop_{false};
  alignas(128) std::atomic<std::uint32_t> parked_{0};
  alignas(128) std::atomic<std::uint32_t> searching_{0};
  // Futex word: 0 asleep, 1 watching, 2 to end. Watching at first: nobody is parked yet, and only
  // who was parked wakes it.
  std::atomic<std::uint32_t> rescuer_word_{1};
  alignas(128) spin_lock inject_lock_;
  runnable* inject_head_ = nullptr;
  runnable* inject_tail_ = nullptr;
  std::atomic<std::int64_t> injected_{0};
};

}  // namespace odeon::detail
