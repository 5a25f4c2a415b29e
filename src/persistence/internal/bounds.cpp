#include <odeon/persistence/backend.hpp>

#include <string_view>

namespace odeon::store {

namespace {

constexpr std::size_t item_overhead = 64;

struct bounds_check {
  const journal_options& bounds;
  const std::string& persistence_id;

  [[nodiscard]] result<void> name(std::string_view what, std::string_view text,
                                  bool may_be_empty) const {
    if (text.size() > bounds.max_name_bytes)
      return too_large(std::string(what) + " of " + std::to_string(text.size()) + " bytes",
                       "max_name_bytes", bounds.max_name_bytes);
    if (text.find('\0') != std::string_view::npos)
      return fail(errc::invalid_argument, std::string(what) + " contains a NUL byte");
    if (text.empty() && !may_be_empty)
      return fail(errc::invalid_argument, std::string(what) + " is empty");
    return {};
  }

  [[nodiscard]] result<void> payload(std::string_view what, std::size_t size) const {
    if (size <= bounds.max_payload_bytes) return {};
    return too_large(std::string(what) + " of " + std::to_string(size) + " bytes",
                     "max_payload_bytes", bounds.max_payload_bytes);
  }

  [[nodiscard]] std::unexpected<error> too_large(const std::string& what, const char* bound,
                                                 std::size_t limit) const {
    return fail(errc::limit_exceeded, what + " for \"" + persistence_id.substr(0, 80) +
                                          "\" exceeds " + bound + " = " + std::to_string(limit));
  }

  [[nodiscard]] result<void> event(const event_record& e) const {
    if (auto ok = name("an event's manifest", e.manifest, true); !ok) return ok;
    if (auto ok = payload("an event", e.payload.size()); !ok) return ok;
    if (e.tags.size() > bounds.max_tags)
      return too_large("an event with " + std::to_string(e.tags.size()) + " tags", "max_tags",
                       bounds.max_tags);
    for (const auto& tag : e.tags)
      if (auto ok = name("a tag", tag, false); !ok) return ok;
    return {};
  }

  [[nodiscard]] result<void> message(const outbox_message& m) const {
    if (auto ok = name("an outbox message's id", m.id, true); !ok) return ok;
    if (auto ok = name("an outbox message's target", m.target, true); !ok) return ok;
    if (auto ok = name("an outbox message's manifest", m.manifest, true); !ok) return ok;
    return payload("an outbox message", m.payload.size());
  }

  [[nodiscard]] result<void> state(const append_request& r) const {
    if (!r.state) return {};
    if (!r.events.empty())
      return fail(errc::invalid_argument,
                  "an append for \"" + persistence_id + "\" has events and a state");
    if (auto ok = name("a state's manifest", r.state->manifest, true); !ok) return ok;
    if (r.state->payload.size() <= bounds.max_snapshot_bytes) return {};
    return too_large("a state of " + std::to_string(r.state->payload.size()) + " bytes",
                     "max_snapshot_bytes", bounds.max_snapshot_bytes);
  }

  [[nodiscard]] result<void> timer(const timer_record& t) const {
    if (auto ok = name("a timer's id", t.id, false); !ok) return ok;
    if (auto ok = name("a timer's manifest", t.manifest, true); !ok) return ok;
    return payload("a timer", t.payload.size());
  }

