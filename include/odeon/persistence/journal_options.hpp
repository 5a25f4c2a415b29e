#pragma once

#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>

/// @file The bounds of a journal, the same for every back end.

namespace odeon {

/// Each bound is checked when a call is made; what lies beyond it is refused at once with
/// `errc::limit_exceeded`.
struct journal_options {
  // How much shares one transaction and so one fsync.
  std::size_t max_batch_events = 4096;     ///< a batch ends with the append that reaches it
  std::size_t max_batch_bytes = 8u << 20;  ///< likewise
  duration group_wait =
      duration::zero();  ///< how long the first append of an idle journal waits for company

  // What has been accepted and is not yet committed: beyond it, appends are refused, and callers
  // slow down.
  std::size_t max_pending_appends = 200'000;   ///< counts every writing call
  std::size_t max_pending_bytes = 256u << 20;  ///< payloads, names and 64 bytes for each event
  std::size_t max_pending_reads = 200'000;     ///< recoveries and queries that have not ended

  // The sizes of things.
  std::size_t max_payload_bytes = 16u << 20;   ///< of one event, outbox message or timer
  std::size_t max_snapshot_bytes = 64u << 20;  ///< of one snapshot or state
  std::size_t max_append_bytes = 64u << 20;    ///< of one append, all in all but its state
  std::size_t max_append_items =
      100'000;  ///< events, outbox messages, timers and marks of one append; changes of timers
  std::size_t max_name_bytes = 512;  ///< of ids, manifests, targets, tags and marks
  std::size_t max_tags = 32;         ///< of one event

  // The sizes of answers.
  std::size_t max_page_items = 100'000;    ///< what `max` of a query is lowered to
  std::size_t max_page_bytes = 32u << 20;  ///< a page ends with the item that reaches it
};

/// What a journal has done since it was opened, and what it has in hand.
struct journal_stats {
  std::uint64_t commits = 0;         ///< transactions that became durable
  std::uint64_t failed_commits = 0;  ///< transactions that the store refused
  std::uint64_t appends = 0;         ///< acknowledged
  std::uint64_t events = 0;          ///< acknowledged
  std::uint64_t refused = 0;         ///< well-formed writing calls, and reads, that failed
  std::size_t pending_appends = 0;   ///< now
  std::size_t pending_bytes = 0;     ///< now
  std::size_t pending_reads = 0;     ///< now
};

}  // namespace odeon
