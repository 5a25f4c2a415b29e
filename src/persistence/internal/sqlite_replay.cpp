#include "persistence/internal/event_format.hpp"
#include "persistence/internal/sqlite_reader.hpp"

#include <algorithm>

namespace odeon::detail {

namespace {

// Segments copied before they are shown: a chunk ends with the one that reaches it.
constexpr std::size_t chunk_bytes = 1u << 20;
// A buffer that grew beyond this for one large actor is given back.
constexpr std::size_t kept_buffer_bytes = 4u << 20;

}  // namespace

// The state of a replay, and the checking of one blob of records.
struct sqlite_reader::walk {
  const replay_request& request;
  const actor_row& actor;
  journal::event_visitor& on_event;
  std::vector<std::string_view>& tags;
  std::uint64_t from = 1;  // visit nothing before
  std::uint64_t last = 0;  // nor after
  std::uint64_t next = 0;  // the event that must come now; 0: the first blob says
  replay_report report;

  [[nodiscard]] bool done() const noexcept {
    return next > last || report.events >= request.max_events;
  }

  [[nodiscard]] std::unexpected<error> damaged(const std::string& place, std::size_t byte,
                                               std::string_view why) const {
    return fail(errc::corrupt_record, "event " + std::to_string(next) + " of \"" +
                                          request.persistence_id + "\" in " + place + ", byte " +
                                          std::to_string(byte) + ": " + std::string(why));
  }

  // Visits the events of a blob up to `end`, which may lie inside it.
  template <class Place>
  [[nodiscard]] result<void> visit(std::span<const std::byte> records, std::uint64_t end,
                                   const Place& place) {
    for (std::size_t at = 0; at < records.size() && next <= end && !done();) {
      const auto left = records.subspan(at);
      if (next < from) {  // skipped by its size, which the record after it would contradict
        const auto peeked = peek_record(left);
        if (!peeked) return damaged(place(), at, peeked.error().text());
        at += peeked->second;
        ++next;
        continue;
      }
      const auto record = decode_record(left, actor.id_crc, tags);
      if (!record) return damaged(place(), at, record.error().text());
      if (record->key != record_key{actor.actor, next})
        return damaged(place(), at,
                       "another event is here: " + std::to_string(record->key.sequence) +
                           " of actor " + std::to_string(record->key.actor));
      auto ok = on_event(record->view);
      if (!ok) return ok;
      report.events += 1;
      at += record->size;
      ++next;
    }
    return {};
  }
};

result<replay_report> sqlite_reader::replay(const replay_request& r,
                                            journal::event_visitor& on_event) {
  auto found = finder_.find(r.persistence_id);
  if (!found) return std::unexpected(at_place("\"" + r.persistence_id + "\"", found.error()));
  if (found->actor == 0) return replay_report{};
  return replay_actor(r, *found, on_event);
}

result<replay_report> sqlite_reader::replay_actor(const replay_request& r, const actor_row& found,
                                                  journal::event_visitor& on_event) {
  const bool has_tail = landing_->copy_tail(found.actor, tail_);
  std::uint64_t stored = has_tail ? tail_.first - 1 : found.stored;
  if (!has_tail) {  // it may have been stored since `found` was read
    auto again = finder_.find(found.actor);
    if (!again) return std::unexpected(at_place("\"" + r.persistence_id + "\"", again.error()));
    stored = again->stored;
  }
  walk w{.request = r, .actor = found, .on_event = on_event, .tags = tags_, .report = {}};
  const std::uint64_t last_event = has_tail ? tail_.last : stored;
  w.report.highest_sequence = found.revision > 0 ? found.revision : last_event;
  w.from = std::max<std::uint64_t>(r.from_sequence, 1);
  w.last = std::min(r.to_sequence, last_event);
  if (w.from > w.last) return w.report;
  if (w.from <= stored) {
    if (auto ok = walk_segments(w, stored); !ok) return std::unexpected(std::move(ok.error()));
  }
  if (has_tail && (w.next == 0 || !w.done())) {
    w.next = std::max(w.next, tail_.first);
    const auto place = [] { return std::string("the newest events"); };
    if (auto ok = w.visit(tail_.records, w.last, place); !ok)
      return std::unexpected(std::move(ok.error()));
    if (!w.done()) return w.damaged(place(), tail_.records.size(), "it is missing");
  }
  if (chunk_.capacity() > kept_buffer_bytes) chunk_ = {};
  if (tail_.records.capacity() > kept_buffer_bytes) tail_.records = {};
  return w.report;
}

// Visits [w.from, end], which the segments must hold without a hole.
result<void> sqlite_reader::walk_segments(walk& w, std::uint64_t end) {
  const std::string segments = "segments(actor " + std::to_string(w.actor.actor) + ", first ";
  const auto failed = [&](const error& e) {
    return std::unexpected(at_place("\"" + w.request.persistence_id + "\"", e));
  };
  auto first = segment_holding(w.actor.actor, w.from);
  if (!first) return failed(first.error());
  w.next = *first;
  while (!w.done() && w.next <= end) {
    if (auto ok = load_segments(w.actor.actor, w.next, std::min(end, w.last)); !ok)
      return failed(ok.error());
    if (loaded_.empty())
      return w.damaged(segments + std::to_string(w.next) + ")", 0, "it is missing");
    for (const auto& s : loaded_) {
      if (w.done()) return {};
      const auto place = [&] { return segments + std::to_string(s.first) + ")"; };
      if (s.first != w.next) return w.damaged(place(), 0, "it is missing");
      if (auto ok = w.visit(std::span(chunk_).subspan(s.offset, s.size), end, place); !ok)
        return ok;
    }
  }
  return {};
}

// Copies segments that begin in [first, end].
result<void> sqlite_reader::load_segments(std::uint32_t actor, std::uint64_t first,
                                          std::uint64_t end) {
  chunk_.clear();
  loaded_.clear();
  const reset_at_exit at_exit(sql_.segments);
  sql_.segments.bind_all(actor, first, end);
  while (chunk_.size() < chunk_bytes) {
    auto row = sql_.segments.step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) break;
    const auto records = sql_.segments.blob(1);
    loaded_.push_back({sql_.segments.natural(0), chunk_.size(), records.size()});
    chunk_.insert(chunk_.end(), records.begin(), records.end());
  }
  return {};
}

