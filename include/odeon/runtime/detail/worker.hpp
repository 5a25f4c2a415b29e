#pragma once

#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <cstdint>

/// @file What the hot path of `core` needs to see of a work-stealing worker without a call.

namespace odeon::detail {

/// The visible front of a worker. Only its own thread writes the plain members.
struct worker_front {
  explicit worker_front(executor& owner) noexcept : home(&owner) {}

  executor* const home;
  /// The runnable that this worker runs next, before its ring: the receiver of the message just
  /// sent, whose data is in this core's cache. Emptied by its worker, and by a rescuer when its
  /// worker is held up.
  std::atomic<runnable*> next{nullptr};
  std::uint32_t sent_since_next = 0;
};

/// The calling thread's worker, null on other threads.
extern constinit thread_local worker_front* this_worker;

/// `home.submit(work)`, without the call when this thread is a worker of `home` with nothing in
/// `next`.
inline void submit_near(executor& home, runnable& work) noexcept {
  worker_front* w = this_worker;
  if (w && w->home == &home && !w->next.load(std::memory_order_relaxed)) [[likely]] {
    // Release: a rescuer that takes it sees what was written before.
    w->next.store(&work, std::memory_order_release);
    w->sent_since_next = 0;
  } else {
    home.submit(work);
  }
}

/// Moves what waits in `next` to the ring, where others may take it.
void worker_publish_next(worker_front& w) noexcept;

/// A handler that keeps sending must not keep its neighbour waiting: called once a message that
/// needed no scheduling.
inline void note_send() noexcept {
  constexpr std::uint32_t patience = 16;
  worker_front* w = this_worker;
  if (w && w->next.load(std::memory_order_relaxed) && ++w->sent_since_next >= patience) [[unlikely]]
    worker_publish_next(*w);
}

}  // namespace odeon::detail
