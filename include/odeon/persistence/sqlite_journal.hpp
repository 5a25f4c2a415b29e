#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/journal_options.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file The default journal: one SQLite file in WAL mode, fsync before every acknowledgement.
/// `docs/reference/journal-format.md` describes the file.

namespace odeon {

struct sqlite_journal_options : journal_options {
  std::string
      path;  ///< of the file; its folder must exist. Beside it stand `-wal`, `-shm` and `-owner`
  bool read_only = false;  ///< see `open_sqlite_journal`
  bool create = true;  ///< make the file when it is not there; otherwise that is `errc::not_found`
  unsigned readers = 2;  ///< connections, each with a thread of its own, that serve reads; 1 to 64
  duration busy_timeout =
      std::chrono::seconds(5);  ///< how long to wait for another program's lock on the file
  std::size_t landing_bytes =
      32u << 20;  ///< newest events kept in memory, not yet sorted by id; see the format
  std::size_t segment_bytes =
      64u << 10;  ///< an id's newest events are sorted in when they reach this size
  std::size_t checkpoint_bytes =
      16u << 20;  ///< the write-ahead log is folded into the file at this size
  std::size_t cache_bytes = 32u << 20;  ///< SQLite's page cache, of each connection
  std::uint64_t max_file_bytes =
      0;  ///< beyond it appends fail with `errc::store_full`; 0: what the disk has
};

/// Opens the file, or creates it. One process may have it open: a second one is refused.
///
/// With `read_only` it shows one moment of the file, that of the opening, also while another
/// process has it open and writes; the file is not changed, and need not be of the present version.
/// Writing calls fail with `invalid_argument`. As long as it is open, the writer's write-ahead log
/// cannot begin anew: use it for tools, not for days. There is one reading connection then.
///
/// Blocks the calling thread: reads up to about three times `landing_bytes`. `rt` must outlive the
/// journal.
///
/// Errors, each naming the file: `not_found` (the folder, or the file when `create` is off),
/// `bad_encoding` (not an SQLite database), `wrong_type` (a database of another program),
/// `newer_version` (written by a newer Odeon), `corrupt_record` (what every recovery needs is
/// damaged), `io_failed` (not writable, in use by another process, or what the operating system
/// says), `invalid_argument` (an option outside its range).
[[nodiscard]] result<std::unique_ptr<journal>> open_sqlite_journal(runtime& rt,
                                                                   sqlite_journal_options options);

/// What `compact_sqlite_journal` did; sizes are of the file with its write-ahead log, in bytes.
struct journal_compaction {
  std::uint64_t bytes_before = 0;
  std::uint64_t bytes_after = 0;
};

/// Makes a journal's file as small as it can be: sorts the newest events in, empties the log, and
/// rebuilds the file without its free pages (SQLite's VACUUM). Needs room for another copy of it.
/// All stays as it was, should it fail in the middle. Blocks the calling thread for as long as it
/// takes to read the file twice and write it once; `progress` as in `journal_verify_options`,
/// during the check that comes first.
///
/// Errors as `open_sqlite_journal` – above all another process that has it open – and
/// `corrupt_record`: the file is damaged, and is left alone.
[[nodiscard]] result<journal_compaction> compact_sqlite_journal(
    const std::string& path, std::function<void(std::uint64_t, std::uint64_t)> progress = {});

/// A place in the file that is not as it was written.
struct journal_damage {
  std::string place;           ///< "segments(actor 7, first 1), byte 1234"
  std::string persistence_id;  ///< empty: cannot be told
  std::uint64_t sequence = 0;  ///< of the first event that cannot be recovered; 0: not an event
  std::string reason;
};

/// What a walk over a whole journal found.
struct journal_report {
  std::uint64_t actors = 0;
  std::uint64_t events = 0;     ///< good ones, like all that follow
  std::uint64_t snapshots = 0;  ///< and states
  std::uint64_t timers = 0;
  std::uint64_t outbox = 0;
  std::uint64_t marks = 0;
  std::vector<journal_damage> damages;  ///< at most `journal_verify_options::max_damages`
  bool more_damages = false;            ///< there were more

  [[nodiscard]] bool good() const noexcept { return damages.empty(); }
};

struct journal_verify_options {
  std::size_t max_damages = 1000;
  /// Called now and then with how many of how many stored rows have been checked. May be empty.
  std::function<void(std::uint64_t done, std::uint64_t all)> progress;
};

/// Reads everything in the file and checks it: SQLite's own structure, each checksum, each sequence
/// for holes, each tag against its event, the newest state of each id that keeps states. Changes
/// nothing. May run while a journal has the file open; it then sees one moment of it. Blocks the
/// calling thread; memory: some dozens of bytes for each persistence id, and the largest single
/// row.
///
/// Errors as `open_sqlite_journal`; damage inside is no error but in the report.
[[nodiscard]] result<journal_report> verify_sqlite_journal(const std::string& path,
                                                           journal_verify_options options = {});

}  // namespace odeon
