#include "persistence/internal/sqlite_reader.hpp"

#include "persistence/internal/event_format.hpp"
#include "persistence/internal/sqlite_rows.hpp"
#include <odeon/base/crc32c.hpp>

#include <algorithm>

namespace odeon::detail {

namespace {

std::unexpected<error> damaged(std::string text) {
  return fail(errc::corrupt_record, std::move(text));
}

}  // namespace

result<std::unique_ptr<sqlite_reader>> sqlite_reader::open(std::unique_ptr<sqlite_db> db,
                                                           std::shared_ptr<const landing> fresh,
                                                           std::size_t max_page_bytes) {
  std::unique_ptr<sqlite_reader> out(
      new sqlite_reader(std::move(db), std::move(fresh), max_page_bytes));
  if (auto ok = out->prepare(); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

result<void> sqlite_reader::prepare() {
  const std::string actors = actor_columns;
  const std::pair<sqlite_statement*, std::string> all[] = {
      {&sql_.segment_of, "SELECT max(first) FROM segments WHERE actor = ? AND first <= ?"},
      {&sql_.segments,
       "SELECT first, records FROM segments WHERE actor = ? AND first BETWEEN ? AND ?"
       " ORDER BY first"},
      {&sql_.ids_after, "SELECT " + actors + " FROM actors WHERE id > ? ORDER BY id LIMIT ?"},
      {&sql_.id_of, "SELECT " + actors + " FROM actors WHERE actor = ?"},
      {&sql_.tagged_after,
       "SELECT position, actor, sequence FROM tagged"
       " WHERE tag = ? AND position > ? AND position < ? ORDER BY position LIMIT ?"},
      {&sql_.snapshots_down, "SELECT " + std::string(snapshot_columns) +
                                 " FROM snapshots WHERE actor = ? AND sequence BETWEEN ? AND ?"
                                 " ORDER BY sequence DESC"},
      {&sql_.timers_until, "SELECT " + std::string(timer_columns) +
                               ", actor FROM timers WHERE (due, actor, id) > (?, ?, ?) AND due <= ?"
                               " ORDER BY due, actor, id LIMIT ?"},
      {&sql_.timers_of,
       "SELECT " + std::string(timer_columns) + " FROM timers WHERE actor = ? ORDER BY id"},
      {&sql_.outbox_after, "SELECT " + std::string(outbox_columns) +
                               ", actor FROM outbox WHERE position > ? ORDER BY position LIMIT ?"},
      {&sql_.begin, "BEGIN"},
      {&sql_.end, "COMMIT"},
      {&sql_.snapshot_list,
       "SELECT " + std::string(snapshot_columns) +
           " FROM snapshots"
           " WHERE actor = ? AND sequence BETWEEN ? AND ? ORDER BY sequence DESC LIMIT ?"},
      {&sql_.mark,
       "SELECT " + std::string(mark_columns) + " FROM marks WHERE actor = ? AND name = ?"},
      {&sql_.mark_by_crc,
       "SELECT " + std::string(mark_columns) + " FROM marks WHERE actor = ? AND name_crc = ?"},
      {&sql_.marks_after, "SELECT " + std::string(mark_columns) +
                              " FROM marks WHERE actor = ? AND name > ? ORDER BY name LIMIT ?"},
  };
  for (const auto& [statement, sql] : all) {
    auto prepared = db_->prepare(sql.c_str());
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    *statement = std::move(*prepared);
  }
  auto finder = actor_finder::make(*db_);
  if (!finder) return std::unexpected(std::move(finder.error()));
  finder_ = std::move(*finder);
  return {};
}

result<std::vector<std::string>> sqlite_reader::persistence_ids(const std::string& after,
                                                                std::size_t max) {
  const reset_at_exit at_exit(sql_.ids_after);
  sql_.ids_after.bind_all(std::string_view(after), std::uint64_t{max});
  std::vector<std::string> out;
  while (true) {
    auto row = sql_.ids_after.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return out;
    if (auto good = read_actor(sql_.ids_after); !good)
      return std::unexpected(std::move(good.error()));
    out.emplace_back(sql_.ids_after.text(1));
  }
}

result<std::string> sqlite_reader::name_of(std::uint32_t actor) {
  const reset_at_exit at_exit(sql_.id_of);
  sql_.id_of.bind_all(actor);
  auto row = sql_.id_of.step();
  if (!row) return std::unexpected(std::move(row.error()));
  if (!*row) return damaged("actors(" + std::to_string(actor) + "): the row is not there");
  if (auto good = read_actor(sql_.id_of); !good) return std::unexpected(std::move(good.error()));
  return std::string(sql_.id_of.text(1));
}

// Tags.

result<std::vector<stored_event>> sqlite_reader::by_tag(const std::string& tag, std::uint64_t after,
                                                        std::size_t max) {
  auto found = find_tagged(tag, after, max);
  if (!found) return std::unexpected(std::move(found.error()));
  std::vector<stored_event> out;
  std::size_t bytes = 0;
  for (const auto& t : *found) {
    if (bytes >= max_page_bytes_) break;
    auto event = load_tagged(tag, t);
    if (!event) {
      const std::string place =
          "the event at position " + std::to_string(t.position) + ", tagged \"" + tag + "\"";
      return std::unexpected(at_place(place, event.error()));
    }
    bytes += weight(event->event);
    out.push_back(std::move(*event));
  }
  return out;
}

// Looks no further than what has reached the landing, where the events are.
result<std::vector<sqlite_reader::tagged_event>> sqlite_reader::find_tagged(const std::string& tag,
                                                                            std::uint64_t after,
                                                                            std::size_t max) {
  const std::uint64_t end = landing_->next_position();
  const reset_at_exit at_exit(sql_.tagged_after);
  sql_.tagged_after.bind_all(std::string_view(tag), bounded(after), end, std::uint64_t{max});
  std::vector<tagged_event> out;
  while (true) {
    auto row = sql_.tagged_after.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return out;
    out.push_back({sql_.tagged_after.natural(0), sql_.tagged_after.natural32(1),
                   sql_.tagged_after.natural(2)});
  }
}

result<stored_event> sqlite_reader::load_tagged(const std::string& tag, const tagged_event& t) {
  auto id = name_of(t.actor);
  if (!id) return std::unexpected(std::move(id.error()));
  const actor_row actor{.actor = t.actor, .id_crc = crc32c(*id)};
  std::optional<stored_event> out;
  const auto take = [&](const event_view& e) -> result<void> {
    if (e.position == t.position && std::ranges::find(e.tags, tag) != e.tags.end())
      out = to_stored(*id, e);
    return {};
  };
  if (landing_->copy_event(t.actor, t.sequence, chunk_)) {
    auto record = decode_record(chunk_, actor.id_crc, tags_);
    if (!record) return std::unexpected(std::move(record.error()));
    static_cast<void>(take(record->view));
  } else {
    journal::event_visitor visit = take;
    const replay_request one{
        .persistence_id = *id, .from_sequence = t.sequence, .to_sequence = t.sequence};
    auto walked = replay_actor(one, actor, visit);
    if (!walked) return std::unexpected(std::move(walked.error()));
  }
  if (!out)
    return damaged("event " + std::to_string(t.sequence) + " of \"" + *id + "\" is not that one");
  return std::move(*out);
}

// Timers and the outbox.

result<std::vector<stored_timer>> sqlite_reader::timers_due(wall_time until,
                                                            const timer_cursor& after,
                                                            std::size_t max) {
  actor_row actor;
  if (!after.persistence_id.empty()) {
    auto found = finder_.find(after.persistence_id);
    if (!found) return std::unexpected(at_place("\"" + after.persistence_id + "\"", found.error()));
    actor = *found;
  }
  auto& row = sql_.timers_until;
  const reset_at_exit at_exit(row);
  row.bind_all(count_of(after.due), actor.actor, std::string_view(after.timer_id), count_of(until),
               std::uint64_t{max});
  std::vector<stored_timer> out;
  std::size_t bytes = 0;
  while (bytes < max_page_bytes_) {
    auto found = row.step();
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) break;
    auto id = name_of(row.natural32(6));
    if (!id) return std::unexpected(std::move(id.error()));
    auto timer = read_timer(row, *id);
    if (!timer) return std::unexpected(std::move(timer.error()));
    bytes += weight(*timer);
    out.push_back({std::move(*id), std::move(*timer)});
  }
  return out;
}

result<std::vector<timer_record>> sqlite_reader::timers_of(const std::string& persistence_id) {
  std::vector<timer_record> out;
  auto actor = finder_.find(persistence_id);
  if (!actor) return std::unexpected(at_place("\"" + persistence_id + "\"", actor.error()));
  if (actor->actor == 0) return out;
  const reset_at_exit at_exit(sql_.timers_of);
  sql_.timers_of.bind_all(actor->actor);
  while (true) {
    auto found = sql_.timers_of.step();
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return out;
    auto timer = read_timer(sql_.timers_of, persistence_id);
    if (!timer) return std::unexpected(std::move(timer.error()));
    out.push_back(std::move(*timer));
  }
}

result<std::vector<outbox_entry>> sqlite_reader::take_outbox(std::uint64_t after, std::size_t max) {
  auto& row = sql_.outbox_after;
  const reset_at_exit at_exit(row);
  row.bind_all(bounded(after), std::uint64_t{max});
  std::vector<outbox_entry> out;
  std::size_t bytes = 0;
  while (bytes < max_page_bytes_) {
    auto found = row.step();
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) break;
    auto id = name_of(row.natural32(8));
    if (!id) return std::unexpected(std::move(id.error()));
    auto entry = read_outbox(row, *id);
    if (!entry) return std::unexpected(std::move(entry.error()));
    bytes += weight(entry->message);
    out.push_back(std::move(*entry));
  }
  return out;
}

}  // namespace odeon::detail
