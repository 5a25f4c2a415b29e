#pragma once

#include <odeon/core/fwd.hpp>

#include <cstddef>
#include <cstdint>

/// @file Which mailbox an actor has. Whatever it is, control messages (stop, kill, watch, the end
/// of an await) have a lane of their own that overtakes it and is never bounded or dropped.

namespace odeon {

/// What a full mailbox does. Every message that is not taken becomes a dead letter `mailbox_full`,
/// and the event `mailbox_overflow` is published; an ask fails with `errc::mailbox_full` at once.
enum class overflow : std::uint8_t {
  drop_newest,  ///< the new message is dropped; `try_tell` counts it as accepted
  drop_oldest,  ///< the message that waits longest is dropped, and the new one taken
  fail,         ///< the new message is refused: `try_tell` says so
  dead_letter,  ///< as `fail`, without the `mailbox_overflow` event: dropping is this actor's
                ///< normal life
  block,  ///< the teller waits: an outside thread in `tell`, a coroutine in `co_await tell_wait`; a
          ///< plain `tell` inside an actor is refused as with `fail`
};

enum class mailbox_kind : std::uint8_t { unbounded, bounded, priority };

struct mailbox_options {
  mailbox_kind kind = mailbox_kind::unbounded;
  std::size_t capacity = 0;  ///< messages; bounded and priority (0: unbounded)
  odeon::overflow overflow = odeon::overflow::fail;
  std::size_t high_water = 10'000;  ///< crossing it is an event and a metric, once per crossing
};

namespace mailbox {

/// The default: one wait-free queue.
[[nodiscard]] inline mailbox_options unbounded(std::size_t high_water = 10'000) noexcept {
  return {.kind = mailbox_kind::unbounded, .high_water = high_water};
}
/// At most `capacity` (≥ 1) messages wait.
[[nodiscard]] inline mailbox_options bounded(std::size_t capacity,
                                             overflow what = overflow::fail) noexcept {
  return {.kind = mailbox_kind::bounded, .capacity = capacity, .overflow = what};
}
/// The highest `tell_options::priority` first; equal ones in the order sent.
[[nodiscard]] inline mailbox_options priority(std::size_t capacity = 0,
                                              overflow what = overflow::fail) noexcept {
  return {.kind = mailbox_kind::priority, .capacity = capacity, .overflow = what};
}
/// Control messages first: what every mailbox of Odeon does; the name is kept for those who look
/// for it.
[[nodiscard]] inline mailbox_options control_aware() noexcept { return unbounded(); }

}  // namespace mailbox

}  // namespace odeon
