#include "persistence/internal/memory_state.hpp"

#include <algorithm>
#include <string_view>

namespace odeon::detail {

namespace {

// How many events a replay takes under the lock at a time.
constexpr std::uint64_t replay_slice = 1024;

error damaged_event(const stored_event& e) {
  return {errc::corrupt_record, "event " + std::to_string(e.sequence) + " of \"" +
                                    e.persistence_id + "\" at position " +
                                    std::to_string(e.position) + ": the checksum does not match"};
}

}  // namespace

memory_reader::memory_reader(std::shared_ptr<memory_state> state, std::size_t max_page_bytes)
    : state_(std::move(state)),
      max_page_bytes_(max_page_bytes) {}

result<replay_report> memory_reader::replay(const replay_request& r,
                                            journal::event_visitor& on_event) {
  replay_report report;
  std::uint64_t next = std::max<std::uint64_t>(r.from_sequence, 1);
  std::vector<std::shared_ptr<const memory_event>> slice;
  std::vector<std::string_view> tags;
  while (true) {
    slice.clear();
    {
      const std::lock_guard lock(state_->mutex);
      const auto found = state_->actors.find(r.persistence_id);
      if (found == state_->actors.end()) return report;
      report.highest_sequence = found->second.highest();
      const std::uint64_t last =
          std::min<std::uint64_t>(found->second.events.size(), r.to_sequence);
      while (next <= last && slice.size() < replay_slice &&
             report.events + slice.size() < r.max_events)
        slice.push_back(found->second.events[next++ - 1]);
    }
    if (slice.empty()) return report;
    for (const auto& item : slice) {
      const stored_event& e = item->event;
      if (checksum(e) != item->crc) return std::unexpected(damaged_event(e));
      tags.assign(e.event.tags.begin(), e.event.tags.end());
      auto ok = on_event({.sequence = e.sequence,
                          .position = e.position,
                          .epoch = e.epoch,
                          .written = e.written,
                          .version = e.event.version,
                          .manifest = e.event.manifest,
                          .payload = e.event.payload,
                          .tags = tags});
      if (!ok) return std::unexpected(std::move(ok.error()));
      report.events += 1;
    }
  }
}

result<std::uint64_t> memory_reader::highest_sequence(const std::string& persistence_id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->actors.find(persistence_id);
  return found == state_->actors.end() ? 0 : found->second.highest();
}

result<id_info> memory_reader::describe(const std::string& persistence_id) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->actors.find(persistence_id);
  if (found == state_->actors.end()) return id_info{};
  const memory_actor& a = found->second;
  return id_info{a.epoch, a.highest(), a.revision > 0};
}

result<std::vector<std::string>> memory_reader::persistence_ids(const std::string& after,
                                                                std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::string> out;
  for (auto at = state_->actors.upper_bound(after); at != state_->actors.end() && out.size() < max;
       ++at)
    out.push_back(at->first);
  return out;
}

result<std::vector<stored_event>> memory_reader::by_tag(const std::string& tag, std::uint64_t after,
                                                        std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  std::vector<stored_event> out;
  const auto found = state_->tagged.find(tag);
  if (found == state_->tagged.end()) return out;
  const auto& list = found->second;
  auto at =
      std::ranges::upper_bound(list, after, {}, [](const auto& e) { return e->event.position; });
  std::size_t bytes = 0;
  for (; at != list.end() && out.size() < max && bytes < max_page_bytes_; ++at) {
    if (checksum((*at)->event) != (*at)->crc) return std::unexpected(damaged_event((*at)->event));
    out.push_back((*at)->event);
    bytes += weight(out.back().event);
  }
  return out;
}

