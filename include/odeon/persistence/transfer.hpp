#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/key_ring.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

/// @file Whole journals, item by item: for exports, imports, and moving to another store.

namespace odeon {

/// How much was moved.
struct transfer_counts {
  std::uint64_t ids = 0;
  std::uint64_t events = 0;
  std::uint64_t snapshots = 0;  ///< and states
  std::uint64_t timers = 0;
  std::uint64_t marks = 0;
  std::uint64_t outbox = 0;

  friend bool operator==(const transfer_counts&, const transfer_counts&) = default;
};

/// What takes the items of a journal, in this order: for each id `begin_id`, its events from the
/// first on, its snapshots or states from the oldest on, its timers, its marks; then the outbox by
/// position; then `finish`. One thread at a time. After an error nothing but the destructor may be
/// called. Without `finish` nothing is left behind.
class journal_sink {
 public:
  virtual ~journal_sink() = default;
  journal_sink(const journal_sink&) = delete;
  journal_sink& operator=(const journal_sink&) = delete;

  /// The ids are all different. `info.keeps_states` is not together with events.
  virtual result<void> begin_id(const std::string& persistence_id, const id_info& info) = 0;
  /// Of the id begun last, as all that follow up to `mark`. Position, epoch and time are kept.
  virtual result<void> event(const event_view& e) = 0;
  virtual result<void> snapshot(const stored_snapshot& s) = 0;
  virtual result<void> timer(const timer_record& t) = 0;
  virtual result<void> mark(const mark_record& m) = 0;
  /// Its id was begun before.
  virtual result<void> outbox(const outbox_entry& e) = 0;
  /// All of it is durable, and from now on the journal.
  virtual result<void> finish() = 0;

 protected:
  journal_sink() = default;
};

/// Hands everything in `from` to `to`, and calls `to.finish()`. `from` should rest meanwhile: what
/// is written during the copy may be in it or not (an SQLite journal opened with `read_only`
/// rests). Blocks the calling thread. Memory: the largest item, and a page of names.
///
/// A damaged snapshot of events is left out; any other damage ends the copy with `corrupt_record`.
/// `progress` is called now and then with what has been moved; it may be empty.
[[nodiscard]] result<transfer_counts> copy_journal(
    runtime& rt, journal& from, journal_sink& to,
    std::function<void(const transfer_counts&)> progress = {});

/// A new SQLite journal at `path`, which must not exist, or be a journal without any persistence
/// id. It is built beside it (`path` + "-import") and takes its place with `finish`.
///
/// Memory: some dozens of bytes for each id, and a segment. Errors, also of the sink's calls: as
/// `open_sqlite_journal`; `name_taken`: there is something in the journal; `version_conflict`:
/// items that do not follow each other (a hole in an id's events, a newest state that is missing,
/// an id twice); `store_full`.
[[nodiscard]] result<std::unique_ptr<journal_sink>> create_sqlite_journal(const std::string& path);

/// A sink whose payloads are sealed with the newest of `keys` on their way to `to`: see `encrypt`
/// of a journal.
[[nodiscard]] std::unique_ptr<journal_sink> encrypt(runtime& rt, std::unique_ptr<journal_sink> to,
                                                    key_ring keys);

}  // namespace odeon
