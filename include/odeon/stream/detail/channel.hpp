#pragma once

#include <odeon/base/assert.hpp>
#include <odeon/stream/island.hpp>

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <new>
#include <utility>

/// @file The channel between two islands: a bounded ring, one writer, one reader.
///
/// Protocol. `tail_` counts what the writer has published, `head_` what the reader has released;
/// both only grow, and tail − head ≤ capacity always: the writer's demand. Each side works on a
/// copy of its own counter and tells the other in batches, and when it is about to wait.
///
/// Waiting. A side that can not go on says so in its flag (`reader_waits_`, `writer_waits_`) and
/// then looks at the other's counter once more; the other side moves its counter and then looks at
/// the flag. Flag and counter are both sequentially consistent there, so at least one of the two
/// sees the other: a wake-up is never lost. Who takes the flag down wakes, once. A writer is woken
/// when half of the ring is free, not for each place.
///
/// End. `closed_` is set after the last element was published, so a reader that sees it and then an
/// empty ring has had all. A failure comes after the elements before it. Cancelling sets
/// `cancelled_` and wakes the writer whether it waits or not; its waker is known from its first
/// step on (`writer_known_`), and a writer that begins later sees the flag first.
///
/// The wakers are written by their own side before it first raises its flag, and read by the other
/// after it saw that flag.

namespace odeon::stream::detail {

template <class T>
class channel {
 public:
  explicit channel(std::size_t capacity)
      : capacity_(capacity == 0 ? 1 : capacity),
        release_batch_(capacity_ / 4 == 0 ? 1 : capacity_ / 4),
        slots_(
            static_cast<T*>(::operator new(capacity_ * sizeof(T), std::align_val_t(alignof(T))))) {}
  channel(const channel&) = delete;
  ~channel() {
    for (; read_ != written_; ++read_) std::destroy_at(slots_ + read_ % capacity_);
    ::operator delete(slots_, std::align_val_t(alignof(T)));
  }

  // -- writer -------------------------------------------------------------------------------------

  /// Before everything else, once or more.
  void enter_writer(const waker_ptr& w) {
    if (writer_) return;
    writer_ = w;
    writer_known_.store(true);
  }
  [[nodiscard]] bool is_cancelled() const noexcept {
    return cancelled_.load(std::memory_order_acquire);
  }
  [[nodiscard]] bool has_room() noexcept {
    if (written_ - seen_head_ < capacity_) return true;
    seen_head_ = head_.load(std::memory_order_acquire);
    return written_ - seen_head_ < capacity_;
  }
  /// With room only. Published by `publish`, and from time to time.
  void put(T&& value) {
    std::construct_at(slots_ + write_at_, std::move(value));
    if (++write_at_ == capacity_) write_at_ = 0;
    ++written_;
    if (written_ - published_ >= publish_batch) publish();
  }
  /// Elements so far.
  [[nodiscard]] std::size_t written() const noexcept { return written_; }
  void publish() noexcept {
    if (published_ == written_) return;
    published_ = written_;
    tail_.store(written_);
    wake_reader();
  }
  /// True: the writer is to be woken when there is room. False: there is some, or it is cancelled.
  [[nodiscard]] bool wait_for_room() noexcept {
    publish();
    writer_waits_.store(true);
    seen_head_ = head_.load();
    if (written_ - seen_head_ < capacity_ || cancelled_.load()) {
      writer_waits_.store(false, std::memory_order_relaxed);
      return false;
    }
    return true;
  }
  /// The end, or, with an exception, the failure. Once; later calls are nothing.
  void close(std::exception_ptr why = nullptr) noexcept {
    if (closed_.load(std::memory_order_relaxed)) return;
    publish();
    why_ = std::move(why);
    closed_.store(true);
    wake_reader();
  }

  // -- reader -------------------------------------------------------------------------------------

  polled<T> next(island& in) {
    if (read_ == seen_tail_ && !look(in)) {
      if (!over_) return pending;
      if (why_) std::rethrow_exception(why_);
      return ended;
    }
    if (!in.spend()) return pending;
    T& slot = slots_[read_at_];
    polled<T> out(std::move(slot));
    std::destroy_at(&slot);
    if (++read_at_ == capacity_) read_at_ = 0;
    ++read_;
    if (read_ - released_ >= release_batch_) release();
    return out;
  }
  void cancel() noexcept {
    cancelled_.store(true);
    if (writer_known_.load()) writer_->wake();
  }

