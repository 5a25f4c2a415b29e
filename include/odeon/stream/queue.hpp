#pragma once

#include <odeon/base/detail/spin.hpp>
#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/sink/basic.hpp>
#include <odeon/task/future.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

/// @file Queues between a stream and the rest of the program.
///
///     auto [in, sum] = (source::queue<int>(16) | to(sink::fold(0, std::plus{}))).run(system);
///     co_await in.offer(1);              // waits for room
///     in.complete();
///
///     auto out = (numbers | to(sink::queue(4))).run(system);
///     while (auto n = co_await out.pull()) …

namespace odeon::stream {

/// What became of an offered element.
enum class offer_result : std::uint8_t {
  enqueued,
  dropped,  ///< by the queue's rule: this one, or others for it
  full,     ///< no room, and no place to wait for it
  closed,   ///< the stream has ended, or the queue was completed
};

inline constexpr std::size_t queue_waiters_max = 10'000;  ///< offers that may wait at a queue

namespace detail {

/// Many producers, one reading island.
template <class T>
class intake {
 public:
  intake(runtime& rt, std::size_t capacity, on_full what)
      : rt_(rt),
        capacity_(capacity == 0 ? 1 : capacity),
        what_(what) {}

  /// False: no room; `value` is still there.
  std::optional<offer_result> try_offer(T& value) {
    waker_ptr w;
    offer_result out = offer_result::enqueued;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) return offer_result::closed;
      if (waiting_.size() >= capacity_) {
        switch (what_) {
          case on_full::wait: return std::nullopt;
          case on_full::drop_newest: return offer_result::dropped;
          case on_full::drop_oldest: waiting_.pop_front(); break;
          case on_full::drop_all: waiting_.clear(); break;
          case on_full::fail:
            closed_ = true;
            why_ = exception_of(
                error(errc::limit_exceeded,
                      "source::queue: full with " + std::to_string(capacity_) + " elements"));
            out = offer_result::closed;
            break;
        }
        if (out == offer_result::enqueued) out = offer_result::dropped;
      }
      if (out != offer_result::closed) waiting_.push_back(std::move(value));
      w = reader_;
    }
    if (w) w->wake();
    return out;
  }
  future<offer_result> offer(T value) {
    auto [p, f] = promise<offer_result>::make(rt_);
    if (auto done = try_offer(value)) {
      p.set(*done);
      return std::move(f);
    }
    std::optional<offer_result> now;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) {
        now = offer_result::closed;
      } else if (waiting_.size() < capacity_) {
        waiting_.push_back(std::move(value));  // there is room again, and the reader is awake
        now = offer_result::enqueued;
      } else if (blocked_.size() == queue_waiters_max) {
        now = offer_result::full;
      } else {
        blocked_.push_back({std::move(value), std::move(p)});
      }
    }
    if (now) {
      p.set(*now);
      wake();
    }
    return std::move(f);
  }
  void close(std::exception_ptr why) noexcept {
    std::deque<blocked> blocked_ones;
    {
      odeon::detail::spin_guard guard(lock_);
      if (closed_) return;
      closed_ = true;
      why_ = std::move(why);
      blocked_ones.swap(blocked_);
    }
    for (auto& b : blocked_ones) b.done.set(offer_result::closed);
    wake();
  }
  [[nodiscard]] bool is_closed() noexcept {
    odeon::detail::spin_guard guard(lock_);
    return closed_;
  }

  // -- reader -------------------------------------------------------------------------------------

  polled<T> next(island& in) {
    promise<offer_result> let_in;
    std::optional<T> out;
    std::exception_ptr why;
    bool over = false;
    {
      odeon::detail::spin_guard guard(lock_);
      if (!reader_) reader_ = in.get_waker();
      if (!waiting_.empty()) {
        out.emplace(std::move(waiting_.front()));
        waiting_.pop_front();
        if (!blocked_.empty()) {
          waiting_.push_back(std::move(blocked_.front().value));
          let_in = std::move(blocked_.front().done);
          blocked_.pop_front();
        }
      } else if (closed_) {
        over = true;
        why = why_;
      }
    }
    if (let_in) let_in.set(offer_result::enqueued);
    if (out) return polled<T>(std::move(*out));
    if (why) std::rethrow_exception(why);
    if (over) return ended;
    return pending;
  }
  /// The stream does not read any more.
  void cancel() noexcept {
    std::deque<T> dropped;
    close(nullptr);
    odeon::detail::spin_guard guard(lock_);
    dropped.swap(waiting_);
  }

 private:
  struct blocked {
    T value;
    promise<offer_result> done;
  };
  void wake() noexcept {
    waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      w = reader_;
    }
    if (w) w->wake();
  }
  runtime& rt_;
  const std::size_t capacity_;
  const on_full what_;
  odeon::detail::spin_lock lock_;
  std::deque<T> waiting_;
  std::deque<blocked> blocked_;
  waker_ptr reader_;
  bool closed_ = false;
  std::exception_ptr why_;
};

