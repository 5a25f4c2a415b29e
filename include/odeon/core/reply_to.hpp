#pragma once

#include <odeon/core/detail/ask.hpp>

#include <utility>

namespace odeon {

/// The right to answer one request, later and from anywhere: taken by a handler `void on(M,
/// reply_to<R>)`. Move-only. Destroyed unanswered, it fails the ask with `errc::no_reply`. For a
/// request that was told and not asked it takes the answer and drops it. @threadsafe in the sense
/// that it may be used on any one thread.
template <class R>
class reply_to {
 public:
  reply_to() noexcept = default;
  reply_to(reply_to&& o) noexcept : state_(std::exchange(o.state_, nullptr)) {}
  reply_to& operator=(reply_to&& o) noexcept {
    if (this != &o) {
      drop();
      state_ = std::exchange(o.state_, nullptr);
    }
    return *this;
  }
  ~reply_to() { drop(); }

  /// Answers. False: nobody waits (told, timed out, or answered before). Constructs the reply in
  /// place.
  template <class... As>
  bool operator()(As&&... as) {
    if (!state_) return false;
    // May throw: then it is unanswered.
    const bool taken = detail::fulfil<R>(*state_, std::forward<As>(as)...);
    std::exchange(state_, nullptr)->drop_ref();
    return taken;
  }
  /// Fails the ask, and not the actor.
  bool fail(error e) noexcept {
    auto* s = std::exchange(state_, nullptr);
    if (!s) return false;
    const bool taken = s->fail(std::move(e));
    s->drop_ref();
    return taken;
  }
  /// Whether someone still waits.
  [[nodiscard]] bool is_open() const noexcept { return state_ && state_->is_open(); }

  /// For the runtime: takes over a reference.
  explicit reply_to(detail::ask_state_base* s) noexcept : state_(s) {}

 private:
  void drop() noexcept {
    if (auto* s = std::exchange(state_, nullptr)) detail::abandon_reply(*s);
  }
  detail::ask_state_base* state_ = nullptr;
};

}  // namespace odeon
