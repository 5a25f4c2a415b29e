#include "postgres/internal/links.hpp"
#include "postgres/internal/schema.hpp"

#include <charconv>

namespace odeon::detail {

namespace {

using store::table_batch;

struct statement {
  const char* name;
  const char* sql;
};

constexpr statement statements[] = {
    {"begin", "BEGIN READ WRITE"},
    {"commit", "COMMIT"},
    {"rollback", "ROLLBACK"},
    {"lock_state",
     "SELECT position_next, outbox_next, actor_next, crc FROM @state WHERE one = 1 FOR UPDATE"},
    {"find_actors",
     "SELECT a.actor, a.id, a.epoch, a.sequence, a.kind, a.crc FROM unnest($1::bytea[]) k(id)"
     " JOIN @actors a ON a.id = k.id"},
    {"find_timers",
     "SELECT a.id, t.id, t.due FROM unnest($1::bytea[], $2::bytea[]) k(id, timer)"
     " JOIN @actors a ON a.id = k.id JOIN @timers t ON t.actor = a.actor AND t.id = k.timer"},
    {"set_state",
     "UPDATE @state SET position_next = $1::bigint, outbox_next = $2::bigint,"
     " actor_next = $3::bigint, crc = $4::bigint WHERE one = 1"},
    {"insert_actors",
     "INSERT INTO @actors(actor, id, epoch, sequence, kind, crc) SELECT * FROM unnest($1::bigint[],"
     " $2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])"},
    {"update_actors",
     "UPDATE @actors a SET epoch = k.epoch, sequence = k.sequence, kind = k.kind, crc = k.crc"
     " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[])"
     " k(actor, epoch, sequence, kind, crc) WHERE a.actor = k.actor"},
    {"insert_events",
     "INSERT INTO @events(actor, sequence, position, epoch, written, version, manifest, tags,"
     " payload, crc) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[],"
     " $5::bigint[], $6::bigint[], $7::bytea[], $8::bytea[], $9::bytea[], $10::bigint[])"},
    {"insert_tagged",
     "INSERT INTO @tagged(tag, position, actor, sequence) SELECT * FROM unnest($1::bytea[],"
     " $2::bigint[], $3::bigint[], $4::bigint[])"},
    {"insert_outbox",
     "INSERT INTO @outbox(position, actor, sequence, id, target, manifest, version, payload, crc)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bytea[],"
     " $6::bytea[], $7::bigint[], $8::bytea[], $9::bigint[])"},
    {"remove_outbox",
     "DELETE FROM @outbox o USING unnest($1::bigint[]) k(position) WHERE o.position = k.position"},
    {"remove_timers",
     "DELETE FROM @timers t USING unnest($1::bigint[], $2::bytea[]) k(actor, id)"
     " WHERE t.actor = k.actor AND t.id = k.id"},
    {"set_timers",
     "INSERT INTO @timers(actor, id, due, manifest, version, payload, crc)"
     " SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bytea[], $5::bigint[],"
     " $6::bytea[], $7::bigint[]) ON CONFLICT (actor, id) DO UPDATE SET due = excluded.due,"
     " manifest = excluded.manifest, version = excluded.version, payload = excluded.payload,"
     " crc = excluded.crc"},
    {"remove_marks",
     "DELETE FROM @marks m USING unnest($1::bigint[], $2::bytea[]) k(actor, name)"
     " WHERE m.actor = k.actor AND m.name = k.name"},
    {"set_marks",
     "INSERT INTO @marks(actor, name, value, crc) SELECT * FROM unnest($1::bigint[], $2::bytea[],"
     " $3::bigint[], $4::bigint[]) ON CONFLICT (actor, name) DO UPDATE"
     " SET value = excluded.value, crc = excluded.crc"},
    {"save_snapshots",
     "INSERT INTO @snapshots(actor, sequence, written, manifest, version, payload, crc)"
     " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bytea[], $5::bigint[],"
     " $6::bytea[], $7::bigint[]) ON CONFLICT (actor, sequence) DO UPDATE"
     " SET written = excluded.written, manifest = excluded.manifest, version = excluded.version,"
     " payload = excluded.payload, crc = excluded.crc"},
    {"keep_snapshots",
     "DELETE FROM @snapshots s USING unnest($1::bigint[], $2::bigint[]) k(actor, keep)"
     " WHERE s.actor = k.actor AND s.sequence <= (SELECT x.sequence FROM @snapshots x"
     " WHERE x.actor = k.actor ORDER BY x.sequence DESC OFFSET k.keep LIMIT 1)"},
    {"remove_snapshots",
     "DELETE FROM @snapshots WHERE actor = $1::bigint"
     " AND sequence BETWEEN $2::bigint AND $3::bigint"},
};

pg_columns columns(std::string_view types) {
  std::vector<pg_array> out;
  for (const char type : types)
    out.push_back(type == 'n' ? pg_array::of_numbers() : pg_array::of_bytes());
  return pg_columns(std::move(out));
}

std::uint64_t wide(std::uint32_t n) { return n; }

}  // namespace

store::actor_row actor_of(const pg_row& row, int column) {
  if (row.null(column)) return {};
  return {.actor = row.natural(column),
          .id = row.bytes(column + 1),
          .epoch = row.natural(column + 2),
          .sequence = row.natural(column + 3),
          .kind = static_cast<store::id_kind>(row.natural(column + 4)),
          .crc = row.natural32(column + 5)};
}

result<void> pg_writer_link::connect() {
  db_.reset();
  auto opened = pg_connection::open(origin_.rt, origin_.options, origin_.place);
  if (!opened) return std::unexpected(std::move(opened.error()));
  auto& db = **opened;
  const std::string& schema = origin_.options.schema;
  if (auto ok = ensure_schema(db, schema, origin_.options.create && !created_); !ok) return ok;
  for (const auto& [name, sql] : statements)
    if (auto ok = db.prepare(name, in_schema(db, schema, sql)); !ok) return ok;
  created_ = true;
  db_ = std::move(*opened);
  return {};
}

void pg_writer_link::add(const char* name, pg_values values) {
  db_->add(name, values);
  ++added_;
}

// The first journey: BEGIN, the lock, and what the calls are about.
result<void> pg_writer_link::look_up(table_batch& batch) {
  db_->begin_pipeline();
  db_->add("begin");
  db_->add("lock_state");
  pg_array ids = pg_array::of_bytes();
  for (const auto id : batch.ids()) ids.add(id);
  db_->add("find_actors", pg_values().array(std::move(ids)));
  if (!batch.timers().empty()) {
    auto keys = columns("bb");
    for (const auto& key : batch.timers()) keys.row(key.persistence_id, key.timer_id);
    db_->add("find_timers", std::move(keys).values());
  }
  auto all = db_->run_pipeline();
  if (!all) return std::unexpected(std::move(all.error()));
  const auto corrupt = [&](const char* what) {
    return fail(errc::corrupt_record, db_->place() + ": " + what);
  };
  if (PQntuples((*all)[1].get()) != 1) return corrupt("state: its row is not there");
  const pg_row state((*all)[1].get(), 0);
  if (!batch.found_state({state.natural(0), state.natural(1), state.natural(2)},
                         state.natural32(3)))
    return corrupt("state: the checksum does not match");
  for (int k = 0; k < PQntuples((*all)[2].get()); ++k)
    batch.found_actor(actor_of(pg_row((*all)[2].get(), k)));
  if (all->size() > 3) {
    for (int k = 0; k < PQntuples((*all)[3].get()); ++k) {
      const pg_row row((*all)[3].get(), k);
      batch.found_timer({row.bytes(0), row.bytes(1)}, row.integer(2));
    }
  }
  return {};
}

// The second journey: all rows, and COMMIT.
pg_writer_link::written pg_writer_link::write(table_batch& batch) {
  db_->begin_pipeline();
  added_ = 0;
  removals_.clear();
  add_actors(batch);
  add_events(batch);
  add_outbox(batch);
  add_timers(batch);
  add_marks(batch);
  add_snapshots(batch);
  if (batch.state_changed)
    add("set_state", std::move(pg_values()
                                   .number(batch.state.position_next)
                                   .number(batch.state.outbox_next)
                                   .number(batch.state.actor_next)
                                   .number(wide(checksum(batch.state)))));
  add("commit", {});
  auto all = db_->run_pipeline();
  if (!all) return {.outcome_unknown = !connected(), .ended = std::unexpected(all.error())};
  for (const auto& [which, call] : removals_) {
    const std::string_view text = PQcmdTuples((*all)[which].get());
    std::uint64_t rows = 0;
    std::from_chars(text.data(), text.data() + text.size(), rows);
    call->outcome = rows;
  }
  return {};
}

void pg_writer_link::roll_back() {
  db_->begin_pipeline();
  db_->add("rollback");
  static_cast<void>(db_->run_pipeline());  // when it fails, the connection is lost, and all with it
}

void pg_writer_link::add_actors(const table_batch& batch) {
  if (!batch.new_actors.empty()) {
    auto c = columns("nbnnnn");
    for (const auto& a : batch.new_actors)
      c.row(a.actor, a.id, a.epoch, a.sequence, static_cast<std::uint64_t>(a.kind), wide(a.crc));
    add("insert_actors", std::move(c).values());
  }
  if (!batch.changed_actors.empty()) {
    auto c = columns("nnnnn");
    for (const auto& a : batch.changed_actors)
      c.row(a.actor, a.epoch, a.sequence, static_cast<std::uint64_t>(a.kind), wide(a.crc));
    add("update_actors", std::move(c).values());
  }
}

void pg_writer_link::add_events(const table_batch& batch) {
  if (!batch.events.empty()) {
    auto c = columns("nnnnnnbbbn");
    for (const auto& e : batch.events)
      c.row(e.actor, e.sequence, e.position, e.epoch, e.written, wide(e.version), e.manifest,
            e.tags, e.payload, wide(e.crc));
    add("insert_events", std::move(c).values());
  }
  if (!batch.tagged.empty()) {
    auto c = columns("bnnn");
    for (const auto& t : batch.tagged) c.row(t.tag, t.position, t.actor, t.sequence);
    add("insert_tagged", std::move(c).values());
  }
}

void pg_writer_link::add_outbox(const table_batch& batch) {
  if (!batch.outbox.empty()) {
    auto c = columns("nnnbbbnbn");
    for (const auto& m : batch.outbox)
      c.row(m.position, m.actor, m.sequence, m.id, m.target, m.manifest, wide(m.version), m.payload,
            wide(m.crc));
    add("insert_outbox", std::move(c).values());
  }
  if (!batch.acknowledged.empty()) {
    auto c = columns("n");
    for (const auto position : batch.acknowledged) c.row(position);
    add("remove_outbox", std::move(c).values());
  }
}

void pg_writer_link::add_timers(const table_batch& batch) {
  if (!batch.removed_timers.empty()) {
    auto c = columns("nb");
    for (const auto& t : batch.removed_timers) c.row(t.actor, t.id);
    add("remove_timers", std::move(c).values());
  }
  if (!batch.set_timers.empty()) {
    auto c = columns("nbnbnbn");
    for (const auto& t : batch.set_timers)
      c.row(t.actor, t.id, t.due, t.manifest, wide(t.version), t.payload, wide(t.crc));
    add("set_timers", std::move(c).values());
  }
}

void pg_writer_link::add_marks(const table_batch& batch) {
  if (!batch.removed_marks.empty()) {
    auto c = columns("nb");
    for (const auto& m : batch.removed_marks) c.row(m.actor, m.name);
    add("remove_marks", std::move(c).values());
  }
  if (!batch.set_marks.empty()) {
    auto c = columns("nbnn");
    for (const auto& m : batch.set_marks) c.row(m.actor, m.name, m.value, wide(m.crc));
    add("set_marks", std::move(c).values());
  }
}

void pg_writer_link::add_snapshots(const table_batch& batch) {
  for (const auto& step : batch.snapshots) {
    if (!step.save.empty()) {
      auto c = columns("nnnbnbn");
      for (const auto& s : step.save)
        c.row(s.actor, s.sequence, s.written, s.manifest, wide(s.version), s.payload, wide(s.crc));
      add("save_snapshots", std::move(c).values());
    }
    if (!step.keep.empty()) {
      auto c = columns("nn");
      for (const auto& k : step.keep) c.row(k.actor, wide(k.keep));
      add("keep_snapshots", std::move(c).values());
    }
    if (step.remove == nullptr) continue;
    removals_.emplace_back(added_, step.remove);
    add("remove_snapshots",
        std::move(pg_values().number(step.actor).number(step.first).number(step.last)));
  }
}

}  // namespace odeon::detail
