#include "persistence/internal/sqlite_reader.hpp"
#include "persistence/internal/sqlite_rows.hpp"
#include <odeon/base/crc32c.hpp>

/// @file Reading snapshots, states and marks.

namespace odeon::detail {

// In one transaction: what the row of the id says of its newest state must be what is looked for.
result<loaded_snapshot> sqlite_reader::load_snapshot(const snapshot_criteria& which) {
  // A connection that only looks at one moment is in a transaction already.
  if (sqlite3_get_autocommit(db_->raw()) == 0) return load_newest(which);
  if (auto ok = sql_.begin.run(); !ok) return std::unexpected(std::move(ok.error()));
  auto out = load_newest(which);
  if (auto ok = sql_.end.run(); !ok && out) return std::unexpected(std::move(ok.error()));
  return out;
}

result<loaded_snapshot> sqlite_reader::load_newest(const snapshot_criteria& which) {
  loaded_snapshot out;
  auto actor = finder_.find(which.persistence_id);
  if (!actor) return std::unexpected(at_place("\"" + which.persistence_id + "\"", actor.error()));
  if (actor->actor == 0) return out;
  const std::uint64_t newest = actor->revision;  // of a state, which must be there
  const bool must = newest > 0 && which.min_sequence <= newest && newest <= which.max_sequence;
  auto& row = sql_.snapshots_down;
  const reset_at_exit at_exit(row);
  row.bind_all(actor->actor, bounded(which.min_sequence), bounded(which.max_sequence));
  while (true) {
    auto found = row.step();
    if (!found && found.error() != errc::corrupt_record)
      return std::unexpected(std::move(found.error()));
    auto snapshot = !found   ? result<stored_snapshot>(std::unexpected(at_place(
                                 "a snapshot of \"" + which.persistence_id + "\"", found.error())))
                    : *found ? read_snapshot(row, which.persistence_id)
                             : result<stored_snapshot>(stored_snapshot{});
    // A snapshot of events is a shortcut: what cannot be read is passed over like what does not
    // match. A state is all there is. What is beyond the newest state is there by damage.
    const bool beyond = found && *found && row.natural(0) > newest;
    if (must && !beyond && !(snapshot && snapshot->sequence == newest))
      return std::unexpected(lost_state(which.persistence_id, newest,
                                        snapshot ? std::string_view() : snapshot.error().text()));
    if (snapshot) {
      if (*found) out.snapshot = std::move(*snapshot);
      return out;
    }
    out.damaged.push_back(std::move(snapshot.error()));
    if (!found) return out;
  }
}

result<std::vector<snapshot_info>> sqlite_reader::snapshots_of(const snapshot_criteria& which,
                                                               std::size_t max) {
  std::vector<snapshot_info> out;
  auto actor = finder_.find(which.persistence_id);
  if (!actor) return std::unexpected(at_place("\"" + which.persistence_id + "\"", actor.error()));
  if (actor->actor == 0) return out;
  auto& row = sql_.snapshot_list;
  const reset_at_exit at_exit(row);
  row.bind_all(actor->actor, bounded(which.min_sequence), bounded(which.max_sequence),
               std::uint64_t{max});
  while (true) {
    auto found = row.step();
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return out;
    const bool good = is_good_snapshot(row, which.persistence_id);
    out.push_back({row.natural(0), wall_time(duration(row.integer(1))), std::string(row.text(2)),
                   row.natural32(3), row.blob(4).size(), !good});
  }
}

// Marks.

result<std::uint64_t> sqlite_reader::read_mark(const std::string& persistence_id,
                                               const std::string& name) {
  const auto place = [&](const error& e) {
    return std::unexpected(at_place("\"" + persistence_id + "\"", e));
  };
  auto actor = finder_.find(persistence_id);
  if (!actor) return place(actor.error());
  if (actor->actor == 0) return 0;
  const reset_at_exit a(sql_.mark);
  const reset_at_exit b(sql_.mark_by_crc);
  sql_.mark.bind_all(actor->actor, std::string_view(name));
  auto found = sql_.mark.step();
  if (!found) return place(found.error());
  if (*found) {
    auto mark = detail::read_mark(sql_.mark, persistence_id);
    if (!mark) return std::unexpected(std::move(mark.error()));
    if (mark->name == name) return mark->value;
    return fail(errc::corrupt_record, "\"" + persistence_id +
                                          "\": the index of marks leads from \"" + name +
                                          "\" to another one");
  }
  // Not there – or its index entry is damaged. The other index knows, unless both are.
  sql_.mark_by_crc.bind_all(actor->actor, crc32c(name));
  while (true) {
    found = sql_.mark_by_crc.step();
    if (!found) return place(found.error());
    if (!*found) return 0;
    auto mark = detail::read_mark(sql_.mark_by_crc, persistence_id);
    if (!mark) return std::unexpected(std::move(mark.error()));
    if (mark->name == name)
      return fail(errc::corrupt_record,
                  "\"" + persistence_id + "\": the index of marks lacks \"" + name + "\"");
  }
}

result<std::vector<mark_record>> sqlite_reader::marks_of(const std::string& persistence_id,
                                                         const std::string& after,
                                                         std::size_t max) {
  std::vector<mark_record> out;
  auto actor = finder_.find(persistence_id);
  if (!actor) return std::unexpected(at_place("\"" + persistence_id + "\"", actor.error()));
  if (actor->actor == 0) return out;
  auto& row = sql_.marks_after;
  const reset_at_exit at_exit(row);
  row.bind_all(actor->actor, std::string_view(after), std::uint64_t{max});
  while (true) {
    auto found = row.step();
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return out;
    auto mark = detail::read_mark(row, persistence_id);
    if (!mark) return std::unexpected(std::move(mark.error()));
    out.push_back(std::move(*mark));
  }
}

}  // namespace odeon::detail