template <class T>
class intake_stage {
 public:
  using value_type = T;
  explicit intake_stage(std::shared_ptr<intake<T>> i) noexcept : intake_(std::move(i)) {}
  intake_stage(intake_stage&&) noexcept = default;
  ~intake_stage() {
    if (intake_) intake_->cancel();
  }
  polled<T> next(island& in) {
    if (!in.spend()) return pending;
    return intake_->next(in);
  }
  void drive(island&) noexcept {}

 private:
  std::shared_ptr<intake<T>> intake_;
};

}  // namespace detail

/// The producing end of `source::queue`. Copies are the same queue; when the last one goes without
/// `complete`, the stream fails with `errc::no_reply`: an end that nobody meant is not taken for a
/// good one. @threadsafe
template <class T>
class source_queue {
 public:
  explicit source_queue(std::shared_ptr<detail::intake<T>> i)
      : shared_(std::make_shared<ending>(std::move(i))) {}

  /// Gives an element; with `on_full::wait` the future comes when there is room. Elements of one
  /// caller come in the order offered.
  [[nodiscard]] future<offer_result> offer(T value) const {
    return shared_->queue->offer(std::move(value));
  }
  /// Without waiting.
  offer_result try_offer(T value) const {
    return shared_->queue->try_offer(value).value_or(offer_result::full);
  }
  /// No more elements; those that wait are still given.
  void complete() const noexcept { shared_->queue->close(nullptr); }
  /// The stream fails, after the elements that wait.
  void fail(error why) const { shared_->queue->close(exception_of(std::move(why))); }
  /// Whether it was completed, or the stream has ended.
  [[nodiscard]] bool is_closed() const noexcept { return shared_->queue->is_closed(); }

 private:
  struct ending {
    explicit ending(std::shared_ptr<detail::intake<T>> q) noexcept : queue(std::move(q)) {}
    ending(const ending&) = delete;
    ~ending() {
      if (!queue->is_closed())
        queue->close(exception_of(
            error(errc::no_reply, "source::queue: let go of without complete() or fail()")));
    }
    std::shared_ptr<detail::intake<T>> queue;
  };
  std::shared_ptr<ending> shared_;
};

namespace detail {

template <class T>
struct queue_source {
  using stream_source = void;
  using built_type = built<intake_stage<T>, source_queue<T>>;
  std::size_t capacity;
  on_full what;
  built_type build(materializer& m) && {
    auto shared = std::make_shared<intake<T>>(m.get_runtime(), capacity, what);
    return {intake_stage<T>(shared), std::tuple<source_queue<T>>(source_queue<T>(shared))};
  }
};

/// One writing island, one who pulls.
template <class T>
class outlet {
 public:
  outlet(runtime& rt, std::size_t capacity) : rt_(rt), capacity_(capacity == 0 ? 1 : capacity) {}

  future<std::optional<T>> pull() {
    auto [p, f] = promise<std::optional<T>>::make(rt_);
    promise<std::optional<T>> before;
    waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      before = std::move(taker_);
      if (!waiting_.empty()) {
        p.set(std::optional<T>(std::move(waiting_.front())));
        waiting_.pop_front();
        w = writer_;
      } else if (over_) {
        why_ ? p.fail(*why_) : p.set(std::nullopt);
      } else {
        taker_ = std::move(p);
        w = writer_;
      }
    }
    if (before)
      before.fail(error(errc::invalid_argument, "sink::queue: another pull came meanwhile"));
    if (w) w->wake();
    return std::move(f);
  }
  void cancel() noexcept {
    waker_ptr w;
    {
      odeon::detail::spin_guard guard(lock_);
      cancelled_ = true;
      w = writer_;
    }
    if (w) w->wake();
  }

  // -- writer -------------------------------------------------------------------------------------

