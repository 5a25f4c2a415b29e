#pragma once

#include <odeon/core/actor.hpp>
#include <odeon/core/request_stream.hpp>
#include <odeon/testkit/detail/inbox.hpp>

#include <exception>
#include <functional>

/// @file The actor behind a probe.

namespace odeon::testkit::detail {

/// Calls `what` on the probe's turn; its exception goes back to the test.
struct perform {
  using reply = std::exception_ptr;
  std::function<void(context&)> what;
};

/// Keeps the messages of one type.
template <class Self, class M>
struct collects {
  void on(M m, context& c) { static_cast<Self*>(this)->keep(std::move(m), c.sender()); }
};
template <class Self, request M>
struct collects<Self, M> {
  void on(M m, reply_to<reply_t<M>> r, context& c) {
    any_ref from = c.sender();
    static_cast<Self*>(this)->keep(std::move(m), std::move(from),
                                   std::make_shared<reply_to<reply_t<M>>>(std::move(r)));
  }
};
template <class Self, stream_request M>
struct collects<Self, M> {
  using replies = replies_to<typename M::replies>;
  void on(M m, replies r, context& c) {
    any_ref from = c.sender();
    static_cast<Self*>(this)->keep(std::move(m), std::move(from),
                                   std::make_shared<replies>(std::move(r)));
  }
};

template <class... Ms>
class probe_actor final : public actor<Ms..., perform>, public collects<probe_actor<Ms...>, Ms>... {
 public:
  explicit probe_actor(std::shared_ptr<inbox> in) : inbox_(std::move(in)) {}

  using collects<probe_actor, Ms>::on...;
  std::exception_ptr on(perform p, context& c) {
    try {
      p.what(c);
    } catch (...) {
      return std::current_exception();
    }
    return nullptr;
  }
  void on(terminated t) { inbox_->add(std::move(t), any_ref()); }
  void on(exit_signal s) { inbox_->add(std::move(s), any_ref()); }

  template <class M>
  void keep(M&& m, any_ref sender, std::shared_ptr<void> reply = nullptr) {
    inbox_->add(std::forward<M>(m), std::move(sender), std::move(reply));
  }

 private:
  std::shared_ptr<inbox> inbox_;
};

}  // namespace odeon::testkit::detail
