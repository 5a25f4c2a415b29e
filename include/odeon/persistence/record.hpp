#pragma once

#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file What goes into a journal and what comes out of it: events, outbox messages and timers.
///
/// All of these are values. A journal takes bytes and gives the same bytes back; what they mean is
/// told by `manifest` (the name of the type) and `version` (of that type's layout), which it stores
/// beside them and never interprets.
///
/// Sequence numbers count the events of one persistence id: 1, 2, 3, … without a hole. Positions
/// count all events of a journal in the order of their commit: they grow, but may skip.

namespace odeon {

/// An event to be stored.
struct event_record {
  std::string manifest;  ///< at most `journal_options::max_name_bytes`
  std::uint32_t version = 1;
  std::vector<std::byte> payload;  ///< may be empty; at most `journal_options::max_payload_bytes`
  std::vector<std::string>
      tags;  ///< for `journal::by_tag`; at most `max_tags`, repeated ones count once
};

/// An event as a reader sees it during a replay. It points into the journal's buffers: valid only
/// inside the call.
struct event_view {
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;
  std::uint64_t epoch = 0;  ///< of the writer that appended it
  wall_time written;        ///< when its transaction began, by the writer's wall clock
  std::uint32_t version = 1;
  std::string_view manifest;
  std::span<const std::byte> payload;
  std::span<const std::string_view> tags;
};

/// An event with everything owned, as queries return it.
struct stored_event {
  std::string persistence_id;
  std::uint64_t sequence = 0;
  std::uint64_t position = 0;
  std::uint64_t epoch = 0;
  wall_time written;
  event_record event;
};

/// A message that is to be delivered after its append has been committed, at least once:
/// `take_outbox` hands it out until `acknowledge_outbox` removes it.
struct outbox_message {
  std::string id;      ///< for the receiver's deduplication; the journal does not compare it
  std::string target;  ///< whom it is for, in the sender's terms
  std::string manifest;
  std::uint32_t version = 1;
  std::vector<std::byte> payload;
};

/// An outbox message in the store.
struct outbox_entry {
  std::uint64_t position = 0;  ///< names the entry; grows in commit order and is never used twice
  std::string persistence_id;  ///< who sent it
  std::uint64_t sequence = 0;  ///< the sender's last event of the same append
  outbox_message message;
};

/// A timer that survives restarts. `id` is unique for a persistence id: setting it again replaces
/// it.
struct timer_record {
  std::string id;
  wall_time due;
  std::string manifest;
  std::uint32_t version = 1;
  std::vector<std::byte>
      payload;  ///< what to send, and how to repeat: the journal does not interpret it
};

/// A timer in the store.
struct stored_timer {
  std::string persistence_id;
  timer_record timer;
};

/// A place in the order of timers (due time, then persistence id by age, then timer id), for
/// reading on. The default is before all of them.
struct timer_cursor {
  wall_time due = wall_time::min();
  std::string persistence_id;
  std::string timer_id;
};

/// A change of a timer by somebody who is not its id's writer: a service that fires timers, a tool.
struct timer_change {
  std::string persistence_id;  ///< need not exist: setting a timer for a new id makes it known
  std::string timer_id;
  std::optional<wall_time> only_if_due = std::nullopt;  ///< applied only to a timer due just then;
                                                        ///< nothing: whatever there is or is not
  std::optional<timer_record> set = std::nullopt;  ///< replaces the timer; its `id` is `timer_id`.
                                                   ///< Nothing: the timer is removed
};

/// A number that an id keeps under a name, as of its last append: how far it has read a sender, an
/// offset. Changes together with the rest of an append; under a name given twice, the last one
/// stays.
struct mark_record {
  std::string name;         ///< not empty, at most `max_name_bytes`, any bytes but NUL
  std::uint64_t value = 0;  ///< 0 removes it: a mark that is not there reads as 0
};

/// The whole of a state, as an id without events keeps it. Each one stored has the next revision:
/// 1, 2, 3, …, and is read as the snapshot of that sequence number.
struct state_record {
  std::string manifest;
  std::uint32_t version = 1;
  std::vector<std::byte> payload;  ///< at most `journal_options::max_snapshot_bytes`
  std::uint32_t keep = 1;          ///< only this many newest revisions stay; 0: all stay
};

/// What one append stores, all of it or nothing. Everything may be empty: such an append only
/// checks that the writer is still the one, and is acknowledged as durably as any other.
struct append_request {
  std::string persistence_id;  ///< not empty, at most `max_name_bytes`, any bytes but NUL
  std::uint64_t epoch = 0;     ///< from `journal::open_writer`
  std::uint64_t expected_sequence =
      0;  ///< the last sequence number the writer knows; 0 before the first event
  std::vector<event_record> events;                  ///< get `expected_sequence + 1`, `+ 2`, …
  std::optional<state_record> state = std::nullopt;  ///< gets `expected_sequence + 1`; not together
                                                     ///< with events, nor for an id that has some
  std::vector<outbox_message> outbox;
  std::vector<timer_change> change_timers;  ///< of this id alone, each under its own condition.
                                            ///< Done before `cancel_timers`
  std::vector<std::string>
      cancel_timers;  ///< ids; one that is not there is no error. Done before `set_timers`
  std::vector<timer_record> set_timers;
  std::vector<mark_record> marks;
};

/// The append is durable: the store's fsync has returned.
struct append_ack {
  std::uint64_t sequence = 0;  ///< of the last event or revision; `expected_sequence` without one
  std::uint64_t position = 0;  ///< of the last event; 0 when there was none
};

}  // namespace odeon
