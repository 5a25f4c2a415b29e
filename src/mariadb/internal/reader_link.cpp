#include "mariadb/internal/links.hpp"
#include "mariadb/internal/schema.hpp"

namespace odeon::detail {

namespace {

using store::row_sink;

struct sql_of {
  std::string_view name;
  const char* sql;
};

#define ODEON_MY_ACTOR "a.actor, a.id, a.epoch, a.sequence, a.kind, a.crc"
#define ODEON_MY_EVENT                                                                  \
  "e.actor, e.sequence, e.position, e.epoch, e.written, e.version, e.manifest, e.tags," \
  " e.payload, e.crc"
#define ODEON_MY_TIMER "t.actor, t.id, t.due, t.manifest, t.version, t.payload, t.crc"

constexpr std::string_view actor_types = "nbnnnn";
constexpr std::string_view event_types = "nnnnnnbbbn";
constexpr std::string_view tagged_types = "nnbnnnnnnnnnnbbbn";
constexpr std::string_view snapshot_types = "nnnbnbn";
constexpr std::string_view info_types = "nnbnn";
constexpr std::string_view mark_types = "nbnn";
constexpr std::string_view timer_types = "nbnbnbn";
constexpr std::string_view due_types = "nbnnnnnbnbnbn";
constexpr std::string_view outbox_types = "nbnnnnnnnbbbnbn";

constexpr sql_of statements[] = {
    {"actor", "SELECT " ODEON_MY_ACTOR " FROM @actors a WHERE a.id = ?"},
    {"actors_after", "SELECT " ODEON_MY_ACTOR
                     " FROM @actors a FORCE INDEX (by_id) WHERE a.id > ? ORDER BY a.id LIMIT ?"},
    {"events", "SELECT " ODEON_MY_EVENT
               " FROM @events e FORCE INDEX (PRIMARY) WHERE e.actor = ? AND e.sequence BETWEEN ?"
               " AND ? ORDER BY e.sequence LIMIT ?"},
    {"tagged", "SELECT t.position, " ODEON_MY_ACTOR ", " ODEON_MY_EVENT
               " FROM @tagged t FORCE INDEX (PRIMARY) LEFT JOIN @actors a ON a.actor = t.actor"
               " LEFT JOIN @events e ON e.actor = t.actor AND e.sequence = t.sequence"
               " WHERE t.tag = ? AND t.position > ? ORDER BY t.position LIMIT ?"},
    {"snapshots",
     "SELECT actor, sequence, written, manifest, version, payload, crc FROM @snapshots"
     " FORCE INDEX (PRIMARY) WHERE actor = ? AND sequence BETWEEN ? AND ?"
     " ORDER BY sequence DESC LIMIT ?"},
    {"snapshot_infos",
     "SELECT sequence, written, manifest, version, length(payload) FROM @snapshots"
     " FORCE INDEX (PRIMARY) WHERE actor = ? AND sequence BETWEEN ? AND ?"
     " ORDER BY sequence DESC LIMIT ?"},
    {"mark", "SELECT actor, name, value, crc FROM @marks WHERE actor = ? AND name = ?"},
    {"marks_after",
     "SELECT actor, name, value, crc FROM @marks FORCE INDEX (PRIMARY)"
     " WHERE actor = ? AND name > ? ORDER BY name LIMIT ?"},
    {"timers_due",
     "SELECT " ODEON_MY_ACTOR ", " ODEON_MY_TIMER
     " FROM @timers t FORCE INDEX (by_due) LEFT JOIN @actors a ON a.actor = t.actor"
     " WHERE t.due BETWEEN ? AND ? AND (t.due > ? OR t.actor > ? OR (t.actor = ? AND t.id > ?))"
     " ORDER BY t.due, t.actor, t.id LIMIT ?"},
    {"timers_of", "SELECT " ODEON_MY_TIMER
                  " FROM @timers t FORCE INDEX (PRIMARY) WHERE t.actor = ? ORDER BY t.id"},
    {"outbox_after",
     "SELECT " ODEON_MY_ACTOR
     ", o.position, o.actor, o.sequence, o.id, o.target, o.manifest, o.version, o.payload, o.crc"
     " FROM @outbox o FORCE INDEX (PRIMARY) LEFT JOIN @actors a ON a.actor = o.actor"
     " WHERE o.position > ? ORDER BY o.position LIMIT ?"},
};

store::event_row event_of(const my_row& row, std::size_t column) {
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

store::timer_row timer_of(const my_row& row, std::size_t column) {
  return {.actor = row.natural(column),
          .id = row.bytes(column + 1),
          .due = row.integer(column + 2),
          .manifest = row.bytes(column + 3),
          .version = row.natural32(column + 4),
          .payload = row.payload(column + 5),
          .crc = row.natural32(column + 6)};
}

store::mark_row mark_of(const my_row& row) {
  return {row.natural(0), row.bytes(1), row.natural(2), row.natural32(3)};
}

std::uint64_t wide(std::size_t n) { return n; }

}  // namespace

result<void> my_reader_link::connect() {
  statements_.clear();
  db_.reset();
  auto opened = my_connection::open(origin_.options, origin_.place);
  if (!opened) return std::unexpected(std::move(opened.error()));
  auto& db = **opened;
  if (auto ok = ensure_tables(db, origin_.options, false); !ok) return ok;
  std::map<std::string_view, my_statement> made;
  for (const auto& [name, sql] : statements) {
    auto s = db.prepare(with_prefix(origin_.options.table_prefix, sql));
    if (!s) return std::unexpected(std::move(s.error()));
    made.emplace(name, std::move(*s));
  }
  db_ = std::move(*opened);
  statements_ = std::move(made);
  return {};
}

template <class Take>
my_reader_link::count my_reader_link::ask(std::string_view name, my_values& values,
                                          std::string_view types, Take take) {
  return db_->query(statements_.find(name)->second.get(), values, types, take);
}

my_reader_link::count my_reader_link::actor(std::string_view id,
                                            const row_sink<store::actor_row>& to) {
  return ask("actor", my_values().bytes(id), actor_types,
             [&](const my_row& row) { return to(actor_of(row)); });
}

my_reader_link::count my_reader_link::actors_after(std::string_view id, std::size_t limit,
                                                   const row_sink<store::actor_row>& to) {
  return ask("actors_after", my_values().bytes(id).number(wide(limit)), actor_types,
             [&](const my_row& row) { return to(actor_of(row)); });
}

my_reader_link::count my_reader_link::events(std::uint64_t actor, std::uint64_t first,
                                             std::uint64_t last, std::size_t limit,
                                             const row_sink<store::event_row>& to) {
  return ask("events", my_values().number(actor).number(first).number(last).number(wide(limit)),
             event_types, [&](const my_row& row) { return to(event_of(row, 0)); });
}

my_reader_link::count my_reader_link::tagged(std::string_view tag, std::uint64_t after,
                                             std::size_t limit,
                                             const row_sink<store::tagged_event_row>& to) {
  return ask("tagged", my_values().bytes(tag).number(after).number(wide(limit)), tagged_types,
             [&](const my_row& row) {
               const auto event = event_of(row, 7);
               return to({.position = row.natural(0),
                          .sequence = event.sequence,
                          .actor = actor_of(row, 1),
                          .event = event});
             });
}

my_reader_link::count my_reader_link::snapshots(std::uint64_t actor, std::uint64_t first,
                                                std::uint64_t last, std::size_t limit,
                                                const row_sink<store::snapshot_row>& to) {
  return ask("snapshots", my_values().number(actor).number(first).number(last).number(wide(limit)),
             snapshot_types, [&](const my_row& row) {
               return to({.actor = row.natural(0),
                          .sequence = row.natural(1),
                          .written = row.integer(2),
                          .manifest = row.bytes(3),
                          .version = row.natural32(4),
                          .payload = row.payload(5),
                          .crc = row.natural32(6)});
             });
}

my_reader_link::count my_reader_link::snapshot_infos(std::uint64_t actor, std::uint64_t first,
                                                     std::uint64_t last, std::size_t limit,
                                                     const row_sink<snapshot_info>& to) {
  return ask("snapshot_infos",
             my_values().number(actor).number(first).number(last).number(wide(limit)), info_types,
             [&](const my_row& row) {
               return to({.sequence = row.natural(0),
                          .written = wall_time(duration(row.integer(1))),
                          .manifest = std::string(row.bytes(2)),
                          .version = row.natural32(3),
                          .bytes = row.natural(4)});
             });
}

my_reader_link::count my_reader_link::mark(std::uint64_t actor, std::string_view name,
                                           const row_sink<store::mark_row>& to) {
  return ask("mark", my_values().number(actor).bytes(name), mark_types,
             [&](const my_row& row) { return to(mark_of(row)); });
}

my_reader_link::count my_reader_link::marks_after(std::uint64_t actor, std::string_view name,
                                                  std::size_t limit,
                                                  const row_sink<store::mark_row>& to) {
  return ask("marks_after", my_values().number(actor).bytes(name).number(wide(limit)), mark_types,
             [&](const my_row& row) { return to(mark_of(row)); });
}

my_reader_link::count my_reader_link::timers_due(
    std::int64_t until, std::int64_t due, std::uint64_t actor, std::string_view id,
    std::size_t limit, const row_sink<store::owned_row<store::timer_row>>& to) {
  my_values values;
  values.number(due).number(until).number(due).number(actor).number(actor).bytes(id);
  return ask("timers_due", values.number(wide(limit)), due_types,
             [&](const my_row& row) { return to({actor_of(row), timer_of(row, 6)}); });
}

my_reader_link::count my_reader_link::timers_of(std::uint64_t actor,
                                                const row_sink<store::timer_row>& to) {
  return ask("timers_of", my_values().number(actor), timer_types,
             [&](const my_row& row) { return to(timer_of(row, 0)); });
}

my_reader_link::count my_reader_link::outbox_after(
    std::uint64_t position, std::size_t limit,
    const row_sink<store::owned_row<store::outbox_row>>& to) {
  return ask("outbox_after", my_values().number(position).number(wide(limit)), outbox_types,
             [&](const my_row& row) {
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
