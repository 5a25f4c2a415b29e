#pragma once

#include <odeon/base/fwd.hpp>
#include <odeon/core/fwd.hpp>
#include <odeon/task/detail/ambient.hpp>

#include <atomic>
#include <cstdint>

/// @file What a thread knows while it runs an actor, and what it keeps between turns.

namespace odeon::detail {

struct message_type;

/// One handled message, as the ring keeps it. Every field is an atomic because readers look while
/// it is written.
struct hop_record {
  std::atomic<std::uint64_t> id;     // of this hop; unique in the process
  std::atomic<std::uint64_t> cause;  // the hop that sent the message; 0: from outside
  std::atomic<std::uint64_t> trace;  // the chain
  std::atomic<std::uint64_t> actor;  // its uid
  std::atomic<const message_type*> type;
  std::atomic<std::int64_t> time;  // of the user clock, to within some turns
};

/// The last hops of one thread. Written by that thread alone.
struct hop_ring {
  static constexpr std::uint64_t capacity = 512;
  std::atomic<std::uint64_t> written{0};
  std::atomic<cell*> running{nullptr};  // whose handler runs now
  std::atomic<std::uint32_t> running_gen{0};
  system_anchor* system = nullptr;
  hop_ring* next = nullptr;  // of the system's list
  hop_record hops[capacity];
};

struct thread_state {
  std::uint64_t next_id = 0;               // high bits: the thread; 0: not yet given
  hop_ring* ring = nullptr;                // of the system whose actors ran here last …
  const system_anchor* ring_of = nullptr;  // … which may be gone, and the ring with it
  std::uint32_t turns = 0;
  std::int64_t coarse_now = 0;
  std::uint32_t asks = 0;  // asks whose timeout is not yet armed
  ask_state_base* open_asks[64] = {};
};

extern constinit thread_local thread_state this_thread_state;

/// Gives the thread its number.
void number_this_thread() noexcept;

/// Unique in the process, never 0.
inline std::uint64_t next_id() noexcept {
  auto& s = this_thread_state;
  if (s.next_id == 0) [[unlikely]]
    number_this_thread();
  return s.next_id++;
}

/// An actor's turn on this thread.
struct turn final : ambient {
  explicit turn(cell& c) noexcept : self(&c) {}

  cell* self;
  envelope* current = nullptr;  // the message in hand
  ask_state_base* call =
      nullptr;  // its ask, or that of the coroutine being resumed: the call chain
  std::uint64_t hop = 0;
  std::uint64_t trace = 0;
  ask_state_base* orphan = nullptr;  // let go by a `reply_to` while an exception was on its way
  struct execution* first_step = nullptr;  // the coroutine handler that runs up to its first await
  const error* failing = nullptr;          // of the coroutine that is being destroyed
  bool closed = false;                     // the user lane is not to be taken from
  bool ended = false;                      // the cell is gone
  bool spent = false;  // the executor wants its thread back: the turn ends after this message

  [[nodiscard]] bool may_block() const noexcept override;
  void branch(task<void> work) override;
  [[nodiscard]] const char* describe() const noexcept override;
};

/// The turn of the calling thread, or null. Only turns are ambients.
inline turn* this_turn() noexcept { return static_cast<turn*>(this_ambient); }

}  // namespace odeon::detail
