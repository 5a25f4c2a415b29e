#pragma once

#include "chunks.hpp"
#include "frame.hpp"
#include "handshake.hpp"
#include "items.hpp"
#include "names.hpp"
#include "send_queue.hpp"
#include "session.hpp"

#include <atomic>
#include <utility>

/// @file The two halves of a session, for its own sources.
///
/// Protocol. The halves know nothing of each other: each is used by one thread at a time, without a
/// lock. They are made with the session and opened when the handshake is done. Two things are
/// shared, both atomic: `state`, which the read half changes (open, closed) and both read; nothing
/// is published by it, since the handshake runs before there is a second thread, and the owner's
/// lock hands `feedback` over. And `told`, the credit that the write half has put into frames: the
/// peer may use that up and no more.

namespace odeon::remote::detail {

/// Items of the control lane.
enum class control_item : std::uint8_t {
  record = 1,       ///< varint number | varint size | bytes
  part = 2,         ///< the same; more of that record follows
  acknowledge = 3,  ///< varint number
  ping = 4,         ///< u64, which comes back
  pong = 5,         ///< u64
  credit = 6,       ///< u8 lane | varint bytes
  goodbye = 7,      ///< u8 reason | varint size | text
};

[[nodiscard]] constexpr std::size_t index_of(lane l) noexcept {
  return static_cast<std::size_t>(l);
}
using per_lane = std::array<std::uint64_t, lane_count>;

struct session::shared {
  explicit shared(session_options o) : acquaintance(std::move(o)) {}

  handshake acquaintance;
  std::atomic<session_state> state{session_state::handshake};
  std::array<std::atomic<std::uint64_t>, lane_count> told{};  // since the read half looked
};

struct session::read_half {
  explicit read_half(shared& s) noexcept : all(s) {}

  static constexpr std::size_t room_least = std::size_t{4} << 10U;
  static constexpr std::size_t room_usual = std::size_t{256} << 10U;

  shared& all;
  // Bytes that have come and were not used yet stand at the beginning of `room`.
  std::unique_ptr<std::byte[]> room = std::make_unique_for_overwrite<std::byte[]>(room_least);
  std::size_t capacity = room_least;
  std::size_t filled = 0;
  unsigned small_reads = 0;
  half_counters counters;
  packer pack;
  control_inbox* inbox = nullptr;
  struct open_state {
    frame_reader frames;
    name_reader names;
    chunk_receiver chunks;
    std::size_t credit;     // of one lane, when nothing of it is used
    per_lane allowed = {};  // bytes that may still come
    per_lane used = {};     // and those to be granted anew
  };
  std::optional<open_state> open;

  void resize(std::size_t size);
  /// After a read of `count` bytes, which has filled the room or not.
  void fit(std::size_t count, bool full);
  /// The items of a frame whose check was right.
  result<void> frame(const frame_reader::opened& f, time_point now, session_handler& handler,
                     feedback& out);

 private:
  bool charge(lane l, std::size_t bytes, feedback& out) noexcept;
  result<void> ordinary(cursor in, session_handler& handler, feedback& out);
  result<void> large(cursor in, session_handler& handler, feedback& out);
  result<void> control(cursor in, time_point now, session_handler& handler, feedback& out);
  result<void> record(cursor& in, bool last, session_handler& handler, feedback& out);
  result<void> credit(cursor& in, feedback& out);
  result<void> goodbye(cursor& in, session_handler& handler);
};

struct session::write_half final : frame_filler {
  explicit write_half(shared& s) noexcept : all(s) {}

  static constexpr std::size_t fill_payload_max = std::size_t{4} << 10U;  // copied under a lock
  static constexpr std::size_t fill_bytes_max = std::size_t{1} << 20U;    // in frames not written
  static constexpr std::size_t kept_bytes_max = std::size_t{64} << 10U;   // of empty frames

  shared& all;
  half_counters counters;
  packer pack;
  control_outbox* outbox = nullptr;
  struct open_state {
    frame_writer frames;
    name_writer names;
    chunk_sender chunks;
    per_lane credit = {};      // bytes that may still be sent
    std::uint64_t credit_max;  // the peer gives no more at a time
    std::size_t message_bytes;
    std::uint32_t codecs;
    bool compress;
    std::size_t compress_above;
    wire::buffer ordinary = {};             // frames that are not given out yet
    std::optional<std::size_t> begun = {};  // where the last one begins, unless it is closed
    // What the next frame of the control lane says, beside records:
    std::optional<std::uint64_t> acknowledge = {}, pong = {}, ping = {};
    per_lane grant = {};
    std::optional<std::pair<goodbye_reason, std::string>> last = {};
    bool gone = false;  // the goodbye was given out

    [[nodiscard]] bool control_due() const noexcept;
  };
  std::optional<open_state> open;

  [[nodiscard]] bool fill(const user_message& m) noexcept override;
  void close_ordinary();
  /// A small message, for which there is credit.
  void append(const user_message& m);
  // What `take` gives, in this order.
  void control(wire::buffer& out);
  void ordinary(wire::buffer& out);
  void large(wire::buffer& out);
  void farewell(wire::buffer& out);
  /// Messages of frames that were given out, from that byte on, and of those that were not.
  void drain(const_bytes given, std::size_t taken,
             const std::function<void(const user_message&)>& unsent);

 private:
  void read_again(const_bytes frames, std::size_t taken, name_reader names,
                  const std::function<void(const user_message&)>& unsent);
};

}  // namespace odeon::remote::detail
