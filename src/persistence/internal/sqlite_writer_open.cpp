#include "persistence/internal/landing_loader.hpp"
#include "persistence/internal/sqlite_writer.hpp"

namespace odeon::detail {

result<std::unique_ptr<sqlite_writer>> sqlite_writer::open(const sqlite_journal_options& options,
                                                           std::unique_ptr<sqlite_db> db,
                                                           owner_lock owner,
                                                           std::shared_ptr<landing> fresh) {
  std::unique_ptr<sqlite_writer> out(
      new sqlite_writer(options, std::move(db), std::move(owner), std::move(fresh)));
  if (auto ok = out->prepare(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = load_landing(*out->db_, out->finder_, out->committed_, *out->landing_); !ok)
    return std::unexpected(std::move(ok.error()));
  return out;
}

result<void> sqlite_writer::prepare() {
  const std::pair<sqlite_statement*, const char*> all[] = {
      {&sql_.begin, "BEGIN IMMEDIATE"},
      {&sql_.commit, "COMMIT"},
      {&sql_.rollback, "ROLLBACK"},
      {&sql_.insert_actor,
       "INSERT INTO actors(actor, id, id_crc, epoch, stored, crc) VALUES (?, ?, ?, ?, ?, ?)"},
      {&sql_.set_epoch, "UPDATE actors SET epoch = ?, crc = ? WHERE actor = ?"},
      {&sql_.set_stored, "UPDATE actors SET stored = ?, crc = ? WHERE actor = ?"},
      {&sql_.insert_log, "INSERT INTO log(number, directory, records) VALUES (?, ?, ?)"},
      {&sql_.trim_log, "DELETE FROM log WHERE number < ?"},
      {&sql_.insert_segment,
       "INSERT OR REPLACE INTO segments(actor, first, last, records) VALUES (?, ?, ?, ?)"},
      {&sql_.set_state,
       "UPDATE state SET log_first = ?, log_next = ?, position_next = ?, outbox_next = ?, "
       "actor_next = ?, crc = ? WHERE one = 1"},
      {&sql_.insert_tagged,
       "INSERT OR IGNORE INTO tagged(tag, position, actor, sequence) VALUES (?, ?, ?, ?)"},
      {&sql_.insert_outbox,
       "INSERT INTO outbox(position, actor, sequence, id, target, manifest, version, payload, crc)"
       " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
      {&sql_.delete_outbox, "DELETE FROM outbox WHERE position = ?"},
      {&sql_.set_timer,
       "INSERT OR REPLACE INTO timers(actor, id, due, manifest, version, payload, crc)"
       " VALUES (?, ?, ?, ?, ?, ?, ?)"},
      {&sql_.cancel_timer, "DELETE FROM timers WHERE actor = ? AND id = ?"},
      {&sql_.timer_now,
       "SELECT id, due, manifest, version, payload, crc FROM timers WHERE actor = ? AND id = ?"},
      {&sql_.cancel_timer_due, "DELETE FROM timers WHERE actor = ? AND id = ? AND due = ?"},
      {&sql_.set_timer_due,
       "UPDATE timers SET due = ?, manifest = ?, version = ?, payload = ?, crc = ?"
       " WHERE actor = ? AND id = ? AND due = ?"},
      {&sql_.set_revision, "UPDATE actors SET revision = ?, crc = ? WHERE actor = ?"},
      {&sql_.set_mark,
       "INSERT OR REPLACE INTO marks(actor, name, name_crc, value, crc) VALUES (?, ?, ?, ?, ?)"},
      {&sql_.delete_mark, "DELETE FROM marks WHERE actor = ? AND name = ?"},
      {&sql_.save_snapshot,
       "INSERT OR REPLACE INTO snapshots(actor, sequence, written, manifest, version, payload, crc)"
       " VALUES (?, ?, ?, ?, ?, ?, ?)"},
      {&sql_.delete_snapshots,
       "DELETE FROM snapshots WHERE actor = ? AND sequence BETWEEN ? AND ?"},
      {&sql_.retain_snapshots,
       // None is beyond the last event or revision, but by damage: it must not count as the newest.
       "DELETE FROM snapshots WHERE actor = ?1 AND (sequence > ?2 OR sequence NOT IN (SELECT"
       " sequence FROM snapshots WHERE actor = ?1 AND sequence <= ?2"
       " ORDER BY sequence DESC LIMIT ?3))"},
  };
  for (const auto& [statement, sql] : all) {
    auto prepared = db_->prepare(sql);
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    *statement = std::move(*prepared);
  }
  auto finder = actor_finder::make(*db_);
  if (!finder) return std::unexpected(std::move(finder.error()));
  finder_ = std::move(*finder);
  auto state = read_state(*db_);
  if (!state) return std::unexpected(std::move(state.error()));
  committed_ = *state;
  checkpoint_at_ = checkpoint_step();
  sqlite3_wal_hook(
      db_->raw(),
      [](void* self, sqlite3*, const char*, int pages) {
        auto& me = *static_cast<sqlite_writer*>(self);
        me.wal_pages_ = pages;
        me.wal_frames_ = static_cast<std::uint32_t>(pages);
        return SQLITE_OK;
      },
      this);
  prepared_ = true;
  return {};
}

}  // namespace odeon::detail