result<loaded_snapshot> memory_reader::load_snapshot(const snapshot_criteria& which) {
  const std::lock_guard lock(state_->mutex);
  loaded_snapshot out;
  const auto found = state_->actors.find(which.persistence_id);
  if (found == state_->actors.end()) return out;
  const auto& all = found->second.snapshots;
  for (auto at = all.upper_bound(which.max_sequence); at != all.begin();) {
    const auto& item = *(--at)->second;
    if (item.snapshot.sequence < which.min_sequence) break;
    if (checksum(which.persistence_id, item.snapshot) == item.crc) {
      out.snapshot = item.snapshot;
      break;
    }
    out.damaged.emplace_back(errc::corrupt_record, "the snapshot of \"" + which.persistence_id +
                                                       "\" as of sequence " +
                                                       std::to_string(item.snapshot.sequence) +
                                                       ": the checksum does not match");
    if (item.snapshot.sequence == found->second.revision)
      return std::unexpected(
          lost_state(which.persistence_id, found->second.revision, out.damaged.back().text()));
  }
  return out;
}

result<std::vector<snapshot_info>> memory_reader::snapshots_of(const snapshot_criteria& which,
                                                               std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  std::vector<snapshot_info> out;
  const auto found = state_->actors.find(which.persistence_id);
  if (found == state_->actors.end()) return out;
  const auto& all = found->second.snapshots;
  for (auto at = all.upper_bound(which.max_sequence); at != all.begin() && out.size() < max;) {
    const memory_snapshot& item = *(--at)->second;
    const stored_snapshot& s = item.snapshot;
    if (s.sequence < which.min_sequence) break;
    out.push_back({s.sequence, s.written, s.manifest, s.version, s.payload.size(),
                   checksum(which.persistence_id, s) != item.crc});
  }
  return out;
}

result<std::uint64_t> memory_reader::read_mark(const std::string& persistence_id,
                                               const std::string& name) {
  const std::lock_guard lock(state_->mutex);
  const auto found = state_->actors.find(persistence_id);
  if (found == state_->actors.end()) return 0;
  const auto mark = found->second.marks.find(name);
  return mark == found->second.marks.end() ? 0 : mark->second;
}

result<std::vector<mark_record>> memory_reader::marks_of(const std::string& persistence_id,
                                                         const std::string& after,
                                                         std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  std::vector<mark_record> out;
  const auto found = state_->actors.find(persistence_id);
  if (found == state_->actors.end()) return out;
  const auto& all = found->second.marks;
  for (auto at = all.upper_bound(after); at != all.end() && out.size() < max; ++at)
    out.push_back({at->first, at->second});
  return out;
}

result<std::vector<stored_timer>> memory_reader::timers_due(wall_time until,
                                                            const timer_cursor& after,
                                                            std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  std::vector<stored_timer> out;
  const auto actor = state_->actors.find(after.persistence_id);
  const std::uint64_t number = actor == state_->actors.end() ? 0 : actor->second.number;
  std::size_t bytes = 0;
  for (auto at = state_->timers_by_due.upper_bound({after.due, number, after.timer_id});
       at != state_->timers_by_due.end() && std::get<0>(at->first) <= until && out.size() < max &&
       bytes < max_page_bytes_;
       ++at) {
    out.push_back({at->second, state_->actors[at->second].timers[std::get<2>(at->first)]});
    bytes += weight(out.back().timer);
  }
  return out;
}

result<std::vector<timer_record>> memory_reader::timers_of(const std::string& persistence_id) {
  const std::lock_guard lock(state_->mutex);
  std::vector<timer_record> out;
  const auto found = state_->actors.find(persistence_id);
  if (found == state_->actors.end()) return out;
  for (const auto& [id, timer] : found->second.timers) out.push_back(timer);
  return out;
}

result<std::vector<outbox_entry>> memory_reader::take_outbox(std::uint64_t after, std::size_t max) {
  const std::lock_guard lock(state_->mutex);
  std::vector<outbox_entry> out;
  std::size_t bytes = 0;
  for (auto at = state_->outbox.upper_bound(after);
       at != state_->outbox.end() && out.size() < max && bytes < max_page_bytes_; ++at) {
    out.push_back(at->second);
    bytes += weight(out.back().message);
  }
  return out;
}

}  // namespace odeon::detail
