#include "persistence/internal/sqlite_writer.hpp"

#include <algorithm>

/// @file The end of a transaction of the SQLite journal, and what comes after it.

namespace odeon::detail {

namespace {

constexpr std::size_t trimmed_rows_min =
    32;  // log rows deleted by each transaction, when there are

}  // namespace

std::size_t sqlite_writer::staged_bytes() const noexcept {
  std::size_t sum = 0;
  for (std::size_t k = 0; k < staged_rows_; ++k) sum += staged_[k].records.size();
  return sum;
}

result<void> sqlite_writer::store_tails(const landing::plan& plan) {
  for (const auto actor : plan.actors) {
    const landing::tail& tail = *landing_->find(actor);
    sql_.insert_segment.bind_all(actor, tail.first, tail.last,
                                 std::span<const std::byte>(tail.records));
    if (auto ok = sql_.insert_segment.run(); !ok) return ok;
    auto row = finder_.find(actor);
    if (!row) {
      if (row.error() != errc::corrupt_record) return std::unexpected(std::move(row.error()));
      continue;  // the damaged row stays, and refuses the actor's recovery; the events are kept
    }
    row->stored = tail.last;
    sql_.set_stored.bind_all(row->stored, checksum(*row), actor);
    if (auto ok = sql_.set_stored.run(); !ok) return ok;
  }
  return {};
}

result<void> sqlite_writer::write_log(std::size_t& rows) {
  for (; rows < staged_rows_; ++rows) {
    const log_row& row = staged_[rows];
    directory_.clear();
    encode_directory(directory_, row.directory);
    sql_.insert_log.bind_all(state_.log_next, std::span<const std::byte>(directory_),
                             std::span<const std::byte>(row.records));
    if (auto ok = sql_.insert_log.run(); !ok) return ok;
    state_.log_next += 1;
  }
  return {};
}

result<void> sqlite_writer::finish_state(std::size_t new_log_rows) {
  if (state_.log_first < log_safe_below_) {
    const std::uint64_t quota = std::max(trimmed_rows_min, 2 * new_log_rows);
    state_.log_first = std::min(log_safe_below_, state_.log_first + quota);
    sql_.trim_log.bind_all(state_.log_first);
    if (auto ok = sql_.trim_log.run(); !ok) return ok;
  }
  sql_.set_state.bind_all(state_.log_first, state_.log_next, state_.position_next,
                          state_.outbox_next, state_.actor_next, checksum(state_));
  return sql_.set_state.run();
}

void sqlite_writer::publish(const landing::plan& plan) {
  committed_ = state_;
  if (wal_frames_ > 0) witness_.note(wal_frames_, committed_);
  log_safe_below_ = landing_->stored(plan, staged_bytes(), state_.log_next);
  additions_.clear();
  for (std::size_t k = 0; k < staged_rows_; ++k) {
    const log_row& row = staged_[k];
    for (std::size_t e = 0; e < row.directory.size(); ++e) {
      const std::size_t from = row.directory[e].offset;
      const std::size_t to =
          e + 1 < row.directory.size() ? row.directory[e + 1].offset : row.records.size();
      additions_.push_back({row.directory[e].key.actor, row.directory[e].key.sequence,
                            std::span(row.records).subspan(from, to - from)});
    }
  }
  landing_->add(additions_, state_.position_next);
}

result<void> sqlite_writer::fold() {
  staged_rows_ = 0;
  state_ = committed_;
  const landing::plan plan = landing_->plan_of_all();
  if (auto ok = sql_.begin.run(); !ok) return ok;
  auto ok = fold_now(plan);
  if (!ok && sqlite3_get_autocommit(db_->raw()) == 0) static_cast<void>(sql_.rollback.run());
  if (ok) publish(plan);
  return ok;
}

result<void> sqlite_writer::fold_now(const landing::plan& plan) {
  if (auto ok = store_tails(plan); !ok) return ok;
  log_safe_below_ = state_.log_next;
  state_.log_first = state_.log_next;
  sql_.trim_log.bind_all(state_.log_first);
  if (auto ok = sql_.trim_log.run(); !ok) return ok;
  if (auto ok = finish_state(0); !ok) return ok;
  return sql_.commit.run();
}

int sqlite_writer::checkpoint_step() const noexcept {
  return static_cast<int>(std::max<std::size_t>(options_.checkpoint_bytes / 4096, 1));
}

void sqlite_writer::tend() {
  if (wal_pages_ >= checkpoint_at_) checkpoint();
}

// Passive: never waits for readers. What a reader still needs stays for the next time; a checkpoint
// that fails (a full disk) loses nothing either, for the write-ahead log has it all.
void sqlite_writer::checkpoint() {
  int all = 0;
  int folded = -1;
  sqlite3_wal_checkpoint_v2(db_->raw(), nullptr, SQLITE_CHECKPOINT_PASSIVE, &all, &folded);
  checkpoint_at_ = checkpoint_step();
  if (folded != all) checkpoint_at_ = wal_pages_ + checkpoint_step() / 4 + 1;
  wal_pages_ = 0;
  witness_.folded();
}

}  // namespace odeon::detail
