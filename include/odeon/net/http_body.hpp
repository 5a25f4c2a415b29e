#pragma once

#include <odeon/net/http_message.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/task/future.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

/// @file Bodies in pieces, as they travel. A side that does not read stops the other's writes,
/// after what named bounds hold: that is all there is of back-pressure.
///
/// Completion: a `done` is called exactly once, on a thread of the connection, or inside the call
/// when the outcome is known already; it must be short and must not block. The forms without `done`
/// give futures.

namespace odeon {

namespace detail {

class http_source {
 public:
  using done_fn = std::move_only_function<void(result<std::string>)>;
  virtual ~http_source() = default;
  virtual void read(done_fn done) = 0;
  virtual void drop() noexcept = 0;
};

class http_sink {
 public:
  using done_fn = std::move_only_function<void(result<void>)>;
  virtual ~http_sink() = default;
  virtual void write(std::string bytes, done_fn done) = 0;
  virtual void end(done_fn done) = 0;
  virtual void abort() noexcept = 0;
  [[nodiscard]] virtual std::size_t unsent() const noexcept = 0;
};

}  // namespace detail

/// What comes in: the body of a request, for a handler, or of an answer, for a client. Move-only;
/// one read at a time. Letting it go before its end gives the rest up.
class http_reader {
 public:
  using read_done = detail::http_source::done_fn;

  http_reader() noexcept = default;
  /// Made by servers and clients.
  http_reader(runtime& rt, std::shared_ptr<detail::http_source> source) noexcept
      : rt_(&rt),
        source_(std::move(source)) {}
  http_reader(http_reader&&) noexcept = default;
  http_reader& operator=(http_reader&& o) noexcept {
    if (source_ && this != &o) source_->drop();
    rt_ = o.rt_;
    source_ = std::move(o.source_);
    return *this;
  }
  ~http_reader() {
    if (source_) source_->drop();
  }

  /// The next bytes, at least one; none: the body has ended. Errors: `truncated`, the connection
  /// ended in the middle; `limit_exceeded`; `bad_encoding`, a broken chunk; `ask_timeout`, a limit
  /// of time; `cancelled`, this side gave up; `invalid_argument`, a read beside another.
  void read(read_done done) {
    const auto held = source_;  // `done` may let this go
    held->read(std::move(done));
  }
  [[nodiscard]] future<std::string> read();
  /// All that is left, at most `most` bytes: `limit_exceeded` beyond.
  [[nodiscard]] task<std::string> read_all(std::size_t most);

  [[nodiscard]] explicit operator bool() const noexcept { return source_ != nullptr; }

 private:
  runtime* rt_ = nullptr;
  std::shared_ptr<detail::http_source> source_;
};

/// What goes out, in pieces. Move-only. Letting it go before `end` aborts: the other side must not
/// take a part for the whole.
class http_writer {
 public:
  using write_done = detail::http_sink::done_fn;

  http_writer() noexcept = default;
  /// Made by servers and clients.
  http_writer(runtime& rt, std::shared_ptr<detail::http_sink> sink) noexcept
      : rt_(&rt),
        sink_(std::move(sink)) {}
  http_writer(http_writer&&) noexcept = default;
  http_writer& operator=(http_writer&& o) noexcept {
    if (sink_ && this != &o) sink_->abort();
    rt_ = o.rt_;
    sink_ = std::move(o.sink_);
    return *this;
  }
  ~http_writer() {
    if (sink_) sink_->abort();
  }

  /// `done` when the connection took the bytes: who waits for it keeps to the pace of the other
  /// side. Several writes may be on their way, up to the bound on unsent bytes; a write past it
  /// writes nothing and is told `limit_exceeded`. Other errors: `cancelled`, the other side is gone
  /// or this one gave up; `invalid_argument`, after the end or past a stated length. @threadsafe
  void write(std::string bytes, write_done done) {
    const auto held = sink_;  // `done` may let this go
    held->write(std::move(bytes), std::move(done));
  }
  [[nodiscard]] future<void> write(std::string bytes);
  /// One event of a stream of events.
  void send(const server_event& e, write_done done) { write(to_text(e), std::move(done)); }
  [[nodiscard]] future<void> send(const server_event& e) { return write(to_text(e)); }

  /// Nothing more: the body is whole. The writer is over.
  void end(write_done done);
  [[nodiscard]] future<void> end();
  /// Gives up now: the connection ends.
  void abort() noexcept;

  /// Bytes that no connection has taken yet. @threadsafe
  [[nodiscard]] std::size_t unsent() const noexcept { return sink_ ? sink_->unsent() : 0; }
  [[nodiscard]] explicit operator bool() const noexcept { return sink_ != nullptr; }

 private:
  runtime* rt_ = nullptr;
  std::shared_ptr<detail::http_sink> sink_;
};

}  // namespace odeon
