#include "persistence/internal/memory_state.hpp"
#include <odeon/base/assert.hpp>
#include <odeon/base/crc32c.hpp>

namespace odeon::detail {

std::uint32_t checksum(const stored_event& e) noexcept {
  return crc32c(e.event.payload,
                crc32c(e.event.manifest,
                       crc32c(std::as_bytes(std::span(&e.sequence, 1)), crc32c(e.persistence_id))));
}

std::uint32_t checksum(const std::string& persistence_id, const stored_snapshot& s) noexcept {
  return crc32c(s.payload, crc32c(s.manifest, crc32c(std::as_bytes(std::span(&s.sequence, 1)),
                                                     crc32c(persistence_id))));
}

memory_writer::memory_writer(std::shared_ptr<memory_state> state) : state_(std::move(state)) {
  const std::lock_guard lock(state_->mutex);
  ODEON_ASSERT(!state_->open, "two journals are open on one memory store");
  state_->open = true;
}

memory_writer::~memory_writer() {
  const std::lock_guard lock(state_->mutex);
  state_->open = false;
  state_->resume = nullptr;
}

bool memory_writer::held(std::move_only_function<void()> resume) {
  const std::lock_guard lock(state_->mutex);
  if (state_->holding) state_->resume = std::move(resume);
  return state_->holding;
}

write_backend::tally memory_writer::commit(std::span<write_op> batch, wall_time now) {
  const std::lock_guard lock(state_->mutex);
  if (state_->commits_to_fail > 0) {
    state_->commits_to_fail -= 1;
    for (auto& op : batch)
      std::visit([&](auto& call) { call.outcome = std::unexpected(state_->failure); }, op);
    return {.commits = 0, .failed = 1};
  }
  for (auto& op : batch) std::visit([&](auto& call) { apply(call, now); }, op);
  return {.commits = 1, .failed = 0};
}

// Each `apply` decides before it changes anything; under the state's lock.

void memory_writer::apply(append_call& call, wall_time now) {
  auto& r = call.request;
  const auto found = state_->actors.find(r.persistence_id);
  const std::uint64_t newest = found == state_->actors.end() ? 0 : found->second.epoch;
  if (r.epoch != newest || newest == 0) {
    call.outcome = std::unexpected(not_the_writer(r.persistence_id, r.epoch, newest));
    return;
  }
  memory_actor& actor = found->second;
  if (actor.revision > 0 ? !r.events.empty() : r.state && !actor.events.empty()) {
    call.outcome = std::unexpected(actor.revision > 0 ? keeps_states(r.persistence_id)
                                                      : keeps_events(r.persistence_id));
    return;
  }
  if (r.expected_sequence != actor.highest()) {
    call.outcome =
        std::unexpected(not_the_last(r.persistence_id, r.expected_sequence, actor.highest()));
    return;
  }
  if (r.state) store_state(actor, r, now);
  append_ack ack{.sequence = actor.highest()};
  for (auto& event : r.events) {
    ack = {actor.highest() + 1, state_->next_position++};
    stored_event stored{r.persistence_id, ack.sequence, ack.position,
                        r.epoch,          now,          std::move(event)};
    const auto crc = checksum(stored);
    auto shared = std::make_shared<const memory_event>(std::move(stored), crc);
    for (const auto& tag : shared->event.event.tags) {
      auto& list = state_->tagged[tag];
      if (list.empty() || list.back() != shared) list.push_back(shared);
    }
    actor.events.push_back(std::move(shared));
  }
  for (auto& message : r.outbox) {
    const std::uint64_t position = state_->next_outbox++;
    state_->outbox.emplace(
        position, outbox_entry{position, r.persistence_id, ack.sequence, std::move(message)});
  }
  for (auto& change : r.change_timers) change_timer(change);
  for (const auto& id : r.cancel_timers) cancel_timer(actor, id);
  for (auto& timer : r.set_timers) set_timer(actor, r.persistence_id, std::move(timer));
  for (auto& mark : r.marks) {
    if (mark.value == 0)
      actor.marks.erase(mark.name);
    else
      actor.marks.insert_or_assign(std::move(mark.name), mark.value);
  }
  call.outcome = ack;
}

void memory_writer::store_state(memory_actor& actor, append_request& r, wall_time now) {
  stored_snapshot s{++actor.revision, now, std::move(r.state->manifest), r.state->version,
                    std::move(r.state->payload)};
  const auto crc = checksum(r.persistence_id, s);
  actor.snapshots[actor.revision] = std::make_shared<const memory_snapshot>(std::move(s), crc);
  while (r.state->keep > 0 && actor.snapshots.size() > r.state->keep)
    actor.snapshots.erase(actor.snapshots.begin());
}

memory_actor& memory_writer::known(const std::string& persistence_id) {
  memory_actor& actor = state_->actors[persistence_id];
  if (actor.number == 0) actor.number = state_->next_actor++;
  return actor;
}

void memory_writer::set_timer(memory_actor& actor, const std::string& persistence_id,
                              timer_record timer) {
  cancel_timer(actor, timer.id);
  state_->timers_by_due.emplace(std::tuple(timer.due, actor.number, timer.id), persistence_id);
  std::string id = timer.id;
  actor.timers.emplace(std::move(id), std::move(timer));
}

bool memory_writer::cancel_timer(memory_actor& actor, const std::string& id) {
  const auto found = actor.timers.find(id);
  if (found == actor.timers.end()) return false;
  state_->timers_by_due.erase(std::tuple(found->second.due, actor.number, id));
  actor.timers.erase(found);
  return true;
}

void memory_writer::apply(change_call& call, wall_time) {
  std::uint64_t applied = 0;
  for (auto& change : call.request.changes) applied += change_timer(change) ? 1 : 0;
  call.outcome = applied;
}

bool memory_writer::change_timer(timer_change& change) {
  const auto actor = state_->actors.find(change.persistence_id);
  const bool exists = actor != state_->actors.end();
  if (change.only_if_due) {
    if (!exists) return false;
    const auto timer = actor->second.timers.find(change.timer_id);
    if (timer == actor->second.timers.end() || timer->second.due != *change.only_if_due)
      return false;
  }
  if (!change.set) return exists && cancel_timer(actor->second, change.timer_id);
  set_timer(known(change.persistence_id), change.persistence_id, std::move(*change.set));
  return true;
}

void memory_writer::apply(open_call& call, wall_time) {
  call.outcome = ++known(call.request.persistence_id).epoch;
}

void memory_writer::apply(save_call& call, wall_time now) {
  auto& r = call.request;
  const auto found = state_->actors.find(r.persistence_id);
  const std::uint64_t newest = found == state_->actors.end() ? 0 : found->second.epoch;
  if (r.epoch != newest || newest == 0) {
    call.outcome = std::unexpected(not_the_writer(r.persistence_id, r.epoch, newest));
    return;
  }
  memory_actor& actor = found->second;
  if (actor.revision > 0) {
    call.outcome = std::unexpected(keeps_states(r.persistence_id));
    return;
  }
  if (r.sequence > actor.highest()) {
    call.outcome = std::unexpected(ahead_of_events(r.persistence_id, r.sequence, actor.highest()));
    return;
  }
  stored_snapshot s{r.sequence, now, std::move(r.manifest), r.version, std::move(r.payload)};
  const auto crc = checksum(r.persistence_id, s);
  actor.snapshots[r.sequence] = std::make_shared<const memory_snapshot>(std::move(s), crc);
  while (r.keep > 0 && actor.snapshots.size() > r.keep)
    actor.snapshots.erase(actor.snapshots.begin());
  call.outcome = {};
}

void memory_writer::apply(delete_call& call, wall_time) {
  const auto& r = call.request;
  const auto found = state_->actors.find(r.persistence_id);
  call.outcome = 0;
  if (found == state_->actors.end()) return;
  call.outcome = std::erase_if(found->second.snapshots, [&](const auto& s) {
    const bool is_all_there_is = s.first == found->second.revision;
    return s.first >= r.min_sequence && s.first <= r.max_sequence && !is_all_there_is;
  });
}

void memory_writer::apply(acknowledge_call& call, wall_time) {
  for (const auto position : call.request.positions) state_->outbox.erase(position);
  call.outcome = {};
}

}  // namespace odeon::detail
