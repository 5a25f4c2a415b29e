#pragma once

#include "session.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/remote/events.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

/// @file One connection with its session: the bytes between the two.
///
/// Protocol. Reading is a chain: one read, what it gave, the next read; only that chain uses the
/// session's read half, and until the session is open the whole of it. While the handshake is being
/// written nothing is read. When the session opens, the chain hands the link to its peer, whose
/// stream (stream.hpp) owns the write half from then on. The chain ends once, by `peer_core` being
/// told `link_ended`; everybody else who wants a link to end calls `kill`, which makes the read
/// fail. `dead` is set under the peer's delivery lock and, of a link with records, its control
/// lock: from then on nothing of the link is delivered, and its session touches no control records.
/// The writer of a link without records reads it without a lock, for an early end only: relaxed.

namespace odeon::remote::detail {

class hub_core;
class peer;
class peer_core;
struct association;

/// One timer that calls a function of its owner, which lives until then.
class alarm final : private timer_node {
 public:
  using call = void (*)(std::shared_ptr<void> owner) noexcept;
  alarm() noexcept;
  /// Must not be armed.
  void arm(timer_queue& timers, time_point due, std::shared_ptr<void> owner, call what) noexcept;
  /// True: it will not fire.
  bool disarm(timer_queue& timers) noexcept;

 private:
  static void fired(timer_node& node) noexcept;
  std::shared_ptr<void> owner_;
  call what_ = nullptr;
};

class link final : public std::enable_shared_from_this<link>, private session_handler {
 public:
  /// `to` is who was dialled; null for a connection that came.
  link(std::shared_ptr<hub_core> hub, std::unique_ptr<connection> c, const session_options& o,
       std::shared_ptr<peer_core> to);
  ~link();
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  /// Begins the handshake, which has `limits::handshake`.
  void start();
  /// Ends it now; the first reason is the one that counts. @threadsafe
  void kill(error why) noexcept;

  [[nodiscard]] bool dialled() const noexcept { return dialled_; }
  [[nodiscard]] unsigned stream_index() const noexcept { return stream_; }
  [[nodiscard]] const std::string& address() const noexcept { return connection_->peer_address(); }
  /// When the last byte came.
  [[nodiscard]] time_point heard() const noexcept {
    return time_point(duration(heard_.load(std::memory_order_relaxed)));  // a figure, no more
  }
  /// What the peer said last, if it was a goodbye.
  [[nodiscard]] std::optional<goodbye_reason> said_goodbye() const noexcept { return goodbye_; }

  // -- for the stream that writes ----------------------------------------------------------------
  session talk;
  output out;
  connection& wire() noexcept { return *connection_; }
  /// Takes what the read half has left for the write half.
  [[nodiscard]] feedback take_feedback() noexcept;
  /// The peer has ended an idle connection: what is being written has `limits::goodbye` to come to
  /// its end. Any thread.
  void linger() noexcept;
  /// Nothing is being written any more.
  void rest() noexcept;
  /// The goodbye is written: the peer has `limits::goodbye` to end as well.
  void finish_writing();

  // -- for the peer
  // --------------------------------------------------------------------------------
  std::atomic<bool> dead{false};         ///< see above
  bool deaf = false;                     ///< nothing of it is delivered, though it may say goodbye
  std::shared_ptr<association> records;  ///< set before the stream gets it; only of stream 0
  /// Instead of being opened: the last word, and the end. By the chain.
  void part(goodbye_reason why, error reason);

 private:
  void advance();
  void decide();
  void read_more();
  void on_read(result<std::size_t> n);
  [[nodiscard]] result<void> take_open(std::size_t count);
  bool write_handshake();
  void opened();
  void ended();
  void end_after_writing();
  void arm(duration limit) noexcept;

  void on_message(const user_message& m) noexcept override;
  void on_control(std::span<const std::byte> record) noexcept override;
  void on_goodbye(goodbye_reason why, std::string_view text) noexcept override;

  const std::shared_ptr<hub_core> hub_;
  const std::unique_ptr<connection> connection_;
  const bool dialled_;
  unsigned stream_;
  std::shared_ptr<peer_core> peer_;  // the chain's; set at the latest when it opens

  // The chain's.
  std::shared_ptr<peer> face_;  // until it is open: so that the peer is not forgotten
  bool heard_of_ = false, writing_ = false, open_ = false, leaving_ = false, over_ = false;
  bool in_order_ = false;  // the last read has found the end behind an idle goodbye
  bool counted_handshake_ = false, counted_host_ = false;
  feedback collected_;
  std::uint64_t delivered_messages_ = 0, delivered_controls_ = 0;

  odeon::detail::spin_lock feedback_lock_;
  feedback pending_;  // under the lock

  std::atomic<std::int64_t> heard_{0};
  std::optional<goodbye_reason> goodbye_;  // under the peer's delivery lock

  std::mutex why_mutex_;
  std::optional<error> why_;     // under it
  bool armed_ = false;           // likewise
  bool timed_out_ = false;       // likewise: `why_` is of the alarm
  bool rejected_by_us_ = false;  // the chain's
  alarm alarm_;
};

}  // namespace odeon::remote::detail
