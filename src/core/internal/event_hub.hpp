#pragma once

#include <odeon/core/event_stream.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace odeon::detail {

class event_hub {
 public:
  std::uint64_t add(const message_type& type, event_subscriber s);
  void remove(std::uint64_t id) noexcept;
  void remove(const any_ref& ref);
  void publish(const message_type& type, const void* event);
  [[nodiscard]] bool wanted(const message_type& type) const noexcept {
    return wanted_.load(std::memory_order_relaxed) & bit(type);
  }

 private:
  struct entry {
    std::uint64_t id;
    event_subscriber what;
  };
  static std::uint64_t bit(const message_type& type) noexcept {
    return std::uint64_t{1} << (type.hash % 64);
  }
  template <class F>
  void erase(F matches);

  std::mutex mutex_;
  std::unordered_map<const message_type*, std::shared_ptr<const std::vector<entry>>> lists_;
  std::uint64_t last_id_ = 0;
  std::atomic<std::uint64_t> wanted_{0};
};

}  // namespace odeon::detail
