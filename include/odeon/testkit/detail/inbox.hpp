#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/core/actor_ref.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

/// @file What a probe's actor received and its test has not taken yet. Filled on the actor's turns,
/// emptied by the test's thread.

namespace odeon::testkit::detail {

/// One received message, erased.
struct received {
  const odeon::detail::message_type* type = nullptr;
  std::shared_ptr<void> message;  // of that type; never null
  std::shared_ptr<void> reply;    // a reply_to or replies_to; null for what is no request
  any_ref sender;
};

/// @threadsafe
class inbox {
 public:
  explicit inbox(runtime& rt) noexcept : rt_(&rt) {}

  template <class M>
  void add(M&& message, any_ref sender, std::shared_ptr<void> reply = nullptr) {
    using type = std::remove_cvref_t<M>;
    add({&odeon::detail::message_type_of<type>, std::make_shared<type>(std::forward<M>(message)),
         std::move(reply), std::move(sender)});
  }
  void add(received item);
  /// The oldest, or nothing.
  [[nodiscard]] std::optional<received> take();
  [[nodiscard]] std::size_t size() const;
  void clear();

  /// Moves with each arrival: read it, look into the inbox, then wait for it to change.
  [[nodiscard]] const std::atomic<std::uint32_t>& arrivals() const noexcept { return arrivals_; }

 private:
  runtime* rt_;
  mutable odeon::detail::spin_lock lock_;
  std::deque<received> items_;
  std::atomic<std::uint32_t> arrivals_{0};
};

}  // namespace odeon::testkit::detail
