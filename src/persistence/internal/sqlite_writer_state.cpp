#include "persistence/internal/sqlite_rows.hpp"
#include "persistence/internal/sqlite_writer.hpp"
#include <odeon/base/crc32c.hpp>

/// @file States, marks, and the timers of others.

namespace odeon::detail {

// Before the state itself is written: what is refused must leave nothing. False: the row of the id
// is not there.
result<bool> sqlite_writer::write_revision(writer_state& who) {
  const actor_row row{.actor = who.actor,
                      .id_crc = who.id_crc,
                      .epoch = who.epoch,
                      .stored = 0,  // it has no events
                      .revision = who.sequence + 1};
  sql_.set_revision.bind_all(row.revision, checksum(row), row.actor);
  if (auto ok = sql_.set_revision.run(); !ok) return std::unexpected(std::move(ok.error()));
  if (sqlite3_changes64(db_->raw()) != 1) return false;
  who.sequence = row.revision;
  who.keeps_states = true;
  return true;
}

result<void> sqlite_writer::write_state(const writer_state& who, const state_record& s,
                                        wall_time now) {
  sql_.save_snapshot.bind_all(
      who.actor, who.sequence, count_of(now), std::string_view(s.manifest), s.version,
      std::span<const std::byte>(s.payload),
      snapshot_checksum(who.sequence, now, s.manifest, s.version, s.payload, who.id_crc));
  if (auto ok = sql_.save_snapshot.run(); !ok) return ok;
  return retain(who, s.keep);
}

result<void> sqlite_writer::write_marks(const writer_state& who, const append_request& r) {
  for (const auto& m : r.marks) {
    if (m.value == 0) {
      sql_.delete_mark.bind_all(who.actor, std::string_view(m.name));
      if (auto ok = sql_.delete_mark.run(); !ok) return ok;
      continue;
    }
    sql_.set_mark.bind_all(who.actor, std::string_view(m.name), crc32c(m.name), m.value,
                           checksum(m, who.id_crc));
    if (auto ok = sql_.set_mark.run(); !ok) return ok;
  }
  return {};
}

// Changes of timers.

result<void> sqlite_writer::apply(change_call& call, wall_time) {
  if (auto ok = check_timers(call.request.changes); !ok) {
    if (ok.error() != errc::corrupt_record && ok.error() != errc::limit_exceeded) return ok;
    call.outcome = std::unexpected(std::move(ok.error()));
    return {};
  }
  std::uint64_t applied = 0;
  for (const auto& change : call.request.changes) {
    const auto done = change_timer(change);
    if (!done) return std::unexpected(done.error());
    applied += *done ? 1 : 0;
  }
  call.outcome = applied;
  return {};
}

// Finds what the whole call is refused for, before anything is written.
result<void> sqlite_writer::check_timers(const std::vector<timer_change>& changes) {
  if (changes.size() > actors_max - state_.actor_next)
    return std::unexpected(too_many_ids(db_->path()));
  for (const auto& change : changes) {
    auto found = find(change.persistence_id);
    if (!found) return std::unexpected(std::move(found.error()));
    if (*found == nullptr || !change.only_if_due) continue;
    const reset_at_exit at_exit(sql_.timer_now);
    sql_.timer_now.bind_all((*found)->actor, std::string_view(change.timer_id));
    auto row = sql_.timer_now.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) continue;
    if (auto good = read_timer(sql_.timer_now, change.persistence_id); !good)
      return std::unexpected(std::move(good.error()));
  }
  return {};
}

result<bool> sqlite_writer::change_timer(const timer_change& c) {
  auto found = find(c.persistence_id);
  if (!found) return std::unexpected(std::move(found.error()));
  const bool adds = c.set && !c.only_if_due;
  if (*found == nullptr && adds) found = add(c.persistence_id, 0);
  if (!found) return std::unexpected(std::move(found.error()));
  if (*found == nullptr) return false;
  const writer_state& who = **found;
  const std::string_view id = c.timer_id;
  result<void> ok;
  if (adds) {
    ok = set_timer(who, *c.set);
  } else if (c.set) {
    sql_.set_timer_due.bind_all(count_of(c.set->due), std::string_view(c.set->manifest),
                                c.set->version, std::span<const std::byte>(c.set->payload),
                                checksum(*c.set, who.id_crc), who.actor, id,
                                count_of(*c.only_if_due));
    ok = sql_.set_timer_due.run();
  } else if (c.only_if_due) {
    sql_.cancel_timer_due.bind_all(who.actor, id, count_of(*c.only_if_due));
    ok = sql_.cancel_timer_due.run();
  } else {
    sql_.cancel_timer.bind_all(who.actor, id);
    ok = sql_.cancel_timer.run();
  }
  if (!ok) return std::unexpected(std::move(ok.error()));
  return adds || sqlite3_changes64(db_->raw()) == 1;
}

}  // namespace odeon::detail