  enum class demand : std::uint8_t { none, some, cancelled };
  demand enter(island& in) {
    odeon::detail::spin_guard guard(lock_);
    if (!writer_) writer_ = in.get_waker();
    if (cancelled_) return demand::cancelled;
    return waiting_.size() < capacity_ ? demand::some : demand::none;
  }
  void put(T&& given) {
    std::optional<T> value(std::move(given));
    promise<std::optional<T>> taker;
    {
      odeon::detail::spin_guard guard(lock_);
      if (!taker_) {
        waiting_.push_back(std::move(*value));
        return;
      }
      taker = std::move(taker_);
    }
    if (taker.offer(value)) return;
    odeon::detail::spin_guard guard(lock_);  // the pull was given up
    waiting_.push_front(std::move(*value));
  }
  void close(std::optional<error> why) noexcept {
    promise<std::optional<T>> taker;
    {
      odeon::detail::spin_guard guard(lock_);
      if (over_) return;
      over_ = true;
      why_ = std::move(why);
      taker = std::move(taker_);
    }
    if (taker) why_ ? taker.fail(*why_) : taker.set(std::nullopt);
  }

 private:
  runtime& rt_;
  const std::size_t capacity_;
  odeon::detail::spin_lock lock_;
  std::deque<T> waiting_;
  promise<std::optional<T>> taker_;
  waker_ptr writer_;
  bool over_ = false;
  bool cancelled_ = false;
  std::optional<error> why_;
};

template <class Up>
class outlet_body final : public island_body {
  using T = typename Up::value_type;

 public:
  outlet_body(Up up, std::shared_ptr<outlet<T>> out) : up_(std::move(up)), out_(std::move(out)) {}
  ~outlet_body() override {
    out_->close(error(errc::actor_stopped, "the stream behind sink::queue was stopped"));
  }
  bool step(island& in) override {
    for (;;) {
      switch (out_->enter(in)) {
        case outlet<T>::demand::cancelled: return true;
        case outlet<T>::demand::none: return false;
        case outlet<T>::demand::some: break;
      }
      auto p = up_.next(in);
      if (p) {
        out_->put(std::move(*p));
      } else {
        if (p.has_ended()) out_->close(std::nullopt);
        return p.has_ended();
      }
    }
  }
  void drive(island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override { out_->close(error_of(why)); }

 private:
  Up up_;
  std::shared_ptr<outlet<T>> out_;
};

}  // namespace detail

/// The consuming end of `sink::queue`. Move-only; letting go of it cancels the stream.
template <class T>
class sink_queue {
 public:
  explicit sink_queue(std::shared_ptr<detail::outlet<T>> o) noexcept : out_(std::move(o)) {}
  sink_queue(sink_queue&&) noexcept = default;
  sink_queue& operator=(sink_queue&& o) noexcept {
    std::swap(out_, o.out_);
    return *this;
  }
  ~sink_queue() { cancel(); }

  /// The next element; nothing at the end. Throws, when awaited, what the stream failed with. One
  /// pull at a time: another fails the one that waits, with `errc::invalid_argument`; one that was
  /// given up takes no element with it.
  [[nodiscard]] future<std::optional<T>> pull() { return out_->pull(); }
  void cancel() noexcept {
    if (out_) out_->cancel();
  }

 private:
  std::shared_ptr<detail::outlet<T>> out_;
};

namespace detail {

struct queue_sink {
  using stream_sink = void;
  std::size_t capacity;
  template <class Up, class... Mats>
  auto attach(materializer& m, built<Up, Mats...> b) && {
    using T = typename Up::value_type;
    auto out = std::make_shared<outlet<T>>(m.get_runtime(), capacity);
    m.add(std::make_unique<outlet_body<Up>>(std::move(b.stage), out));
    return std::tuple_cat(std::move(b.mats), std::tuple<sink_queue<T>>(sink_queue<T>(out)));
  }
};

}  // namespace detail

namespace source {

/// Elements offered from outside, from any thread; at most `capacity` wait. `source_queue<T>`
template <class T>
[[nodiscard]] auto queue(std::size_t capacity, on_full what = on_full::wait) {
  return detail::queue_source<T>{capacity, what};
}

}  // namespace source

namespace sink {

/// Elements to be pulled from outside; up to `capacity` are got ready. `sink_queue<T>`
[[nodiscard]] inline auto queue(std::size_t capacity = 1) { return detail::queue_sink{capacity}; }

}  // namespace sink

}  // namespace odeon::stream
