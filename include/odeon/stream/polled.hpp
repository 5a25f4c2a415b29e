#pragma once

#include <odeon/stream/fwd.hpp>

#include <optional>
#include <type_traits>
#include <utility>

/// @file What a stage answers when it is asked for its next element.

namespace odeon::stream {

struct pending_t {};
struct ended_t {};

/// Nothing now: whoever answers so has arranged that its island is woken when that may change.
inline constexpr pending_t pending{};
/// Nothing any more: the stream has completed. The stage is not asked again.
inline constexpr ended_t ended{};

/// An element, or `pending`, or `ended`. A failure is none of them: it is thrown.
template <class T>
class polled {
 public:
  using value_type = T;

  polled(pending_t) noexcept {}                    // NOLINT(google-explicit-constructor)
  polled(ended_t) noexcept : ended_(true) {}       // NOLINT(google-explicit-constructor)
  polled(T&& value) : value_(std::move(value)) {}  // NOLINT(google-explicit-constructor)
  polled(const T& value)                           // NOLINT(google-explicit-constructor)
    requires std::is_copy_constructible_v<T>
      : value_(value) {}
  template <class... As>
  explicit polled(std::in_place_t, As&&... as) : value_(std::in_place, std::forward<As>(as)...) {}

  /// Whether it is an element.
  [[nodiscard]] explicit operator bool() const noexcept { return value_.has_value(); }
  [[nodiscard]] bool has_ended() const noexcept { return ended_; }
  [[nodiscard]] T& operator*() noexcept { return *value_; }
  [[nodiscard]] T* operator->() noexcept { return &*value_; }

  /// The same answer for a stage of another element type, when it is no element.
  template <class U>
  [[nodiscard]] polled<U> nothing() const noexcept {
    if (ended_) return ended;
    return pending;
  }

 private:
  std::optional<T> value_;
  bool ended_ = false;
};

}  // namespace odeon::stream
