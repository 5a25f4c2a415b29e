#include "persistence/internal/crc32c.hpp"
#include "persistence/internal/sqlite_writer.hpp"

#include <algorithm>

namespace odeon::detail {

namespace {

std::string log_place(const sqlite_db& db, std::uint64_t number) {
  return db.path() + ": log(" + std::to_string(number) + ")";
}

}  // namespace

result<std::unique_ptr<sqlite_writer>> sqlite_writer::open(const sqlite_journal_options& options,
                                                           std::unique_ptr<sqlite_db> db,
                                                           owner_lock owner,
                                                           std::shared_ptr<landing> fresh) {
  std::unique_ptr<sqlite_writer> out(
      new sqlite_writer(options, std::move(db), std::move(owner), std::move(fresh)));
  if (auto ok = out->prepare(); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = out->load_landing(); !ok) return std::unexpected(std::move(ok.error()));
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
        static_cast<sqlite_writer*>(self)->wal_pages_ = pages;
        return SQLITE_OK;
      },
      this);
  return {};
}

// The landing is what the log has and the segments have not.

result<void> sqlite_writer::load_landing() {
  landing_->add({}, committed_.position_next);
  auto rows = db_->prepare("SELECT number, directory, records FROM log ORDER BY number");
  if (!rows) return std::unexpected(std::move(rows.error()));
  std::uint64_t next = committed_.log_first;
  std::size_t bytes = 0;
  stored_of known;
  while (true) {
    auto row = rows->step();
    if (!row) return std::unexpected(at_place(log_place(*db_, next), row.error()));
    if (!*row) break;
    if (rows->natural(0) != next)
      return fail(errc::corrupt_record, log_place(*db_, next) + ": the row is not there");
    if (auto ok = load_log_row(rows->blob(1), rows->blob(2), known); !ok)
      return std::unexpected(at_place(log_place(*db_, next), ok.error()));
    bytes += rows->blob(2).size();
    ++next;
  }
  if (next != committed_.log_next)
    return fail(errc::corrupt_record, log_place(*db_, next) + ": the row is not there");
  landing_->start_sweep(next, bytes);
  return {};
}

result<void> sqlite_writer::load_log_row(std::span<const std::byte> directory,
                                         std::span<const std::byte> records, stored_of& known) {
  auto entries = decode_directory(directory, records.size());
  if (!entries) {
    auto rebuilt = rebuild_directory(records);
    if (!rebuilt) return std::unexpected(at_place(entries.error().text(), rebuilt.error()));
    entries = std::move(rebuilt);
  }
  additions_.clear();
  for (std::size_t k = 0; k < entries->size(); ++k) {
    const directory_entry& e = (*entries)[k];
    auto last = last_loaded(e.key, known);
    if (!last) return std::unexpected(std::move(last.error()));
    if (e.key.sequence <= **last) continue;  // in a segment already
    if (e.key.sequence != **last + 1)
      return fail(errc::corrupt_record, "event " + std::to_string(e.key.sequence) + " of actor " +
                                            std::to_string(e.key.actor) + " follows event " +
                                            std::to_string(**last));
    **last = e.key.sequence;
    const std::size_t end = k + 1 < entries->size() ? (*entries)[k + 1].offset : records.size();
    additions_.push_back({e.key.actor, e.key.sequence, records.subspan(e.offset, end - e.offset)});
  }
  landing_->add(additions_, committed_.position_next);
  return {};
}

// The last event of an actor that is in a segment or was loaded.
result<std::uint64_t*> sqlite_writer::last_loaded(const record_key& key, stored_of& known) {
  const auto found = known.find(key.actor);
  if (found != known.end()) return &found->second;
  auto row = finder_.find(key.actor);
  if (!row && row.error() != errc::corrupt_record) return std::unexpected(std::move(row.error()));
  // A damaged row refuses the actor's recovery by itself; its events are kept here meanwhile.
  return &known.emplace(key.actor, row ? row->stored : key.sequence - 1).first->second;
}

// For a damaged directory: the records say the same, if all of them are good.
result<std::vector<directory_entry>> sqlite_writer::rebuild_directory(
    std::span<const std::byte> records) {
  auto ids = db_->prepare("SELECT id FROM actors WHERE actor = ?");
  if (!ids) return std::unexpected(std::move(ids.error()));
  std::vector<directory_entry> out;
  std::vector<std::string_view> tags;
  for (std::size_t at = 0; at < records.size();) {
    const auto left = records.subspan(at);
    const auto place = "byte " + std::to_string(at);
    const auto peeked = peek_record(left);
    if (!peeked) return std::unexpected(at_place(place, peeked.error()));
    const reset_at_exit end(*ids);
    ids->bind(1, peeked->first.actor);
    auto row = ids->step();
    if (!row) return std::unexpected(std::move(row.error()));
    const auto record = decode_record(left, crc32c(*row ? ids->text(0) : ""), tags);
    if (!record) return std::unexpected(at_place(place, record.error()));
    out.push_back({record->key, static_cast<std::uint32_t>(at)});
    at += record->size;
  }
  return out;
}

}  // namespace odeon::detail
