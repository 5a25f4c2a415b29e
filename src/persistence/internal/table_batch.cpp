#include <odeon/persistence/table_store.hpp>

#include <algorithm>
#include <limits>
#include <type_traits>

namespace odeon::store {

namespace {

// The databases' integers have a sign; no number stored is larger than that.
std::uint64_t bounded(std::uint64_t n) { return std::min<std::uint64_t>(n, INT64_MAX); }

std::int64_t count_of(wall_time t) {
  return static_cast<std::int64_t>(t.time_since_epoch().count());
}

/// What a row of the batch is: `checksum` filled in.
template <class Row>
Row summed(Row row, std::uint32_t id_crc) {
  row.crc = checksum(row, id_crc);
  return row;
}

}  // namespace

table_batch::table_batch(std::span<write_op> calls) : calls_(calls) {
  for (const auto& op : calls)
    std::visit(
        [&](const auto& call) {
          using call_type = std::remove_cvref_t<decltype(call)>;
          if constexpr (std::is_same_v<call_type, change_call>) {
            for (const auto& change : call.request.changes) {
              add_id(change.persistence_id);
              timer_keys_.push_back({change.persistence_id, change.timer_id});
            }
          } else if constexpr (!std::is_same_v<call_type, acknowledge_call>) {
            add_id(call.request.persistence_id);
          }
          if constexpr (std::is_same_v<call_type, append_call>)
            for (const auto& change : call.request.change_timers)
              timer_keys_.push_back({change.persistence_id, change.timer_id});
        },
        op);
  const auto order = [](const timer_key& k) { return std::pair(k.persistence_id, k.timer_id); };
  std::ranges::sort(timer_keys_, {}, order);
  const auto same = std::ranges::unique(timer_keys_, {}, order);
  timer_keys_.erase(same.begin(), same.end());
}

void table_batch::add_id(std::string_view id) {
  const auto [at, fresh] = actors_.try_emplace(id);
  if (!fresh) return;
  at->second.row.id = id;
  at->second.id_crc = checksum_of_id(id);
  ids_.push_back(id);
}

result<void> table_batch::found_state(const state_row& row, std::uint32_t crc) {
  state = row;
  return check(row, crc);
}

void table_batch::found_actor(const actor_row& row) {
  const auto at = actors_.find(row.id);
  if (at == actors_.end()) return;
  known_actor& who = at->second;
  const std::string_view id = who.row.id;  // the row's own is the connection's
  if (auto good = check(row); !good) who.damage = std::move(good.error());
  who.row = row;
  who.row.id = id;
}

void table_batch::found_timer(const timer_key& key, std::int64_t due) {
  const auto at = actors_.find(key.persistence_id);
  if (at == actors_.end()) return;
  const auto asked = std::ranges::lower_bound(
      timer_keys_, std::pair(key.persistence_id, key.timer_id), {},
      [](const timer_key& k) { return std::pair(k.persistence_id, k.timer_id); });
  if (asked == timer_keys_.end() || asked->timer_id != key.timer_id) return;
  at->second.timers[asked->timer_id] = {.exists = true, .due = due};
}

void table_batch::decide(wall_time now) {
  const state_row before = state;
  for (auto& op : calls_) std::visit([&](auto& call) { decide(call, now); }, op);
  finish();
  state_changed = state != before;
}

// Who.

result<table_batch::known_actor*> table_batch::find(const std::string& id) {
  known_actor& who = actors_.find(id)->second;
  if (who.damage) return std::unexpected(*who.damage);
  return who.row.actor == 0 ? nullptr : &who;
}

result<table_batch::known_actor*> table_batch::writer(const std::string& id, std::uint64_t epoch) {
  auto found = find(id);
  if (!found) return found;
  const std::uint64_t newest = *found == nullptr ? 0 : (*found)->row.epoch;
  if (newest == 0 || newest != epoch) return std::unexpected(not_the_writer(id, epoch, newest));
  return found;
}

table_batch::known_actor& table_batch::known(const std::string& id) {
  known_actor& who = actors_.find(id)->second;
  if (who.row.actor == 0) {
    who.row.actor = state.actor_next++;
    who.is_new = true;
  }
  return who;
}

void table_batch::decide(open_call& call, wall_time) {
  const std::string& id = call.request.persistence_id;
  if (auto found = find(id); !found) {
    call.outcome = std::unexpected(std::move(found.error()));
    return;
  }
  known_actor& who = known(id);
  who.changed = true;
  call.outcome = ++who.row.epoch;
}

// Appends.

void table_batch::decide(append_call& call, wall_time now) {
  const append_request& r = call.request;
  auto found = writer(r.persistence_id, r.epoch);
  if (!found) {
    call.outcome = std::unexpected(std::move(found.error()));
    return;
  }
  known_actor& who = **found;
  const auto refuse = [&](error why) { call.outcome = std::unexpected(std::move(why)); };
  if (who.row.kind == id_kind::states && !r.events.empty())
    return refuse(keeps_states(r.persistence_id));
  if (who.row.kind == id_kind::events && r.state) return refuse(keeps_events(r.persistence_id));
  if (r.expected_sequence != who.row.sequence)
    return refuse(not_the_last(r.persistence_id, r.expected_sequence, who.row.sequence));
  add_events(who, r, now);
  if (r.state) {
    who.row.kind = id_kind::states;
    who.changed = true;
    ++who.row.sequence;
    add_snapshot(who,
                 {.actor = who.row.actor,
                  .sequence = who.row.sequence,
                  .written = count_of(now),
                  .manifest = r.state->manifest,
                  .version = r.state->version,
                  .payload = r.state->payload},
                 r.state->keep);
  }
  for (const auto& m : r.outbox)
    outbox.push_back(summed(outbox_row{.position = state.outbox_next++,
                                       .actor = who.row.actor,
                                       .sequence = who.row.sequence,
                                       .id = m.id,
                                       .target = m.target,
                                       .manifest = m.manifest,
                                       .version = m.version,
                                       .payload = m.payload},
                            who.id_crc));
  for (const auto& change : r.change_timers) change_timer(&who, change);
  for (const auto& id : r.cancel_timers) remove_timer(who, id);
  for (const auto& timer : r.set_timers) set_timer(who, timer);
  for (const auto& mark : r.marks) who.marks[mark.name] = mark.value;
  call.outcome = append_ack{who.row.sequence, r.events.empty() ? 0 : state.position_next - 1};
}

void table_batch::add_events(known_actor& who, const append_request& r, wall_time now) {
  if (r.events.empty()) return;
  who.row.kind = id_kind::events;
  who.changed = true;
  for (const auto& e : r.events) {
    std::string_view tags;
    if (!e.tags.empty())
      tags = *texts_.emplace_back(std::make_unique<std::string>(pack_tags(e.tags)));
    const event_row row = summed(event_row{.actor = who.row.actor,
                                           .sequence = ++who.row.sequence,
                                           .position = state.position_next++,
                                           .epoch = r.epoch,
                                           .written = count_of(now),
                                           .version = e.version,
                                           .manifest = e.manifest,
                                           .tags = tags,
                                           .payload = e.payload},
                                 who.id_crc);
    events.push_back(row);
    for (std::size_t k = 0; k < e.tags.size(); ++k) {
      const auto before = std::span(e.tags).first(k);
      if (std::ranges::find(before, e.tags[k]) == before.end())
        tagged.push_back({e.tags[k], row.position, row.actor, row.sequence});
    }
  }
}

// Timers.

void table_batch::set_timer(known_actor& who, const timer_record& timer) {
  who.timers[timer.id] = {
      .exists = true, .due = count_of(timer.due), .set = &timer, .touched = true};
}

bool table_batch::remove_timer(known_actor& who, std::string_view id) {
  auto& timer = who.timers[id];
  const bool existed = timer.exists;
  timer = {.touched = true};
  return existed;
}

void table_batch::decide(change_call& call, wall_time) {
  std::uint64_t applied = 0;
  for (const auto& change : call.request.changes)
    if (auto found = find(change.persistence_id); !found) {
      call.outcome = std::unexpected(std::move(found.error()));
      return;
    }
  for (const auto& change : call.request.changes) {
    const auto who = find(change.persistence_id);
    applied += change_timer(*who, change) ? 1 : 0;
  }
  call.outcome = applied;
}

bool table_batch::change_timer(known_actor* who, const timer_change& change) {
  if (change.only_if_due) {
    if (who == nullptr) return false;
    const auto timer = who->timers.find(change.timer_id);
    if (timer == who->timers.end() || !timer->second.exists ||
        timer->second.due != count_of(*change.only_if_due))
      return false;
  }
  if (!change.set) return who != nullptr && remove_timer(*who, change.timer_id);
  set_timer(known(change.persistence_id), *change.set);
  return true;
}

// Snapshots and the outbox.

void table_batch::decide(save_call& call, wall_time now) {
  const save_snapshot_request& r = call.request;
  auto found = writer(r.persistence_id, r.epoch);
  if (!found) {
    call.outcome = std::unexpected(std::move(found.error()));
    return;
  }
  known_actor& who = **found;
  const auto refuse = [&](error why) { call.outcome = std::unexpected(std::move(why)); };
  if (who.row.kind == id_kind::states) return refuse(keeps_states(r.persistence_id));
  if (r.sequence > who.row.sequence)
    return refuse(ahead_of_events(r.persistence_id, r.sequence, who.row.sequence));
  add_snapshot(who,
               {.actor = who.row.actor,
                .sequence = r.sequence,
                .written = count_of(now),
                .manifest = r.manifest,
                .version = r.version,
                .payload = r.payload},
               r.keep);
  call.outcome = {};
}

// A step holds at most one snapshot of an id, so that its sets have the effect of one call after
// the other.
void table_batch::add_snapshot(known_actor& who, snapshot_row row, std::uint32_t keep) {
  if (snapshots.empty() || snapshots.back().remove != nullptr || who.saved_in == snapshots.size())
    snapshots.emplace_back();
  who.saved_in = snapshots.size();
  snapshots.back().save.push_back(summed(row, who.id_crc));
  if (keep > 0) snapshots.back().keep.push_back({who.row.actor, keep});
}

void table_batch::decide(delete_call& call, wall_time) {
  auto found = find(call.request.persistence_id);
  if (!found) {
    call.outcome = std::unexpected(std::move(found.error()));
    return;
  }
  call.outcome = 0;
  if (*found == nullptr) return;
  const actor_row& who = (*found)->row;
  std::uint64_t last = bounded(call.request.max_sequence);
  if (who.kind == id_kind::states) last = std::min(last, who.sequence - 1);
  if (snapshots.empty() || snapshots.back().remove != nullptr) snapshots.emplace_back();
  auto& step = snapshots.back();
  step.remove = &call;
  step.actor = who.actor;
  step.first = bounded(call.request.min_sequence);
  step.last = last;
}

void table_batch::decide(acknowledge_call& call, wall_time) {
  // A position that was not given out yet names nothing.
  for (const auto position : call.request.positions)
    if (position < state.outbox_next) acknowledged.push_back(position);
  call.outcome = {};
}

void table_batch::finish() {
  for (const auto id : ids_) {
    known_actor& who = actors_.find(id)->second;
    if (who.is_new || who.changed) {
      who.row.crc = checksum(who.row);
      (who.is_new ? new_actors : changed_actors).push_back(who.row);
    }
    for (const auto& [timer_id, timer] : who.timers) {
      if (!timer.touched) continue;
      if (timer.set == nullptr) {
        removed_timers.push_back({who.row.actor, timer_id});
        continue;
      }
      set_timers.push_back(summed(timer_row{.actor = who.row.actor,
                                            .id = timer.set->id,
                                            .due = timer.due,
                                            .manifest = timer.set->manifest,
                                            .version = timer.set->version,
                                            .payload = timer.set->payload},
                                  who.id_crc));
    }
    for (const auto& [name, value] : who.marks) {
      if (value == 0)
        removed_marks.push_back({who.row.actor, name});
      else
        set_marks.push_back(
            summed(mark_row{.actor = who.row.actor, .name = name, .value = value}, who.id_crc));
    }
  }
}

}  // namespace odeon::store