 private:
  static constexpr std::size_t publish_batch = 32;

  void wake_reader() noexcept {
    if (reader_waits_.load() && reader_waits_.exchange(false)) reader_->wake();
  }
  void release() noexcept {
    released_ = read_;
    head_.store(read_);
    if (writer_waits_.load() && tail_.load(std::memory_order_relaxed) - read_ <= capacity_ / 2 &&
        writer_waits_.exchange(false))
      writer_->wake();
  }
  /// Whether there is an element. Else it is over, or the reader will be woken.
  bool look(island& in) noexcept {
    seen_tail_ = tail_.load(std::memory_order_acquire);
    if (read_ != seen_tail_) return true;
    release();
    if (!reader_) reader_ = in.get_waker();
    reader_waits_.store(true);
    const bool closed = closed_.load();
    seen_tail_ = tail_.load();
    if (read_ != seen_tail_) return true;
    over_ = closed;
    return false;
  }

  const std::size_t capacity_;
  const std::size_t release_batch_;
  T* const slots_;
  // The writer's.
  alignas(64) std::size_t written_ = 0;
  std::size_t write_at_ = 0;
  std::size_t published_ = 0;
  std::size_t seen_head_ = 0;
  waker_ptr writer_;
  std::exception_ptr why_;  // the reader's once it is closed
  // The reader's.
  alignas(64) std::size_t read_ = 0;
  std::size_t read_at_ = 0;
  std::size_t released_ = 0;
  std::size_t seen_tail_ = 0;
  bool over_ = false;
  waker_ptr reader_;
  // Both sides'.
  alignas(64) std::atomic<std::size_t> tail_{0};
  std::atomic<bool> reader_waits_{false};
  std::atomic<bool> closed_{false};
  alignas(64) std::atomic<std::size_t> head_{0};
  std::atomic<bool> writer_waits_{false};
  std::atomic<bool> writer_known_{false};
  std::atomic<bool> cancelled_{false};
};

/// The reading end as a stage. Destroyed before the end, it cancels.
template <class T>
class channel_reader {
 public:
  using value_type = T;
  explicit channel_reader(std::shared_ptr<channel<T>> c) noexcept : channel_(std::move(c)) {}
  channel_reader(channel_reader&&) noexcept = default;
  channel_reader& operator=(channel_reader&& o) noexcept {
    std::swap(channel_, o.channel_);
    return *this;
  }
  ~channel_reader() {
    if (channel_) channel_->cancel();
  }
  polled<T> next(island& in) { return channel_->next(in); }
  void drive(island&) noexcept {}

 private:
  std::shared_ptr<channel<T>> channel_;
};

/// The writing end of a stage that owns it: closed with an error when it is let go before its end.
template <class T>
class channel_writer {
 public:
  explicit channel_writer(std::shared_ptr<channel<T>> c) noexcept : channel_(std::move(c)) {}
  channel_writer(channel_writer&&) noexcept = default;
  channel_writer& operator=(channel_writer&& o) noexcept {
    std::swap(channel_, o.channel_);
    return *this;
  }
  ~channel_writer() {
    if (channel_)
      channel_->close(exception_of(
          error(errc::actor_stopped, "the part of the stream before this one was stopped")));
  }
  channel<T>* operator->() const noexcept { return channel_.get(); }
  channel<T>& operator*() const noexcept { return *channel_; }

 private:
  std::shared_ptr<channel<T>> channel_;
};

/// An island that writes all it gets into a channel.
template <class Up>
class channel_body final : public island_body {
  using T = typename Up::value_type;

 public:
  channel_body(Up up, std::shared_ptr<channel<T>> out) : up_(std::move(up)), out_(std::move(out)) {}

  bool step(island& in) override {
    out_->enter_writer(in.get_waker());
    for (;;) {
      if (out_->is_cancelled()) return true;
      if (!out_->has_room()) {
        if (out_->wait_for_room()) return false;
        continue;
      }
      auto p = up_.next(in);
      if (p) {
        out_->put(std::move(*p));
        continue;
      }
      if (p.has_ended()) {
        out_->close();
        return true;
      }
      out_->publish();
      return false;
    }
  }
  void drive(island& in) override { up_.drive(in); }
  void fail(const std::exception_ptr& why) noexcept override { out_->close(why); }

 private:
  Up up_;
  channel_writer<T> out_;
};

}  // namespace odeon::stream::detail
