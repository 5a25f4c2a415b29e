#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/core/detail/ask.hpp>
#include <odeon/core/detail/dispatch.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <utility>

/// @file Many replies to one ask.
///
///     struct prices { std::string symbol; using replies = double; };
///     task<void> on(prices p, odeon::replies_to<double> out) { … co_await out.send(1.5); … }   //
///     the answering actor auto s = ref.request_stream<prices>("ODN"); // the asking one while
///     (auto price = co_await s.next()) …
///
/// At most `reply_stream_capacity` replies wait for the asker; then `send` waits. The stream ends
/// with `finish`, and fails when the `replies_to` is destroyed without it, or the actor fails or
/// stops. Dropping the `reply_stream` asks the producer to stop.

namespace odeon {

inline constexpr std::size_t reply_stream_capacity = 1024;

namespace detail {

template <class R>
class reply_channel {
 public:
  explicit reply_channel(runtime& rt) noexcept : rt_(rt) {}

  /// False: the consumer is gone or the stream has ended. `room` is set when the producer has to
  /// wait.
  bool offer(R&& given, std::optional<future<void>>* room) {
    std::optional<R> value(std::move(given));
    for (;;) {
      promise<std::optional<R>> taker;
      {
        spin_guard guard(lock_);
        if (gone_ || closed_) return false;
        if (taker_) {
          taker = std::move(taker_);
        } else {
          if (waiting_.size() >= reply_stream_capacity) {
            if (!room) return false;
            auto [p, f] = promise<void>::make(rt_);
            blocked_ = std::move(p);
            room->emplace(std::move(f));
          }
          waiting_.push_back(std::move(*value));
          return true;
        }
      }
      if (taker.offer(value)) return true;  // else it has given up: the value goes to the next one
    }
  }
  void close(std::optional<error> why) noexcept {
    promise<std::optional<R>> taker;
    promise<void> blocked;
    {
      spin_guard guard(lock_);
      if (closed_) return;
      closed_ = true;
      why_ = why;
      taker = std::move(taker_);
      blocked = std::move(blocked_);
    }
    if (taker) why ? taker.fail(*why) : taker.set(std::nullopt);
    if (blocked) blocked.fail(errc::cancelled);
  }
  future<std::optional<R>> next() {
    auto [p, f] = promise<std::optional<R>>::make(rt_);
    promise<void> room;
    {
      spin_guard guard(lock_);
      if (!waiting_.empty()) {
        p.set(std::optional<R>(std::move(waiting_.front())));
        waiting_.pop_front();
        if (waiting_.size() < reply_stream_capacity) room = std::move(blocked_);
      } else if (closed_) {
        why_ ? p.fail(*why_) : p.set(std::nullopt);
      } else {
        taker_ = std::move(p);
      }
    }
    if (room) room.set();
    return std::move(f);
  }
  void consumer_gone() noexcept {
    promise<void> blocked;
    {
      spin_guard guard(lock_);
      gone_ = true;
      blocked = std::move(blocked_);
    }
    if (blocked) blocked.fail(errc::cancelled);
  }
  [[nodiscard]] bool is_gone() noexcept {
    spin_guard guard(lock_);
    return gone_;
  }

 private:
  runtime& rt_;
  spin_lock lock_;
  std::deque<R> waiting_;
  promise<std::optional<R>> taker_;
  promise<void> blocked_;
  std::optional<error> why_;
  bool closed_ = false;
  bool gone_ = false;
};

/// An ask whose failure ends the stream.
template <class R>
class stream_ask_base : public ask_state_base {
 public:
  std::shared_ptr<reply_channel<R>> channel;

 private:
  void failing_with(const error& e) noexcept override { channel->close(e); }
};
template <class R>
using stream_ask = value_state<void, stream_ask_base<R>>;

}  // namespace detail

/// The producing end: taken by a handler `on(M, replies_to<R>)`. Move-only; on one thread at a
/// time. Destroyed without `finish`, it fails the stream with `errc::no_reply`: an end that nobody
/// meant is not taken for a good one.
template <class R>
class replies_to {
 public:
  replies_to() noexcept = default;
  explicit replies_to(detail::stream_ask_base<R>* ask) noexcept : ask_(ask) {}
  replies_to(replies_to&& o) noexcept : ask_(std::exchange(o.ask_, nullptr)) {}
  replies_to& operator=(replies_to&& o) noexcept {
    std::swap(ask_, o.ask_);
    return *this;
  }
  ~replies_to() {
    if (auto* s = std::exchange(ask_, nullptr)) detail::abandon_reply(*s);
  }

  /// `co_await out.send(x)`: gives one reply; suspends while the asker is behind. False: the asker
  /// is gone.
  task<bool> send(R value) {
    if (!ask_) co_return false;
    std::optional<future<void>> room;
    if (!ask_->channel->offer(std::move(value), &room)) co_return false;
    if (room) co_return (co_await std::move(*room).as_result()).has_value();
    co_return true;
  }
  /// Without waiting. False: no room, or the asker is gone.
  bool try_send(R value) { return ask_ && ask_->channel->offer(std::move(value), nullptr); }
  /// Ends the stream.
  void finish() noexcept {
    if (auto* s = std::exchange(ask_, nullptr)) {
      s->channel->close(std::nullopt);
      detail::fulfil<void>(*s);
      s->drop_ref();
    }
  }
  /// Ends it with an error, which the asker's `next` throws.
  void fail(error e) noexcept {
    if (auto* s = std::exchange(ask_, nullptr)) {
      s->fail(std::move(e));
      s->drop_ref();
    }
  }
  /// Whether someone still listens.
  [[nodiscard]] bool is_open() const noexcept { return ask_ && ask_->is_open(); }

 private:
  detail::stream_ask_base<R>* ask_ = nullptr;
};

/// The asking end. Move-only; on one thread at a time.
template <class R>
class reply_stream {
 public:
  reply_stream(reply_stream&&) noexcept = default;
  reply_stream& operator=(reply_stream&& o) noexcept {
    std::swap(channel_, o.channel_);  // the old one's producer is told when `o` goes
    std::swap(ask_, o.ask_);
    return *this;
  }
  ~reply_stream() {
    if (channel_) channel_->consumer_gone();
  }

  /// The next reply; nothing at the end. `next().within(1s)` bounds the wait for it. Throws
  /// `actor_error` when the producer failed or stopped.
  [[nodiscard]] future<std::optional<R>> next() { return channel_->next(); }

  /// For `actor_ref::request_stream`.
  template <class M, class... As>
  static reply_stream open(detail::cell& to, As&&... as) {
    auto* s = new detail::stream_ask<R>();
    s->system = &to.system();
    s->channel = std::make_shared<detail::reply_channel<R>>(*s->home());
    reply_stream out(s->channel);
    detail::send_ask<M>(to, *s, false, std::forward<As>(as)...);
    out.ask_ = future<void>(s);
    return out;
  }

 private:
  explicit reply_stream(std::shared_ptr<detail::reply_channel<R>> c) noexcept
      : channel_(std::move(c)) {}
  std::shared_ptr<detail::reply_channel<R>> channel_;
  future<void> ask_;
};

namespace detail {

template <class M>
struct replies_to_access {
  using type = typename M::replies;
  envelope* e;
  replies_to<type> make() const noexcept {
    return replies_to<type>(static_cast<stream_ask_base<type>*>(take_ask(*e)));
  }
};

}  // namespace detail

}  // namespace odeon
