#include "persistence/internal/sqlite_writer.hpp"

#include "persistence/internal/sqlite_rows.hpp"
#include <odeon/base/crc32c.hpp>

#include <algorithm>
#include <array>

namespace odeon::detail {

namespace {

constexpr std::size_t cached_writers_max = 500'000;  // then the cache starts anew
constexpr std::size_t log_row_bytes = 256u << 10;  // a log row ends with the record that reaches it

std::unexpected<error> pass(error& e) { return std::unexpected(std::move(e)); }

/// Damage that one operation met is that operation's outcome; anything else ends the transaction.
template <class Call>
result<void> refuse_or_end(Call& call, error& why) {
  if (why != errc::corrupt_record) return pass(why);
  call.outcome = pass(why);
  return {};
}

}  // namespace

write_backend::tally sqlite_writer::commit(std::span<write_op> batch, wall_time now) {
  tally t;
  const auto attempt = [&](std::span<write_op> part) -> result<void> {
    auto ok = transact(part, now);
    ++(ok ? t.commits : t.failed);
    return ok;
  };
  const auto refuse = [](write_op& op, const error& why) {
    std::visit([&](auto& call) { call.outcome = std::unexpected(why); }, op);
  };
  auto ok = attempt(batch);
  if (ok) return t;
  const bool full = ok.error() == errc::store_full;
  if (full) checkpoint();  // the write-ahead log may begin anew then, in the room it has
  for (std::size_t k = 0; k < batch.size(); ++k) {
    if (full) ok = attempt(batch.subspan(k, 1));
    if (!ok) refuse(batch[k], ok.error());
  }
  return t;
}

result<void> sqlite_writer::transact(std::span<write_op> batch, wall_time now) {
  if (cache_.size() > cached_writers_max) cache_.clear();
  staged_rows_ = 0;
  state_ = committed_;
  if (auto ok = sql_.begin.run(); !ok) return ok;
  if (auto ok = write_batch(batch, now); !ok) {
    // SQLite may have rolled back already (a full disk, a read error); then there is nothing left
    // to do.
    if (sqlite3_get_autocommit(db_->raw()) == 0) static_cast<void>(sql_.rollback.run());
    cache_.clear();
    return ok;
  }
  return {};
}

result<void> sqlite_writer::write_batch(std::span<write_op> batch, wall_time now) {
  for (auto& op : batch)
    if (auto ok = std::visit([&](auto& call) { return apply(call, now); }, op); !ok) return ok;
  const landing::plan plan = landing_->make_plan(staged_bytes());
  if (auto ok = store_tails(plan); !ok) return ok;
  std::size_t new_rows = 0;
  if (auto ok = write_log(new_rows); !ok) return ok;
  if (auto ok = finish_state(new_rows); !ok) return ok;
  if (auto ok = sql_.commit.run(); !ok) return ok;
  publish(plan);
  return {};
}

// Who writes.

result<sqlite_writer::writer_state*> sqlite_writer::find(const std::string& persistence_id) {
  if (const auto cached = cache_.find(persistence_id); cached != cache_.end())
    return &cached->second;
  auto row = finder_.find(persistence_id);
  if (!row) return std::unexpected(at_place("\"" + persistence_id + "\"", row.error()));
  if (row->actor == 0) return nullptr;
  const landing::tail* tail = landing_->find(row->actor);
  const writer_state known{.actor = row->actor,
                           .id_crc = row->id_crc,
                           .epoch = row->epoch,
                           .sequence = row->revision > 0 ? row->revision
                                       : tail            ? tail->last
                                                         : row->stored,
                           .keeps_states = row->revision > 0};
  return &cache_.emplace(persistence_id, known).first->second;
}

result<sqlite_writer::writer_state*> sqlite_writer::writer_of(const std::string& persistence_id,
                                                              std::uint64_t epoch) {
  auto found = find(persistence_id);
  if (!found) return found;
  const std::uint64_t newest = *found == nullptr ? 0 : (*found)->epoch;
  if (newest == 0 || newest != epoch)
    return std::unexpected(not_the_writer(persistence_id, epoch, newest));
  return found;
}

result<void> sqlite_writer::apply(open_call& call, wall_time) {
  const std::string& id = call.request.persistence_id;
  auto found = find(id);
  if (!found) return refuse_or_end(call, found.error());
  if (*found != nullptr) {
    auto row = finder_.find((*found)->actor);
    if (!row) return refuse_or_end(call, row.error());
    row->epoch += 1;
    sql_.set_epoch.bind_all(row->epoch, checksum(*row), row->actor);
    if (auto ok = sql_.set_epoch.run(); !ok) return ok;
    (*found)->epoch = row->epoch;
    call.outcome = row->epoch;
    return {};
  }
  auto added = add(id, 1);
  if (!added) return pass(added.error());
  if (*added == nullptr) {
    call.outcome = std::unexpected(too_many_ids(db_->path()));
  } else {
    call.outcome = (*added)->epoch;
  }
  return {};
}

result<sqlite_writer::writer_state*> sqlite_writer::add(const std::string& id,
                                                        std::uint64_t epoch) {
  if (state_.actor_next == actors_max) return nullptr;
  const actor_row row{.actor = state_.actor_next++, .id_crc = crc32c(id), .epoch = epoch};
  sql_.insert_actor.bind_all(row.actor, std::string_view(id), row.id_crc, row.epoch, row.stored,
                             checksum(row));
  if (auto ok = sql_.insert_actor.run(); !ok) return pass(ok.error());
  const writer_state known{.actor = row.actor, .id_crc = row.id_crc, .epoch = epoch};
  return &cache_.emplace(id, known).first->second;
}

error too_many_ids(const std::string& path) {
  return {errc::limit_exceeded, path + ": holds as many persistence ids as it can"};
}

// Appends.

result<void> sqlite_writer::apply(append_call& call, wall_time now) {
  const append_request& r = call.request;
  auto found = writer_of(r.persistence_id, r.epoch);
  if (!found) {
    if (found.error() != errc::fenced) return refuse_or_end(call, found.error());
    call.outcome = pass(found.error());
    return {};
  }
  writer_state& who = **found;
  const bool has_events = !who.keeps_states && who.sequence > 0;
  if (who.keeps_states ? !r.events.empty() : r.state && has_events) {
    call.outcome = std::unexpected(who.keeps_states ? keeps_states(r.persistence_id)
                                                    : keeps_events(r.persistence_id));
    return {};
  }
  if (r.expected_sequence != who.sequence) {
    call.outcome =
        std::unexpected(not_the_last(r.persistence_id, r.expected_sequence, who.sequence));
    return {};
  }
  if (r.state) {
    auto moved = write_revision(who);
    if (!moved) return pass(moved.error());
    if (!*moved) {
      call.outcome =
          fail(errc::corrupt_record, "\"" + r.persistence_id + "\": actors(" +
                                         std::to_string(who.actor) + "): the row is not there");
      return {};
    }
    if (auto ok = write_state(who, *r.state, now); !ok) return ok;
  }
  for (const auto& event : r.events)
    if (auto ok = write_event(who, event, now); !ok) return ok;
  for (const auto& message : r.outbox)
    if (auto ok = write_outbox(who, message); !ok) return ok;
  if (auto ok = write_timers(who, r); !ok) return ok;
  if (auto ok = write_marks(who, r); !ok) return ok;
  call.outcome = append_ack{who.sequence, r.events.empty() ? 0 : state_.position_next - 1};
  return {};
}

result<void> sqlite_writer::write_event(writer_state& who, const event_record& event,
                                        wall_time now) {
  if (staged_rows_ == 0 || staged_[staged_rows_ - 1].records.size() >= log_row_bytes) {
    if (staged_.size() == staged_rows_) staged_.emplace_back();
    staged_[staged_rows_].records.clear();
    staged_[staged_rows_].directory.clear();
    ++staged_rows_;
  }
  log_row& row = staged_[staged_rows_ - 1];
  const record_stamp stamp{.key = {who.actor, ++who.sequence},
                           .position = state_.position_next++,
                           .epoch = who.epoch,
                           .written = now};
  row.directory.push_back({stamp.key, static_cast<std::uint32_t>(row.records.size())});
  encode_record(row.records, event, stamp, who.id_crc);
  for (const auto& tag : event.tags) {
    sql_.insert_tagged.bind_all(std::string_view(tag), stamp.position, stamp.key.actor,
                                stamp.key.sequence);
    if (auto ok = sql_.insert_tagged.run(); !ok) return ok;
  }
  return {};
}

result<void> sqlite_writer::write_outbox(const writer_state& who, const outbox_message& m) {
  const std::uint64_t position = state_.outbox_next++;
  const auto crc = checksum(m, position, who.sequence, who.id_crc);
  sql_.insert_outbox.bind_all(position, who.actor, who.sequence, std::string_view(m.id),
                              std::string_view(m.target), std::string_view(m.manifest), m.version,
                              std::span<const std::byte>(m.payload), crc);
  return sql_.insert_outbox.run();
}

result<void> sqlite_writer::write_timers(const writer_state& who, const append_request& r) {
  for (const auto& change : r.change_timers)
    if (auto ok = change_timer(change); !ok) return std::unexpected(std::move(ok).error());
  for (const auto& id : r.cancel_timers) {
    sql_.cancel_timer.bind_all(who.actor, std::string_view(id));
    if (auto ok = sql_.cancel_timer.run(); !ok) return ok;
  }
  for (const auto& t : r.set_timers)
    if (auto ok = set_timer(who, t); !ok) return ok;
  return {};
}

result<void> sqlite_writer::set_timer(const writer_state& who, const timer_record& t) {
  sql_.set_timer.bind_all(who.actor, std::string_view(t.id), count_of(t.due),
                          std::string_view(t.manifest), t.version,
                          std::span<const std::byte>(t.payload), checksum(t, who.id_crc));
  return sql_.set_timer.run();
}

// Snapshots and the outbox.

result<void> sqlite_writer::apply(save_call& call, wall_time now) {
  const save_snapshot_request& r = call.request;
  auto found = writer_of(r.persistence_id, r.epoch);
  if (!found) {
    if (found.error() != errc::fenced) return refuse_or_end(call, found.error());
    call.outcome = pass(found.error());
    return {};
  }
  const writer_state& who = **found;
  if (who.keeps_states) {
    call.outcome = std::unexpected(keeps_states(r.persistence_id));
    return {};
  }
  if (r.sequence > who.sequence) {
    call.outcome = std::unexpected(ahead_of_events(r.persistence_id, r.sequence, who.sequence));
    return {};
  }
  sql_.save_snapshot.bind_all(
      who.actor, r.sequence, count_of(now), std::string_view(r.manifest), r.version,
      std::span<const std::byte>(r.payload),
      snapshot_checksum(r.sequence, now, r.manifest, r.version, r.payload, who.id_crc));
  if (auto ok = sql_.save_snapshot.run(); !ok) return ok;
  if (auto ok = retain(who, r.keep); !ok) return ok;
  call.outcome = {};
  return {};
}

result<void> sqlite_writer::retain(const writer_state& who, std::uint32_t keep) {
  if (keep == 0) return {};
  sql_.retain_snapshots.bind_all(who.actor, who.sequence, keep);
  return sql_.retain_snapshots.run();
}

result<void> sqlite_writer::apply(delete_call& call, wall_time) {
  auto found = find(call.request.persistence_id);
  if (!found) return refuse_or_end(call, found.error());
  call.outcome = 0;
  if (*found == nullptr) return {};
  // SQLite's integers are signed; no sequence number is larger than that.
  auto last = std::min<std::uint64_t>(call.request.max_sequence, INT64_MAX);
  if ((*found)->keeps_states) last = std::min(last, (*found)->sequence - 1);
  const auto first = std::min<std::uint64_t>(call.request.min_sequence, INT64_MAX);
  sql_.delete_snapshots.bind_all((*found)->actor, first, last);
  if (auto ok = sql_.delete_snapshots.run(); !ok) return ok;
  call.outcome = static_cast<std::uint64_t>(sqlite3_changes64(db_->raw()));
  return {};
}

result<void> sqlite_writer::apply(acknowledge_call& call, wall_time) {
  for (const auto position : call.request.positions) {
    sql_.delete_outbox.bind_all(position);
    if (auto ok = sql_.delete_outbox.run(); !ok) return ok;
  }
  call.outcome = {};
  return {};
}

}  // namespace odeon::detail
