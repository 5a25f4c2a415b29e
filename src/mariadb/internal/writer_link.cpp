// The order of commits. InnoDB releases a transaction's locks and shows its rows before its log has
// reached the disk; the acknowledgement comes after that. So a crash can take back what another
// program has already seen, though nobody was told that it is stored. Positions must not be given
// twice even then – somebody may have noted one, or be about to acknowledge it –, and therefore the
// first commit of each connection leaves a gap before its positions: larger than what all programs
// together can have had in flight.

#include "mariadb/internal/links.hpp"
#include "mariadb/internal/schema.hpp"

#include <algorithm>
#include <vector>

namespace odeon::detail {

namespace {

constexpr std::uint64_t gap_of_a_connection = 1u << 24;
constexpr std::size_t ids_at_once = 256;    // looked up by one statement; fewer repeat the last
constexpr std::size_t timers_at_once = 32;  // likewise

struct sql_of {
  std::string_view name;
  const char* sql;
};

constexpr sql_of statements[] = {
    {"lock_state",
     "SELECT position_next, outbox_next, actor_next, crc FROM @state WHERE one = 1 FOR UPDATE"},
    {"set_state",
     "UPDATE @state SET position_next = ?, outbox_next = ?, actor_next = ?, crc = ?"
     " WHERE one = 1"},
    {"set_actors",
     "INSERT INTO @actors(actor, id, epoch, sequence, kind, crc) VALUES (?, ?, ?, ?, ?, ?)"
     " ON DUPLICATE KEY UPDATE epoch = VALUES(epoch), sequence = VALUES(sequence),"
     " kind = VALUES(kind), crc = VALUES(crc)"},
    {"insert_events",
     "INSERT INTO @events(actor, sequence, position, epoch, written, version, manifest, tags,"
     " payload, crc) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {"insert_tagged", "INSERT INTO @tagged(tag, position, actor, sequence) VALUES (?, ?, ?, ?)"},
    {"insert_outbox",
     "INSERT INTO @outbox(position, actor, sequence, id, target, manifest, version, payload, crc)"
     " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"},
    {"remove_outbox", "DELETE FROM @outbox WHERE position = ?"},
    {"remove_timers", "DELETE FROM @timers WHERE actor = ? AND id = ?"},
    {"set_timers",
     "REPLACE INTO @timers(actor, id, due, manifest, version, payload, crc)"
     " VALUES (?, ?, ?, ?, ?, ?, ?)"},
    {"remove_marks", "DELETE FROM @marks WHERE actor = ? AND name = ?"},
    {"set_marks", "REPLACE INTO @marks(actor, name, value, crc) VALUES (?, ?, ?, ?)"},
    {"save_snapshots",
     "REPLACE INTO @snapshots(actor, sequence, written, manifest, version, payload, crc)"
     " VALUES (?, ?, ?, ?, ?, ?, ?)"},
    {"keep_snapshots",
     "DELETE FROM @snapshots WHERE actor = ? AND sequence <= (SELECT first FROM"
     " (SELECT x.sequence AS first FROM @snapshots x WHERE x.actor = ?"
     " ORDER BY x.sequence DESC LIMIT 1 OFFSET ?) y)"},
    {"remove_snapshots", "DELETE FROM @snapshots WHERE actor = ? AND sequence BETWEEN ? AND ?"},
};

std::string repeated(const char* what, const char* between, std::size_t count) {
  std::string out;
  for (std::size_t k = 0; k < count; ++k) out += (k == 0 ? "" : between) + std::string(what);
  return out;
}

std::string find_actors_sql(std::size_t count) {
  return std::string("SELECT ") + actor_columns_of_a +
         " FROM @actors a FORCE INDEX (by_id) WHERE a.id IN (" + repeated("?", ", ", count) + ")";
}

std::string find_timers_sql(std::size_t count) {
  return "SELECT t.actor, t.id, t.due FROM @timers t FORCE INDEX (PRIMARY) WHERE " +
         repeated("(t.actor = ? AND t.id = ?)", " OR ", count);
}

std::uint64_t wide(std::uint32_t n) { return n; }

}  // namespace

store::actor_row actor_of(const my_row& row, std::size_t column) {
  if (row.null(column)) return {};
  return {.actor = row.natural(column),
          .id = row.bytes(column + 1),
          .epoch = row.natural(column + 2),
          .sequence = row.natural(column + 3),
          .kind = static_cast<store::id_kind>(row.natural(column + 4)),
          .crc = row.natural32(column + 5)};
}

result<void> my_writer_link::connect() {
  statements_.clear();
  db_.reset();
  auto opened = my_connection::open(origin_.options, origin_.place);
  if (!opened) return std::unexpected(std::move(opened.error()));
  auto& db = **opened;
  if (auto ok = ensure_tables(db, origin_.options, origin_.options.create && !created_); !ok)
    return ok;
  std::map<std::string_view, my_statement> made;
  const auto prepare = [&](std::string_view name, const std::string& sql) -> result<void> {
    auto s = db.prepare(with_prefix(origin_.options.table_prefix, sql));
    if (!s) return std::unexpected(std::move(s.error()));
    made.emplace(name, std::move(*s));
    return {};
  };
  for (const auto& [name, sql] : statements)
    if (auto ok = prepare(name, sql); !ok) return ok;
  for (const auto& [name, sql] : {std::pair("find_actor", find_actors_sql(1)),
                                  std::pair("find_actors", find_actors_sql(ids_at_once)),
                                  std::pair("find_timer", find_timers_sql(1)),
                                  std::pair("find_timers", find_timers_sql(timers_at_once))})
    if (auto ok = prepare(name, sql); !ok) return ok;
  if (auto off = db.run("SET SESSION autocommit = 0"); !off)
    return std::unexpected(std::move(off.error()));
  created_ = true;
  jump_ = true;
  db_ = std::move(*opened);
  statements_ = std::move(made);
  return {};
}

MYSQL_STMT* my_writer_link::statement(std::string_view name) const {
  return statements_.find(name)->second.get();
}

// What the calls are about.

result<void> my_writer_link::look_up(table_batch& batch) {
  if (auto ok = lock_state(batch); !ok) return ok;
  auto actors = find_actors(batch);
  if (!actors) return std::unexpected(std::move(actors.error()));
  return find_timers(batch, *actors);
}

result<void> my_writer_link::lock_state(table_batch& batch) {
  my_values none;
  result<void> found = fail(errc::corrupt_record, "state: its row is not there");
  auto rows = db_->query(statement("lock_state"), none, "nnnn", [&](const my_row& row) {
    found = batch.found_state({row.natural(0), row.natural(1), row.natural(2)}, row.natural32(3));
    return result<bool>(true);
  });
  if (!rows) return std::unexpected(std::move(rows.error()));
  if (!found)
    return fail(found.error().code(), db_->place() + ": " + std::string(found.error().text()));
  if (jump_) {
    batch.state.position_next += gap_of_a_connection;
    batch.state.outbox_next += gap_of_a_connection;
  }
  return {};
}

result<my_writer_link::actor_numbers> my_writer_link::find_actors(table_batch& batch) {
  actor_numbers out;
  const auto ids = batch.ids();
  for (std::size_t first = 0; first < ids.size();) {
    const bool many = ids.size() - first > 1;
    my_values values;
    for (std::size_t k = 0; k < (many ? ids_at_once : 1); ++k)
      values.bytes(ids[std::min(first + k, ids.size() - 1)]);
    auto rows = db_->query(statement(many ? "find_actors" : "find_actor"), values, "nbnnnn",
                           [&](const my_row& row) {
                             const auto who = actor_of(row);
                             batch.found_actor(who);
                             if (!batch.timers().empty())
                               out.emplace(std::string(who.id), who.actor);
                             return result<bool>(true);
                           });
    if (!rows) return std::unexpected(std::move(rows.error()));
    first += many ? ids_at_once : 1;
  }
  return out;
}

result<void> my_writer_link::find_timers(table_batch& batch, const actor_numbers& actors) {
  std::vector<std::pair<std::uint64_t, table_batch::timer_key>> keys;
  for (const auto& key : batch.timers())
    if (const auto who = actors.find(std::string(key.persistence_id)); who != actors.end())
      keys.emplace_back(who->second, key);
  std::map<std::uint64_t, std::string_view> id_of;
  for (const auto& [actor, key] : keys) id_of[actor] = key.persistence_id;
  for (std::size_t first = 0; first < keys.size();) {
    const bool many = keys.size() - first > 1;
    my_values values;
    for (std::size_t k = 0; k < (many ? timers_at_once : 1); ++k) {
      const auto& [actor, key] = keys[std::min(first + k, keys.size() - 1)];
      values.number(actor).bytes(key.timer_id);
    }
    auto rows = db_->query(
        statement(many ? "find_timers" : "find_timer"), values, "nbn", [&](const my_row& row) {
          batch.found_timer({id_of[row.natural(0)], row.bytes(1)}, row.integer(2));
          return result<bool>(true);
        });
    if (!rows) return std::unexpected(std::move(rows.error()));
    first += many ? timers_at_once : 1;
  }
  return {};
}

// What follows from them.

my_writer_link::written my_writer_link::write(table_batch& batch) {
  if (auto ok = write_rows(batch); !ok) return {.outcome_unknown = false, .ended = std::move(ok)};
  auto done = db_->run("COMMIT");
  if (!done)
    return {.outcome_unknown = !connected(), .ended = std::unexpected(std::move(done.error()))};
  if (batch.state_changed) jump_ = false;
  return {};
}

void my_writer_link::roll_back() {
  static_cast<void>(
      db_->run("ROLLBACK"));  // when it fails, the connection is lost, and all with it
}

result<void> my_writer_link::write_rows(table_batch& batch) {
  if (auto ok = write_actors(batch); !ok) return ok;
  if (auto ok = write_events(batch); !ok) return ok;
  if (auto ok = write_outbox(batch); !ok) return ok;
  if (auto ok = write_timers(batch); !ok) return ok;
  if (auto ok = write_marks(batch); !ok) return ok;
  if (auto ok = write_snapshots(batch); !ok) return ok;
  if (!batch.state_changed) return {};
  my_values values;
  values.number(batch.state.position_next)
      .number(batch.state.outbox_next)
      .number(batch.state.actor_next)
      .number(wide(checksum(batch.state)));
  auto done = db_->execute(statement("set_state"), values);
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

result<void> my_writer_link::write_actors(const table_batch& batch) {
  my_rows rows("nbnnnn");
  for (const auto* list : {&batch.new_actors, &batch.changed_actors})
    for (const auto& a : *list)
      rows.row(a.actor, a.id, a.epoch, a.sequence, static_cast<std::uint64_t>(a.kind), wide(a.crc));
  return db_->execute_all(statement("set_actors"), rows);
}

result<void> my_writer_link::write_events(const table_batch& batch) {
  my_rows events("nnnnnnbbbn");
  for (const auto& e : batch.events)
    events.row(e.actor, e.sequence, e.position, e.epoch, e.written, wide(e.version), e.manifest,
               e.tags, e.payload, wide(e.crc));
  my_rows tagged("bnnn");
  for (const auto& t : batch.tagged) tagged.row(t.tag, t.position, t.actor, t.sequence);
  if (auto ok = db_->execute_all(statement("insert_events"), events); !ok) return ok;
  return db_->execute_all(statement("insert_tagged"), tagged);
}

result<void> my_writer_link::write_outbox(const table_batch& batch) {
  my_rows messages("nnnbbbnbn");
  for (const auto& m : batch.outbox)
    messages.row(m.position, m.actor, m.sequence, m.id, m.target, m.manifest, wide(m.version),
                 m.payload, wide(m.crc));
  my_rows removed("n");
  for (const auto position : batch.acknowledged) removed.row(position);
  if (auto ok = db_->execute_all(statement("insert_outbox"), messages); !ok) return ok;
  return db_->execute_all(statement("remove_outbox"), removed);
}

result<void> my_writer_link::write_timers(const table_batch& batch) {
  my_rows removed("nb");
  for (const auto& t : batch.removed_timers) removed.row(t.actor, t.id);
  my_rows set("nbnbnbn");
  for (const auto& t : batch.set_timers)
    set.row(t.actor, t.id, t.due, t.manifest, wide(t.version), t.payload, wide(t.crc));
  if (auto ok = db_->execute_all(statement("remove_timers"), removed); !ok) return ok;
  return db_->execute_all(statement("set_timers"), set);
}

result<void> my_writer_link::write_marks(const table_batch& batch) {
  my_rows removed("nb");
  for (const auto& m : batch.removed_marks) removed.row(m.actor, m.name);
  my_rows set("nbnn");
  for (const auto& m : batch.set_marks) set.row(m.actor, m.name, m.value, wide(m.crc));
  if (auto ok = db_->execute_all(statement("remove_marks"), removed); !ok) return ok;
  return db_->execute_all(statement("set_marks"), set);
}

result<void> my_writer_link::write_snapshots(const table_batch& batch) {
  for (const auto& step : batch.snapshots) {
    my_rows saved("nnnbnbn");
    for (const auto& s : step.save)
      saved.row(s.actor, s.sequence, s.written, s.manifest, wide(s.version), s.payload,
                wide(s.crc));
    my_rows kept("nnn");
    for (const auto& k : step.keep) kept.row(k.actor, k.actor, wide(k.keep));
    if (auto ok = db_->execute_all(statement("save_snapshots"), saved); !ok) return ok;
    if (auto ok = db_->execute_all(statement("keep_snapshots"), kept); !ok) return ok;
    if (step.remove == nullptr) continue;
    my_values range;
    range.number(step.actor).number(step.first).number(step.last);
    auto removed = db_->execute(statement("remove_snapshots"), range);
    if (!removed) return std::unexpected(std::move(removed.error()));
    step.remove->outcome = *removed;
  }
  return {};
}

}  // namespace odeon::detail