  [[nodiscard]] result<void> change(const timer_change& c) const {
    if (auto ok = name("a timer's id", c.timer_id, false); !ok) return ok;
    if (!c.set) return {};
    if (auto ok = timer(*c.set); !ok) return ok;
    if (c.set->id == c.timer_id) return {};
    return fail(errc::invalid_argument, "a change of the timer \"" + c.timer_id +
                                            "\" sets the timer \"" + c.set->id + "\"");
  }
};

}  // namespace

std::size_t weight(const event_record& e) noexcept {
  std::size_t sum = item_overhead + e.manifest.size() + e.payload.size();
  for (const auto& tag : e.tags) sum += tag.size();
  return sum;
}

std::size_t weight(const outbox_message& m) noexcept {
  return item_overhead + m.id.size() + m.target.size() + m.manifest.size() + m.payload.size();
}

std::size_t weight(const timer_record& t) noexcept {
  return item_overhead + t.id.size() + t.manifest.size() + t.payload.size();
}

std::size_t weight(const append_request& r) noexcept {
  std::size_t sum = item_overhead + r.persistence_id.size();
  for (const auto& e : r.events) sum += weight(e);
  for (const auto& m : r.outbox) sum += weight(m);
  for (const auto& t : r.set_timers) sum += weight(t);
  if (!r.change_timers.empty()) sum += weight(r.change_timers);
  for (const auto& id : r.cancel_timers) sum += item_overhead + id.size();
  for (const auto& m : r.marks) sum += item_overhead + m.name.size();
  if (r.state) sum += item_overhead + r.state->manifest.size() + r.state->payload.size();
  return sum;
}

std::size_t weight(const std::vector<timer_change>& changes) noexcept {
  std::size_t sum = item_overhead;
  for (const auto& c : changes)
    sum +=
        item_overhead + c.persistence_id.size() + c.timer_id.size() + (c.set ? weight(*c.set) : 0);
  return sum;
}

result<void> check_id(const std::string& persistence_id, const journal_options& bounds) {
  return bounds_check{bounds, persistence_id}.name("a persistence id", persistence_id, false);
}

result<void> check(const append_request& r, const journal_options& bounds) {
  const bounds_check c{bounds, r.persistence_id};
  if (auto ok = check_id(r.persistence_id, bounds); !ok) return ok;
  const std::size_t items = r.events.size() + r.outbox.size() + r.set_timers.size() +
                            r.change_timers.size() + r.cancel_timers.size() + r.marks.size();
  if (items > bounds.max_append_items)
    return c.too_large("an append of " + std::to_string(items) + " items", "max_append_items",
                       bounds.max_append_items);
  for (const auto& e : r.events)
    if (auto ok = c.event(e); !ok) return ok;
  for (const auto& m : r.outbox)
    if (auto ok = c.message(m); !ok) return ok;
  for (const auto& t : r.set_timers)
    if (auto ok = c.timer(t); !ok) return ok;
  for (const auto& change : r.change_timers) {
    if (change.persistence_id != r.persistence_id)
      return fail(errc::invalid_argument, "an append for \"" + r.persistence_id +
                                              "\" changes a timer of \"" + change.persistence_id +
                                              "\"");
    if (auto ok = c.change(change); !ok) return ok;
  }
  for (const auto& id : r.cancel_timers)
    if (auto ok = c.name("a timer's id", id, false); !ok) return ok;
  for (const auto& m : r.marks)
    if (auto ok = c.name("a mark's name", m.name, false); !ok) return ok;
  if (auto ok = c.state(r); !ok) return ok;
  const std::size_t sum = weight(r) - (r.state ? r.state->payload.size() : 0);
  if (sum > bounds.max_append_bytes)
    return c.too_large("an append of " + std::to_string(sum) + " bytes", "max_append_bytes",
                       bounds.max_append_bytes);
  return {};
}

result<void> check(const std::vector<timer_change>& changes, const journal_options& bounds) {
  const std::string many = std::to_string(changes.size()) + " changes of timers";
  if (changes.size() > bounds.max_append_items)
    return fail(errc::limit_exceeded,
                many + " exceed max_append_items = " + std::to_string(bounds.max_append_items));
  if (const std::size_t sum = weight(changes); sum > bounds.max_append_bytes)
    return fail(errc::limit_exceeded,
                many + " of " + std::to_string(sum) +
                    " bytes exceed max_append_bytes = " + std::to_string(bounds.max_append_bytes));
  for (const auto& change : changes) {
    if (auto ok = check_id(change.persistence_id, bounds); !ok) return ok;
    if (auto ok = bounds_check{bounds, change.persistence_id}.change(change); !ok) return ok;
  }
  return {};
}

result<void> check(const save_snapshot_request& r, const journal_options& bounds) {
  const bounds_check c{bounds, r.persistence_id};
  if (auto ok = check_id(r.persistence_id, bounds); !ok) return ok;
  if (auto ok = c.name("a snapshot's manifest", r.manifest, true); !ok) return ok;
  if (r.sequence == 0)
    return fail(errc::invalid_argument, "a snapshot of \"" + r.persistence_id +
                                            "\" at sequence 0: there is nothing to save yet");
  if (r.payload.size() > bounds.max_snapshot_bytes)
    return c.too_large("a snapshot of " + std::to_string(r.payload.size()) + " bytes",
                       "max_snapshot_bytes", bounds.max_snapshot_bytes);
  return {};
}

error not_the_writer(const std::string& persistence_id, std::uint64_t epoch, std::uint64_t newest) {
  if (newest == 0) return {errc::fenced, "\"" + persistence_id + "\" was never opened for writing"};
  if (epoch > newest)
    return {errc::fenced,
            "the writer of \"" + persistence_id + "\" has epoch " + std::to_string(epoch) +
                ", which was never given out: the newest is " + std::to_string(newest)};
  return {errc::fenced, "the writer of \"" + persistence_id + "\" has epoch " +
                            std::to_string(epoch) + ", and a newer one has taken over with epoch " +
                            std::to_string(newest)};
}

error not_the_last(const std::string& persistence_id, std::uint64_t expected,
                   std::uint64_t highest) {
  return {errc::version_conflict, "the last event or state of \"" + persistence_id +
                                      "\" has sequence " + std::to_string(highest) +
                                      ", and the append expected " + std::to_string(expected)};
}

error ahead_of_events(const std::string& persistence_id, std::uint64_t sequence,
                      std::uint64_t highest) {
  return {errc::version_conflict, "the snapshot of \"" + persistence_id + "\" is as of sequence " +
                                      std::to_string(sequence) + ", and the last event has " +
                                      std::to_string(highest)};
}

error keeps_states(const std::string& persistence_id) {
  return {errc::invalid_argument,
          "\"" + persistence_id + "\" keeps states: it has no events, and no snapshots of them"};
}

error keeps_events(const std::string& persistence_id) {
  return {errc::invalid_argument, "\"" + persistence_id + "\" has events, and so keeps no states"};
}

error lost_state(const std::string& persistence_id, std::uint64_t revision, std::string_view why) {
  return {errc::corrupt_record,
          "revision " + std::to_string(revision) + ", the newest of \"" + persistence_id +
              "\", cannot be read: " + std::string(why.empty() ? "it is not there" : why)};
}

stored_event to_stored(std::string persistence_id, const event_view& v) {
  return {.persistence_id = std::move(persistence_id),
          .sequence = v.sequence,
          .position = v.position,
          .epoch = v.epoch,
          .written = v.written,
          .event = {.manifest = std::string(v.manifest),
                    .version = v.version,
                    .payload = {v.payload.begin(), v.payload.end()},
                    .tags = {v.tags.begin(), v.tags.end()}}};
}

}  // namespace odeon::store
