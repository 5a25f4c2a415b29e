#pragma once

#include "messages.hpp"
#include <odeon/base/detail/spin.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <vector>

/// @file What waits to be written on one stream of a peer.
///
/// Protocol. Senders append under a spin lock, each message as one flat record in blocks; the
/// writer takes all blocks at once under the same lock, and walks them without it. Who may be the
/// writer is decided by `busy`, under the lock as well: a sender that finds nobody writing becomes
/// the writer; a writer gives the right back, under the lock, only when nothing has come since it
/// last began to look. So no message stays behind, and at most one thread writes.
///
/// The bound counts bytes from `push` to `pop`: blocks that the writer has taken count too.

namespace odeon::remote::detail {

enum class pushed : std::uint8_t {
  queued,         ///< somebody writes, and will write this as well
  become_writer,  ///< nobody wrote: the caller has the right now
  full,           ///< not taken
  closed,         ///< not taken: see `close`
};

/// A message with memory of its own.
class held_message {
 public:
  explicit held_message(const user_message& m);
  [[nodiscard]] user_message view() const noexcept;  ///< lives as long as this
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<std::byte[]> flat_;
  std::size_t size_;
};

class send_queue {
 public:
  send_queue() noexcept = default;
  send_queue(const send_queue&) = delete;
  send_queue& operator=(const send_queue&) = delete;

  // -- by anyone ----------------------------------------------------------------------------------
  /// Copies the message. A message that alone is larger than `bound` is taken when nothing waits.
  pushed push(const user_message& m, std::size_t bound) noexcept;
  /// Asks for a write of something else than messages: acknowledgements, control records, credit.
  /// True: the caller is the writer now.
  bool nudge() noexcept;
  /// From now on `push` gives `closed` – until `open`.
  void close() noexcept;
  void open() noexcept;
  /// Lets go of memory that is kept for the next message. For a peer that has been quiet.
  void trim() noexcept;

  [[nodiscard]] std::size_t bytes() const noexcept {
    return bytes_.load(std::memory_order_relaxed);  // a figure for people and for bounds
  }
  [[nodiscard]] std::size_t messages() const noexcept {
    return count_.load(std::memory_order_relaxed);  // likewise
  }

  // -- by the writer ------------------------------------------------------------------------------
  /// The oldest message, which stays until `pop`. False: none.
  bool front(user_message& m) noexcept;
  void pop() noexcept;
  /// The writer begins a look at everything there is to write; what comes from here on counts anew.
  void begin() noexcept;
  /// Gives the right to write back, also while messages wait: a writer that waits for credit, or
  /// for a connection, is called again by `nudge` or the next `push`. False: one of these came
  /// since `begin`, and the caller still is the writer.
  bool pause() noexcept;

 private:
  struct block {
    std::unique_ptr<std::byte[]> data;
    std::size_t used = 0, capacity = 0;
  };
  std::byte* room_for(std::size_t bytes);

  odeon::detail::spin_lock lock_;
  // Under the lock.
  std::vector<block> filling_;
  block spare_;
  bool busy_ = false, closed_ = false, wanted_ = false;

  std::atomic<std::size_t> bytes_{0}, count_{0};

  // The writer's.
  std::vector<block> taken_;
  std::size_t at_block_ = 0, at_ = 0, front_size_ = 0;
};

}  // namespace odeon::remote::detail