// The first sequence number of the segment that an event is in.
result<std::uint64_t> sqlite_reader::segment_holding(std::uint32_t actor, std::uint64_t sequence) {
  if (sequence <= 1) return 1;
  const reset_at_exit at_exit(sql_.segment_of);
  sql_.segment_of.bind_all(actor, sequence);
  auto row = sql_.segment_of.step();
  if (!row) return std::unexpected(std::move(row.error()));
  const std::uint64_t first = *row ? sql_.segment_of.natural(0) : 0;
  return first == 0 ? sequence : first;  // none: the walk will miss the event and say so
}

result<std::uint64_t> sqlite_reader::highest_sequence(const std::string& persistence_id) {
  auto found = finder_.find(persistence_id);
  if (!found) return std::unexpected(at_place("\"" + persistence_id + "\"", found.error()));
  if (found->actor == 0) return 0;
  if (found->revision > 0) return found->revision;
  if (const std::uint64_t last = landing_->last_of(found->actor); last > 0) return last;
  auto again = finder_.find(found->actor);
  if (!again) return std::unexpected(at_place("\"" + persistence_id + "\"", again.error()));
  return again->stored;
}

result<id_info> sqlite_reader::describe(const std::string& persistence_id) {
  auto highest = highest_sequence(persistence_id);
  if (!highest) return std::unexpected(std::move(highest.error()));
  auto found = finder_.find(persistence_id);
  if (!found) return std::unexpected(at_place("\"" + persistence_id + "\"", found.error()));
  return id_info{found->epoch, std::max(*highest, found->revision), found->revision > 0};
}

}  // namespace odeon::detail
