#pragma once

#include "messages.hpp"
#include <odeon/base/detail/spin.hpp>

#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

/// @file What waits to be written on one stream of a peer.
///
/// Protocol. Senders append under a spin lock. Who may be the writer is decided by `busy`, under
/// the lock as well: a sender that finds nobody writing becomes the writer; a writer gives the
/// right back, under the lock, only when nothing has come since it last began to look. So no
/// message stays behind, and at most one thread writes.
///
/// Where a message goes, by the filler:
///   set    Nothing waits, and the writer has its hands off the frames. The sender encodes its
///          message, under the lock, into the frame that is written next: once.
///   null   The writer is at the frames, there is no connection or no credit, or others wait before
///          it. The message is kept as one flat record in blocks, all of which the writer takes at
///          once, under the lock, and walks without it.
/// The writer sets the filler (`offer`, `pause`) and takes it away before it touches the frames
/// (`begin`); a filler that refuses a message loses its place, since what comes later must not
/// overtake. `revoke` is for others: what is sent from then on does not go to the connection that
/// the writer has, until it has begun anew and so has seen its orders. What stood in the frames of
/// a connection that is let go is read again by the session: it is unsent, or put back here.
///
/// The bound counts bytes from `push` to `pop`: blocks that the writer has taken count too. What
/// came and what went are counted apart, each by one thread at a time – senders under the lock, the
/// writer – so no counter is fought over.

namespace odeon::remote::detail {

enum class pushed : std::uint8_t {
  queued,         ///< somebody writes, and will write this as well
  become_writer,  ///< nobody wrote: the caller has the right now
  full,           ///< not taken
  closed,         ///< not taken: see `close`
};

/// What came of an offer.
enum class offered : std::uint8_t {
  taken,
  behind,   ///< something waits, which would be overtaken
  revoked,  ///< the writer is to look at its orders first
};

/// A message with memory of its own.
class held_message {
 public:
  explicit held_message(const user_message& m);
  [[nodiscard]] user_message view() const noexcept;  ///< lives as long as this
  [[nodiscard]] std::span<const std::byte> flat() const noexcept { return {flat_.get(), size_}; }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }

 private:
  std::unique_ptr<std::byte[]> flat_;
  std::size_t size_;
};

/// Frames that take messages while nobody writes them. Under the lock of the queue it is set for.
class frame_filler {
 public:
  /// False: not this one, nothing has changed.
  [[nodiscard]] virtual bool fill(const user_message& m) noexcept = 0;

 protected:
  ~frame_filler() = default;
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
  /// From now on nothing is put into the frames that the writer had when it last began.
  void revoke() noexcept;
  /// From now on `push` gives `closed` – until `open`.
  void close() noexcept;
  void open() noexcept;
  /// Lets go of memory that is kept for the next message. For a peer that has been quiet.
  void trim() noexcept;

  [[nodiscard]] std::size_t bytes() const noexcept { return came_.less(went_).bytes; }
  [[nodiscard]] std::size_t messages() const noexcept { return came_.less(went_).messages; }

  // -- by the writer ------------------------------------------------------------------------------
  /// The oldest message, which stays until `pop`. False: none.
  bool front(user_message& m) noexcept;
  void pop() noexcept;
  /// Messages that were popped, or counted so, before all that waits; the bound is not looked at.
  void put_back(const std::vector<held_message>& all);
  /// The writer begins a look at everything there is to write; what comes from here on counts anew.
  /// The frames are its own again: what was put into them counts as popped.
  void begin() noexcept;
  /// Messages may go into the frames, if nothing waits here and nobody has revoked that. The little
  /// that has come since the writer looked goes there first; its senders' lock is held meanwhile.
  offered offer(frame_filler& frames) noexcept;
  /// And no more: the frames are the writer's own.
  void withdraw() noexcept;
  /// Gives the right to write back, also while messages wait: a writer that waits for credit, or
  /// for a connection, is called again by `nudge` or the next `push`. False: one of these came
  /// since `begin`, and the caller still is the writer. `frames`: as `offer`; null: none.
  bool pause(frame_filler* frames = nullptr) noexcept;

 private:
  struct block {
    std::unique_ptr<std::byte[]> data;
    std::size_t used = 0, capacity = 0;
  };
  struct sums {
    std::size_t bytes = 0, messages = 0;
  };
  /// Sums that one thread at a time adds to, and any may read.
  class counter {
   public:
    void add(sums more) noexcept {
      add(bytes_, more.bytes);
      add(messages_, more.messages);
    }
    /// What is here and not there, where everything comes here first.
    [[nodiscard]] sums less(const counter& there) const noexcept {
      // There is read first, and acquired: what has come is then not less than what went.
      const std::size_t bytes = there.bytes_.load(std::memory_order_acquire);
      const std::size_t messages = there.messages_.load(std::memory_order_acquire);
      return {bytes_.load(std::memory_order_relaxed) - bytes,
              messages_.load(std::memory_order_relaxed) - messages};
    }

   private:
    static void add(std::atomic<std::size_t>& to, std::size_t n) noexcept {
      // Relaxed: nobody else writes. Release: what came is seen by who sees it gone.
      to.store(to.load(std::memory_order_relaxed) + n, std::memory_order_release);
    }
    std::atomic<std::size_t> bytes_{0}, messages_{0};
  };
  std::byte* room_for(std::size_t bytes);
  void hand_over(frame_filler& frames) noexcept;
  void set_filler(frame_filler& frames) noexcept;

  odeon::detail::spin_lock lock_;
  // Under the lock.
  std::vector<block> filling_;
  block spare_;
  bool busy_ = false, closed_ = false, wanted_ = false, revoked_ = false;
  frame_filler* filler_ = nullptr;
  sums filled_;  // put into the frames since `begin`

  counter came_;  // likewise

  // The writer's.
  alignas(64) counter went_;
  std::vector<block> taken_;
  std::size_t at_block_ = 0, at_ = 0, front_size_ = 0;
};

}  // namespace odeon::remote::detail
