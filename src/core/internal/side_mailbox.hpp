#pragma once

#include "extension.hpp"
#include <odeon/base/detail/spin.hpp>
#include <odeon/base/error.hpp>
#include <odeon/core/mailbox.hpp>
#include <odeon/task/future.hpp>

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <vector>

namespace odeon::detail {

/// The mailbox of an actor that asked for a bound or for priorities: a queue under a short lock,
/// beside the wait-free one, which then carries no messages. Whoever puts one in raises the actor's
/// control bit.
class side_mailbox {
 public:
  explicit side_mailbox(mailbox_options o) noexcept : options_(o) {}
  ~side_mailbox();

  enum class outcome : std::uint8_t { taken, dropped_oldest, dropped_newest, refused, must_wait };

  /// `dropped` is what gave way, if anything did: the envelope itself, or the oldest.
  outcome push(envelope& e, envelope*& dropped);
  [[nodiscard]] envelope* pop(cell& c) noexcept;
  [[nodiscard]] std::size_t size() const noexcept;
  /// How many wait before the message of that ask; nothing when it does not wait here.
  [[nodiscard]] std::optional<std::size_t> before(const ask_state_base& ask) const noexcept;
  [[nodiscard]] const mailbox_options& options() const noexcept { return options_; }

  /// Waits for room: the word changes when some was made.
  [[nodiscard]] std::atomic<std::uint32_t>& room_word() noexcept { return room_; }
  /// Puts it in now, or when there is room; `done` is fulfilled then.
  void push_when_room(envelope& e, cell& c, promise<void> done);
  /// The actor has ended: all that wait are told.
  void close(cell& c) noexcept;

 private:
  void insert(envelope& e);
  [[nodiscard]] bool full() const noexcept {
    return options_.capacity > 0 && size_ >= options_.capacity;
  }

  struct waiting {
    envelope* e;
    promise<void> done;
  };
  const mailbox_options options_;
  mutable spin_lock lock_;
  // One queue a priority, the most urgent first; a bounded mailbox has the one of priority 0.
  std::map<int, std::deque<envelope*>, std::greater<>> queues_;
  std::size_t size_ = 0;
  std::deque<waiting> waiting_;
  std::atomic<std::uint32_t> room_{0};
};

}  // namespace odeon::detail
