#pragma once

#include <odeon/base/error.hpp>
#include <odeon/task/task.hpp>

#include <cstdint>
#include <deque>
#include <memory>
#include <utility>

/// @file Where a producer's controller keeps what was not confirmed, so that it may be restarted.

namespace odeon::reliable {

template <class T>
struct queue_state {
  std::uint64_t last = 0;                               ///< the highest number ever appended
  std::uint64_t confirmed = 0;                          ///< all up to here were
  std::deque<std::pair<std::uint64_t, T>> unconfirmed;  ///< ascending
};

/// The seam: one queue for one producer's name. Its tasks are driven by the controller, one at a
/// time. An error of `append` refuses the message; one of `confirm` is logged, and means that the
/// message may be sent again after a restart, where the consumer's side drops it.
template <class T>
class durable_queue {
 public:
  virtual ~durable_queue() = default;
  /// Everything, at the start of a controller. An error is a failure of the controller.
  [[nodiscard]] virtual task<result<queue_state<T>>> load() = 0;
  /// Done: it will be in the next `load`. Numbers come without gaps.
  [[nodiscard]] virtual task<result<void>> append(std::uint64_t number, T message) = 0;
  /// All up to `number` need not be kept.
  [[nodiscard]] virtual task<result<void>> confirm(std::uint64_t number) = 0;
};

/// In memory: survives its controllers, not the process. For one controller at a time.
template <class T>
class memory_queue final : public durable_queue<T> {
 public:
  [[nodiscard]] task<result<queue_state<T>>> load() override { co_return state_; }
  [[nodiscard]] task<result<void>> append(std::uint64_t number, T message) override {
    state_.unconfirmed.emplace_back(number, std::move(message));
    state_.last = number;
    co_return result<void>();
  }
  [[nodiscard]] task<result<void>> confirm(std::uint64_t number) override {
    if (number > state_.confirmed) state_.confirmed = number;
    while (!state_.unconfirmed.empty() && state_.unconfirmed.front().first <= number)
      state_.unconfirmed.pop_front();
    co_return result<void>();
  }

 private:
  queue_state<T> state_;
};

template <class T>
[[nodiscard]] std::shared_ptr<durable_queue<T>> make_memory_queue() {
  return std::make_shared<memory_queue<T>>();
}

}  // namespace odeon::reliable
