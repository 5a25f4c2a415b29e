#pragma once

#include "protocol.hpp"
#include <odeon/wire/bytes.hpp>

#include <cstdint>
#include <deque>
#include <optional>
#include <span>

/// @file Control records: each arrives exactly once and in order, over any number of connections of
/// one association. The state of both ends outlives connections and is thrown away with the
/// association.
///
/// Records are numbered from 1. A record larger than `control_part_max` goes in parts, which have
/// numbers of their own. The receiver takes number n+1 after n, drops what it has already, and
/// tells the greatest number that it has; the sender keeps records until then, and begins anew
/// after the last acknowledged one on each new connection.

namespace odeon::remote::detail {

/// What one side sends. Belongs to the association, is used by the write half of one session at a
/// time. Not threadsafe.
class control_outbox {
 public:
  /// `records`: how many parts may wait for their acknowledgement.
  explicit control_outbox(std::size_t records) noexcept : bound_(records) {}

  /// Keeps a record until it is acknowledged. `limit_exceeded`: it is larger than
  /// `control_bytes_max`, or too many wait: the association is to be given up then. Nothing of a
  /// refused record is kept.
  [[nodiscard]] result<void> add(wire::bytes record);

  /// Not acknowledged yet.
  [[nodiscard]] std::size_t records() const noexcept { return kept_.size(); }
  [[nodiscard]] std::size_t bytes() const noexcept { return bytes_; }
  [[nodiscard]] std::uint64_t acknowledged() const noexcept { return first_ - 1; }

  // --- For the session ---------------------------------------------------------------------------

  struct part {
    std::uint64_t number;
    bool last;  ///< of its record
    std::span<const std::byte> bytes;
  };
  /// On a new connection: what is not acknowledged is to be sent from its beginning.
  void rewind() noexcept { next_ = 0, flying_ = 0; }
  /// The next part that was not sent on this connection, if there is one and `control_window`
  /// allows it; it counts as sent then. The view lives until `acknowledge`.
  [[nodiscard]] std::optional<part> next() noexcept;
  [[nodiscard]] bool ready() const noexcept;
  /// The peer has everything up to `number`. `protocol_violation`: that was never sent, or it had
  /// acknowledged more before.
  [[nodiscard]] result<void> acknowledge(std::uint64_t number);

 private:
  struct kept {
    wire::bytes bytes;
    bool last;
  };
  std::size_t bound_;
  std::deque<kept> kept_;
  std::uint64_t first_ = 1;  // number of the first kept
  std::size_t next_ = 0;     // index of the next to send on this connection
  std::size_t sent_ = 0;     // how many of those kept were ever sent
  std::size_t bytes_ = 0;
  std::size_t flying_ = 0;  // bytes sent on this connection and not acknowledged
};

/// What one side has received. Belongs to the association, is used by the read half of one session
/// at a time. Not threadsafe.
class control_inbox {
 public:
  [[nodiscard]] std::uint64_t received() const noexcept { return received_; }

  /// The record that is complete with this part; valid until the next call. Nothing: more parts
  /// follow, or it was there before. `protocol_violation`: a number is left out;
  /// `limit_exceeded`: a record larger than `control_bytes_max`.
  [[nodiscard]] result<std::optional<std::span<const std::byte>>> take(
      std::uint64_t number, bool last, std::span<const std::byte> part);

 private:
  std::uint64_t received_ = 0;
  wire::bytes parts_;
  wire::bytes whole_;
};

}  // namespace odeon::remote::detail
