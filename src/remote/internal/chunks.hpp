#pragma once

#include "items.hpp"
#include "messages.hpp"
#include "names.hpp"
#include "protocol.hpp"

#include <array>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

/// @file Large messages, in chunks that are sent in turn, so that none holds up another nor the
/// small ones.
///
///     u8 1 begin | varint transfer | varint total | head (its payload is the first chunk) | chunk
///     u8 2 more, or 3 more and packed | varint transfer | varint size | [varint expanded] | chunk
///
/// Chunks are packed one by one. A transfer is over when its total has come, and its number free
/// again. At most `transfers_max` are open, and those of more than one chunk have at most the
/// receiver's `message_bytes` together: so much memory, and no more, a peer can make it hold.

namespace odeon::remote::detail {

/// A bound on one item of the large lane.
inline constexpr std::size_t large_item_max =
    item_head_max + 3 * name_bytes_max + 4 * varint_max + chunk_bytes_max;
static_assert(large_item_max <= credit_bytes_least / 2, "credit is told in quarters");
static_assert(frame_target + large_item_max + 64 <= frame_bytes_least, "one more item always fits");

/// The sender's side of one connection. Order is kept within a pair of actors: its messages form a
/// flow, and flows take turns. Not threadsafe.
class chunk_sender {
 public:
  explicit chunk_sender(std::size_t message_bytes) noexcept : together_(message_bytes) {}

  [[nodiscard]] bool empty() const noexcept { return active_.empty() && waiting_.empty(); }
  [[nodiscard]] std::size_t held_bytes() const noexcept { return held_bytes_; }
  /// Whether a message must not overtake one that is held: the same pair of actors, or the ask that
  /// it cancels.
  [[nodiscard]] bool follows(const user_message& m) const noexcept { return flow_of(m) != nullptr; }
  /// Copies it.
  void add(const user_message& m);

  /// Whether a chunk could be written with so much credit.
  [[nodiscard]] bool ready(std::uint64_t credit) const noexcept {
    return credit >= large_item_max && !empty();
  }
  /// Appends one item. `pack`: null, or what makes chunks of at least `pack_above` bytes smaller.
  /// Gives whether a message is complete with it. Needs `ready`.
  bool write(wire::buffer& out, name_writer& names, packer* pack, std::size_t pack_above);

  /// What was written is sent.
  void sent() noexcept { written_.clear(); }
  /// What is not wholly sent, and forgets it. `given`: the frames of what was written since `sent`;
  /// `taken`: how many of their bytes were sent.
  void drain(std::span<const std::byte> given, std::size_t taken, std::size_t check_size,
             const std::function<void(const user_message&)>& unsent);

 private:
  struct held {
    explicit held(const user_message& m);
    std::string texts;
    wire::bytes payload;
    user_message message;  // its views are of the two above
    std::size_t sent = 0;
    bool begun = false;
    [[nodiscard]] std::size_t size() const noexcept { return texts.size() + payload.size(); }
    /// What the receiver must keep until it is complete.
    [[nodiscard]] std::size_t gathered() const noexcept {
      return payload.size() > chunk_bytes_max ? payload.size() : 0;
    }
  };
  struct flow {
    explicit flow(const user_message& first);
    std::string texts;
    actor_name to, from;   // whose flow it is; the texts are above
    bool ordered = false;  // not when it only answers an ask
    std::deque<std::unique_ptr<held>> queue;
    unsigned transfer = 0;
  };
  using flow_ptr = std::unique_ptr<flow>;
  struct written {
    std::unique_ptr<held> what;
    std::size_t end;  // of its last chunk, in the frames
  };

  [[nodiscard]] flow* flow_of(const user_message& m) const noexcept;
  void activate();

  std::size_t together_;
  std::deque<flow_ptr> active_;   // in turn; at most transfers_max
  std::deque<flow_ptr> waiting_;  // for a transfer, or for room at the receiver
  std::array<bool, transfers_max> used_{};
  std::size_t gathered_ = 0;
  std::size_t held_bytes_ = 0;
  std::vector<written> written_;  // wholly, since `sent`: not counted as held any more
};

/// The receiver's side of one connection. Not threadsafe.
class chunk_receiver {
 public:
  explicit chunk_receiver(std::size_t message_bytes) noexcept : bound_(message_bytes) {}

  /// Reads one item. True: `into` is a whole message, whose views live until `settle` and the next
  /// call. `protocol_violation`: malformed, of a transfer that is not open, beyond its total or
  /// beyond a bound.
  [[nodiscard]] result<bool> read(cursor& in, user_message& into, name_reader& names, packer& pack);
  /// The message that was complete is not needed any more.
  void settle() noexcept { complete_.reset(); }
  /// Bytes of incomplete messages.
  [[nodiscard]] std::size_t held_bytes() const noexcept;

 private:
  struct transfer {
    std::string texts;
    user_message message;
    std::size_t total = 0;
    wire::bytes payload;
  };
  [[nodiscard]] result<std::span<const std::byte>> chunk(cursor& in, const payload_sizes& sizes,
                                                         std::size_t left, packer& pack) const;

  std::size_t bound_;
  std::size_t promised_ = 0;  // totals of the open transfers
  std::array<std::unique_ptr<transfer>, transfers_max> open_;
  std::unique_ptr<transfer> complete_;
};

}  // namespace odeon::remote::detail
