#pragma once

#include "persistence/internal/backend.hpp"
#include "persistence/internal/commit_witness.hpp"
#include "persistence/internal/event_format.hpp"
#include "persistence/internal/landing.hpp"
#include "persistence/internal/owner_lock.hpp"
#include "persistence/internal/sqlite_schema.hpp"

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

/// @file The writing side of the SQLite journal. One batch is one transaction:
///
///  1. Each operation is checked against what the cache and the tables say, and applied; what is
///  refused writes
///     nothing, so no savepoint is needed. Events are encoded into log rows in memory.
///  2. Tails of the landing that are due become segments, the log rows are written, old ones
///  deleted, `state` is moved.
///  3. COMMIT: SQLite syncs its write-ahead log.
///  4. Only then the landing and the cache learn of it, and readers with them.
///
/// When the store refuses anything, the transaction is rolled back and the cache is emptied. A
/// batch that did not fit on the disk is tried again one operation at a time, so that a large one
/// does not take the small ones with it.

namespace odeon::detail {

inline constexpr std::uint32_t actors_max = 0xffff'ffff;
[[nodiscard]] error too_many_ids(const std::string& path);

class sqlite_writer final : public write_backend {
 public:
  [[nodiscard]] static result<std::unique_ptr<sqlite_writer>> open(
      const sqlite_journal_options& options, std::unique_ptr<sqlite_db> db, owner_lock owner,
      std::shared_ptr<landing> fresh);

  ~sqlite_writer() override {
    if (prepared_) witness_.forget();
  }

  tally commit(std::span<write_op> batch, wall_time now) override;
  void tend() override;

  /// Moves all that the landing holds into segments and empties the log, in one transaction.
  [[nodiscard]] result<void> fold();
  [[nodiscard]] sqlite_db& db() noexcept { return *db_; }

 private:
  struct statements {
    sqlite_statement begin, commit, rollback;
    sqlite_statement insert_actor, set_epoch, set_stored;
    sqlite_statement insert_log, trim_log, insert_segment, set_state;
    sqlite_statement insert_tagged, insert_outbox, delete_outbox, set_timer, cancel_timer;
    sqlite_statement timer_now, cancel_timer_due, set_timer_due;
    sqlite_statement save_snapshot, delete_snapshots, retain_snapshots, set_revision;
    sqlite_statement set_mark, delete_mark;
  };
  struct writer_state {
    std::uint32_t actor = 0;
    std::uint32_t id_crc = 0;
    std::uint64_t epoch = 0;
    std::uint64_t sequence = 0;  // the last one, with what the present batch has added
    bool keeps_states = false;   // then `sequence` is a revision
  };
  struct log_row {
    std::vector<std::byte> records;
    std::vector<directory_entry> directory;
  };

  sqlite_writer(const sqlite_journal_options& options, std::unique_ptr<sqlite_db> db,
                owner_lock owner, std::shared_ptr<landing> fresh)
      : options_(options),
        owner_(std::move(owner)),
        db_(std::move(db)),
        landing_(std::move(fresh)),
        witness_(options.path) {}
  result<void> prepare();

  [[nodiscard]] int checkpoint_step() const noexcept;
  void checkpoint();

  result<void> transact(std::span<write_op> batch, wall_time now);
  result<void> write_batch(std::span<write_op> batch, wall_time now);
  result<void> apply(append_call& call, wall_time now);
  result<void> apply(open_call& call, wall_time now);
  result<void> apply(save_call& call, wall_time now);
  result<void> apply(delete_call& call, wall_time now);
  result<void> apply(acknowledge_call& call, wall_time now);
  result<void> apply(change_call& call, wall_time now);
  result<void> write_event(writer_state& who, const event_record& event, wall_time now);
  result<void> write_outbox(const writer_state& who, const outbox_message& message);
  result<void> write_timers(const writer_state& who, const append_request& request);
  result<void> write_marks(const writer_state& who, const append_request& request);
  result<bool> write_revision(writer_state& who);
  result<void> write_state(const writer_state& who, const state_record& state, wall_time now);
  result<void> retain(const writer_state& who, std::uint32_t keep);
  result<void> check_timers(const std::vector<timer_change>& changes);
  result<bool> change_timer(const timer_change& change);
  result<void> set_timer(const writer_state& who, const timer_record& timer);
  result<void> store_tails(const landing::plan& plan);
  result<void> fold_now(const landing::plan& plan);
  result<void> write_log(std::size_t& rows);
  result<void> finish_state(std::size_t new_log_rows);
  void publish(const landing::plan& plan);
  [[nodiscard]] std::size_t staged_bytes() const noexcept;

  /// Null: nothing is known of the id. Damaged entries are errors of the operation, not of the
  /// batch.
  result<writer_state*> find(const std::string& persistence_id);
  result<writer_state*> writer_of(const std::string& persistence_id, std::uint64_t epoch);

  /// Makes an unknown id known. Null: there are as many as there can be.
  result<writer_state*> add(const std::string& persistence_id, std::uint64_t epoch);

  const sqlite_journal_options options_;
  owner_lock owner_;
  std::unique_ptr<sqlite_db> db_;
  std::shared_ptr<landing> landing_;
  commit_witness witness_;
  statements sql_;
  actor_finder finder_;
  std::unordered_map<std::string, writer_state> cache_;
  store_state committed_;
  store_state state_;  // with what the present batch has added
  std::uint64_t log_safe_below_ = 0;

  std::vector<log_row> staged_;  // the present batch's events; rows are reused
  std::size_t staged_rows_ = 0;
  std::vector<std::byte> directory_;
  std::vector<landing::addition> additions_;

  bool prepared_ = false;
  std::uint32_t wal_frames_ = 0;  // after the last commit; 0: there was none
  int wal_pages_ = 0;             // as of the last commit
  int checkpoint_at_ = 0;         // pages
};

}  // namespace odeon::detail
