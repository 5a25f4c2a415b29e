#include "postgres/internal/links.hpp"
#include "postgres/internal/schema.hpp"

namespace odeon::detail {

namespace {

using store::row_sink;

struct statement {
  const char* name;
  const char* sql;
};

#define ODEON_PG_ACTOR "a.actor, a.id, a.epoch, a.sequence, a.kind, a.crc"
#define ODEON_PG_EVENT                                                                  \
  "e.actor, e.sequence, e.position, e.epoch, e.written, e.version, e.manifest, e.tags," \
  " e.payload, e.crc"
#define ODEON_PG_TIMER "t.actor, t.id, t.due, t.manifest, t.version, t.payload, t.crc"

constexpr statement statements[] = {
    {"actor", "SELECT " ODEON_PG_ACTOR " FROM @actors a WHERE a.id = $1::bytea"},
    {"actors_after", "SELECT " ODEON_PG_ACTOR
                     " FROM @actors a WHERE a.id > $1::bytea ORDER BY a.id LIMIT $2::bigint"},
    {"events", "SELECT " ODEON_PG_EVENT
               " FROM @events e WHERE e.actor = $1::bigint AND e.sequence BETWEEN $2::bigint"
               " AND $3::bigint ORDER BY e.sequence LIMIT $4::bigint"},
    {"tagged", "SELECT t.position, " ODEON_PG_ACTOR ", " ODEON_PG_EVENT
               " FROM (SELECT * FROM @tagged WHERE tag = $1::bytea AND position > $2::bigint"
               " ORDER BY position LIMIT $3::bigint) t LEFT JOIN @actors a ON a.actor = t.actor"
               " LEFT JOIN @events e ON e.actor = t.actor AND e.sequence = t.sequence"
               " ORDER BY t.position"},
    {"snapshots",
     "SELECT actor, sequence, written, manifest, version, payload, crc FROM @snapshots"
     " WHERE actor = $1::bigint AND sequence BETWEEN $2::bigint AND $3::bigint"
     " ORDER BY sequence DESC LIMIT $4::bigint"},
    {"snapshot_infos",
     "SELECT sequence, written, manifest, version, octet_length(payload)::bigint FROM @snapshots"
     " WHERE actor = $1::bigint AND sequence BETWEEN $2::bigint AND $3::bigint"
     " ORDER BY sequence DESC LIMIT $4::bigint"},
    {"mark",
     "SELECT actor, name, value, crc FROM @marks WHERE actor = $1::bigint AND name = $2::bytea"},
    {"marks_after",
     "SELECT actor, name, value, crc FROM @marks WHERE actor = $1::bigint AND name > $2::bytea"
     " ORDER BY name LIMIT $3::bigint"},
    {"timers_due", "SELECT " ODEON_PG_ACTOR ", " ODEON_PG_TIMER
                   " FROM (SELECT * FROM @timers WHERE (due, actor, id) >"
                   " ($2::bigint, $3::bigint, $4::bytea) AND due <= $1::bigint"
                   " ORDER BY due, actor, id LIMIT $5::bigint) t"
                   " LEFT JOIN @actors a ON a.actor = t.actor ORDER BY t.due, t.actor, t.id"},
    {"timers_of",
     "SELECT " ODEON_PG_TIMER " FROM @timers t WHERE t.actor = $1::bigint ORDER BY t.id"},
    {"outbox_after",
     "SELECT " ODEON_PG_ACTOR
     ", o.position, o.actor, o.sequence, o.id, o.target, o.manifest, o.version, o.payload, o.crc"
     " FROM (SELECT * FROM @outbox WHERE position > $1::bigint ORDER BY position LIMIT $2::bigint)"
     " o LEFT JOIN @actors a ON a.actor = o.actor ORDER BY o.position"},
};

store::event_row event_of(const pg_row& row, int column) {
  if (row.null(column)) return {};
  return {.actor = row.natural(column),
          .sequence = row.natural(column + 1),
          .position = row.natural(column + 2),
          .epoch = row.natural(column + 3),
          .written = row.integer(column + 4),
          .version = row.natural32(column + 5),
          .manifest = row.bytes(column + 6),
          .tags = row.bytes(column + 7),
          .payload = row.payload(column + 8),
          .crc = row.natural32(column + 9)};
}

store::timer_row timer_of(const pg_row& row, int column) {
  return {.actor = row.natural(column),
          .id = row.bytes(column + 1),
          .due = row.integer(column + 2),
          .manifest = row.bytes(column + 3),
          .version = row.natural32(column + 4),
          .payload = row.payload(column + 5),
          .crc = row.natural32(column + 6)};
}

store::mark_row mark_of(const pg_row& row) {
  return {row.natural(0), row.bytes(1), row.natural(2), row.natural32(3)};
}

std::uint64_t wide(std::size_t n) { return n; }

}  // namespace

result<void> pg_reader_link::connect() {
  db_.reset();
  auto opened = pg_connection::open(origin_.rt, origin_.options, origin_.place);
  if (!opened) return std::unexpected(std::move(opened.error()));
  auto& db = **opened;
  const std::string& schema = origin_.options.schema;
  if (auto ok = ensure_schema(db, schema, false); !ok) return ok;
  for (const auto& [name, sql] : statements)
    if (auto ok = db.prepare(name, in_schema(db, schema, sql)); !ok) return ok;
  db_ = std::move(*opened);
  return {};
}

pg_reader_link::count pg_reader_link::actor(std::string_view id,
                                            const row_sink<store::actor_row>& to) {
  return db_->query("actor", pg_values().bytes(id),
                    [&](const pg_row& row) { return to(actor_of(row)); });
}

pg_reader_link::count pg_reader_link::actors_after(std::string_view id, std::size_t limit,
                                                   const row_sink<store::actor_row>& to) {
  return db_->query("actors_after", pg_values().bytes(id).number(wide(limit)),
                    [&](const pg_row& row) { return to(actor_of(row)); });
}

pg_reader_link::count pg_reader_link::events(std::uint64_t actor, std::uint64_t first,
                                             std::uint64_t last, std::size_t limit,
                                             const row_sink<store::event_row>& to) {
  return db_->query("events",
                    pg_values().number(actor).number(first).number(last).number(wide(limit)),
                    [&](const pg_row& row) { return to(event_of(row, 0)); });
}

pg_reader_link::count pg_reader_link::tagged(std::string_view tag, std::uint64_t after,
                                             std::size_t limit,
                                             const row_sink<store::tagged_event_row>& to) {
  return db_->query("tagged", pg_values().bytes(tag).number(after).number(wide(limit)),
                    [&](const pg_row& row) {
                      const auto event = event_of(row, 7);
                      return to({.position = row.natural(0),
                                 .sequence = event.sequence,
                                 .actor = actor_of(row, 1),
                                 .event = event});
                    });
}

pg_reader_link::count pg_reader_link::snapshots(std::uint64_t actor, std::uint64_t first,
                                                std::uint64_t last, std::size_t limit,
                                                const row_sink<store::snapshot_row>& to) {
  return db_->query("snapshots",
                    pg_values().number(actor).number(first).number(last).number(wide(limit)),
                    [&](const pg_row& row) {
                      return to({.actor = row.natural(0),
                                 .sequence = row.natural(1),
                                 .written = row.integer(2),
                                 .manifest = row.bytes(3),
                                 .version = row.natural32(4),
                                 .payload = row.payload(5),
                                 .crc = row.natural32(6)});
                    });
}

pg_reader_link::count pg_reader_link::snapshot_infos(std::uint64_t actor, std::uint64_t first,
                                                     std::uint64_t last, std::size_t limit,
                                                     const row_sink<snapshot_info>& to) {
  return db_->query("snapshot_infos",
                    pg_values().number(actor).number(first).number(last).number(wide(limit)),
                    [&](const pg_row& row) {
                      return to({.sequence = row.natural(0),
                                 .written = wall_time(duration(row.integer(1))),
                                 .manifest = std::string(row.bytes(2)),
                                 .version = row.natural32(3),
                                 .bytes = row.natural(4)});
                    });
}

pg_reader_link::count pg_reader_link::mark(std::uint64_t actor, std::string_view name,
                                           const row_sink<store::mark_row>& to) {
  return db_->query("mark", pg_values().number(actor).bytes(name),
                    [&](const pg_row& row) { return to(mark_of(row)); });
}

pg_reader_link::count pg_reader_link::marks_after(std::uint64_t actor, std::string_view name,
                                                  std::size_t limit,
                                                  const row_sink<store::mark_row>& to) {
  return db_->query("marks_after", pg_values().number(actor).bytes(name).number(wide(limit)),
                    [&](const pg_row& row) { return to(mark_of(row)); });
}

pg_reader_link::count pg_reader_link::timers_due(
    std::int64_t until, std::int64_t due, std::uint64_t actor, std::string_view id,
    std::size_t limit, const row_sink<store::owned_row<store::timer_row>>& to) {
  return db_->query(
      "timers_due",
      pg_values().number(until).number(due).number(actor).bytes(id).number(wide(limit)),
      [&](const pg_row& row) { return to({actor_of(row), timer_of(row, 6)}); });
}

pg_reader_link::count pg_reader_link::timers_of(std::uint64_t actor,
                                                const row_sink<store::timer_row>& to) {
  return db_->query("timers_of", pg_values().number(actor),
                    [&](const pg_row& row) { return to(timer_of(row, 0)); });
}

pg_reader_link::count pg_reader_link::outbox_after(
    std::uint64_t position, std::size_t limit,
    const row_sink<store::owned_row<store::outbox_row>>& to) {
  return db_->query("outbox_after", pg_values().number(position).number(wide(limit)),
                    [&](const pg_row& row) {
                      return to({actor_of(row),
                                 {.position = row.natural(6),
                                  .actor = row.natural(7),
                                  .sequence = row.natural(8),
                                  .id = row.bytes(9),
                                  .target = row.bytes(10),
                                  .manifest = row.bytes(11),
                                  .version = row.natural32(12),
                                  .payload = row.payload(13),
                                  .crc = row.natural32(14)}});
                    });
}

}  // namespace odeon::detail
