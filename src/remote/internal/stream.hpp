#pragma once

#include "link.hpp"
#include "send_queue.hpp"
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file What is written to a peer: a queue, and the connection that takes it at present.
///
/// Protocol. The writer is one thread at a time, as send_queue.hpp says; it owns the write half of
/// the present link's session, but for the times when it has offered the frames to the queue:
/// between two turns, and while what it has gathered is sealed and written, however long the
/// connection takes for that. Then senders encode into them under the queue's lock. It offers none
/// that has a goodbye to say, or when it lets a link go. Others give it orders – another link, a
/// heartbeat, a goodbye, to throw away what waits – under a lock, and nudge the queue; who takes
/// its link away also revokes the frames, so that what is sent after that is not put into a
/// connection that has ended: an ask that came after `on_down` was told would wait for ever.
///
/// "Batch while busy, never wait when idle": a sender that finds nobody writing writes itself, at
/// once, unless the stream has written within the last `calm`; then a thread of the hub does, and
/// whatever is sent until it runs goes with it. A stream whose connection takes no more bytes waits
/// for it, and keeps the right meanwhile.

namespace odeon::remote::detail {

inline constexpr duration calm = std::chrono::microseconds(20);
inline constexpr std::size_t batch_bytes = std::size_t{256} << 10U;  ///< of messages in one write

class stream final : private runnable {
 public:
  stream(peer_core& of, unsigned index) noexcept;

  send_queue queue;

  // -- by anyone
  // -----------------------------------------------------------------------------------
  /// The caller has become the writer by a message of its own.
  void write_soon() noexcept;
  /// The same with something that is not to wait, and off the senders' threads.
  void write_now() noexcept;

  /// Null: none any more. `carry`: what the one before has not sent goes by the next; else it is
  /// unsent.
  void use(std::shared_ptr<link> l, bool carry = false) noexcept;
  void beat() noexcept;  ///< a heartbeat
  void wake() noexcept;  ///< something of the session is to be written
  /// The last word on that link, when all that can be written is.
  void leave(std::shared_ptr<link> whose, goodbye_reason why, std::string text) noexcept;
  void discard(error why) noexcept;  ///< all messages that wait now are unsent
  /// This stream has no connection: its messages go by that one, from now on.
  void fold(stream& into) noexcept;

 private:
  enum class turn : std::uint8_t { wrote, waits, nothing, broken };
  struct farewell {
    std::shared_ptr<link> whose;
    goodbye_reason why;
    std::string text;
  };
  struct orders {
    bool change = false, carry = false, beat = false;
    stream* fold = nullptr;
    std::shared_ptr<link> next;
    std::optional<error> discard;
    std::optional<farewell> leave;
  };
  static void run_queued(runnable& r) noexcept;
  void run(unsigned turns) noexcept;
  void submit() noexcept;
  void obey(orders& o);
  turn take_turn();
  void add_messages();
  void hand_over() noexcept;
  [[nodiscard]] frame_filler* free_frames() noexcept;
  void offer_frames();
  turn write_out();
  void written(const result<void>& r) noexcept;
  void all_written();
  void let_link_go(const error& why, bool carry = false);
  void drain(link& of, const error& why, bool carry);
  void start_run(unsigned turns) noexcept;
  void report_unsent();
  void end_link();

  peer_core& peer_;
  const unsigned index_;
  odeon::detail::spin_lock lock_;
  orders orders_;  // under the lock

  // The writer's.
  std::shared_ptr<peer_core> keep_;  // while it waits for an executor or a connection
  std::shared_ptr<link> link_;
  stream* fold_ = nullptr;
  bool beat_ = false;
  bool left_ = false;  // the goodbye is in `out`, or written
  std::optional<farewell> leave_;
  std::size_t sent_ = 0;  // bytes of the link's `out`
  time_point last_{};
  std::vector<std::pair<held_message, error>> unsent_;
  std::uint64_t counted_messages_ = 0, counted_controls_ = 0;
};

}  // namespace odeon::remote::detail
