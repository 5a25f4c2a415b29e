#include "persistence/internal/conformance.hpp"

namespace odeon::testing {

std::unexpected<error> not_held(const char* what, const char* file, int line) {
  return fail(errc::internal, std::string(what) + ", at " + file + ":" + std::to_string(line));
}

std::vector<std::byte> bytes_of(std::string_view text) {
  const auto raw = std::as_bytes(std::span(text));
  return {raw.begin(), raw.end()};
}

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

event_record event_of(std::string_view text, std::vector<std::string> tags) {
  return {.manifest = "test.event", .payload = bytes_of(text), .tags = std::move(tags)};
}

timer_record timer_of(std::string_view id, std::int64_t due_seconds) {
  return {.id = std::string(id),
          .due = wall_time(std::chrono::seconds(due_seconds)),
          .manifest = "test.timer",
          .version = 3,
          .payload = bytes_of("ring " + std::string(id))};
}

result<std::uint64_t> waiting_journal::open_writer(std::string id) {
  return wait_for<std::uint64_t>(
      *rt_, [&](auto done) { j_->open_writer(std::move(id), std::move(done)); });
}

result<append_ack> waiting_journal::append(append_request request) {
  return wait_for<append_ack>(*rt_,
                              [&](auto done) { j_->append(std::move(request), std::move(done)); });
}

result<append_ack> waiting_journal::append(std::string id, std::uint64_t epoch,
                                           std::uint64_t expected,
                                           std::vector<event_record> events) {
  return append({.persistence_id = std::move(id),
                 .epoch = epoch,
                 .expected_sequence = expected,
                 .events = std::move(events)});
}

result<void> waiting_journal::save_snapshot(save_snapshot_request request) {
  return wait_for<void>(*rt_,
                        [&](auto done) { j_->save_snapshot(std::move(request), std::move(done)); });
}

result<std::uint64_t> waiting_journal::delete_snapshots(snapshot_criteria which) {
  return wait_for<std::uint64_t>(
      *rt_, [&](auto done) { j_->delete_snapshots(std::move(which), std::move(done)); });
}

result<void> waiting_journal::acknowledge(std::vector<std::uint64_t> positions) {
  return wait_for<void>(
      *rt_, [&](auto done) { j_->acknowledge_outbox(std::move(positions), std::move(done)); });
}

result<std::uint64_t> waiting_journal::change(std::vector<timer_change> changes) {
  return wait_for<std::uint64_t>(
      *rt_, [&](auto done) { j_->change_timers(std::move(changes), std::move(done)); });
}

result<std::vector<stored_event>> waiting_journal::events(replay_request request) {
  return wait_for<std::vector<stored_event>>(
      *rt_, [&](auto done) { read_events(*j_, std::move(request), std::move(done)); });
}

result<std::uint64_t> waiting_journal::highest(std::string id) {
  return wait_for<std::uint64_t>(
      *rt_, [&](auto done) { j_->highest_sequence(std::move(id), std::move(done)); });
}

result<id_info> waiting_journal::describe(std::string id) {
  return wait_for<id_info>(*rt_, [&](auto done) { j_->describe(std::move(id), std::move(done)); });
}

result<std::vector<std::string>> waiting_journal::ids(std::string after, std::size_t max) {
  return wait_for<std::vector<std::string>>(
      *rt_, [&](auto done) { j_->persistence_ids(std::move(after), max, std::move(done)); });
}

result<std::vector<stored_event>> waiting_journal::by_tag(std::string tag, std::uint64_t after,
                                                          std::size_t max) {
  return wait_for<std::vector<stored_event>>(
      *rt_, [&](auto done) { j_->by_tag(std::move(tag), after, max, std::move(done)); });
}

result<loaded_snapshot> waiting_journal::snapshot(snapshot_criteria which) {
  return wait_for<loaded_snapshot>(
      *rt_, [&](auto done) { j_->load_snapshot(std::move(which), std::move(done)); });
}

result<std::vector<snapshot_info>> waiting_journal::snapshots(snapshot_criteria which,
                                                              std::size_t max) {
  return wait_for<std::vector<snapshot_info>>(
      *rt_, [&](auto done) { j_->snapshots_of(std::move(which), max, std::move(done)); });
}

result<std::uint64_t> waiting_journal::mark(std::string id, std::string name) {
  return wait_for<std::uint64_t>(
      *rt_, [&](auto done) { j_->read_mark(std::move(id), std::move(name), std::move(done)); });
}

result<std::vector<mark_record>> waiting_journal::marks(std::string id, std::string after,
                                                        std::size_t max) {
  return wait_for<std::vector<mark_record>>(*rt_, [&](auto done) {
    j_->marks_of(std::move(id), std::move(after), max, std::move(done));
  });
}

result<std::vector<stored_timer>> waiting_journal::due(wall_time until, timer_cursor after,
                                                       std::size_t max) {
  return wait_for<std::vector<stored_timer>>(
      *rt_, [&](auto done) { j_->timers_due(until, std::move(after), max, std::move(done)); });
}

result<std::vector<timer_record>> waiting_journal::timers_of(std::string id) {
  return wait_for<std::vector<timer_record>>(
      *rt_, [&](auto done) { j_->timers_of(std::move(id), std::move(done)); });
}

result<std::vector<outbox_entry>> waiting_journal::outbox(std::uint64_t after, std::size_t max) {
  return wait_for<std::vector<outbox_entry>>(
      *rt_, [&](auto done) { j_->take_outbox(after, max, std::move(done)); });
}

waiting_journal::recovery waiting_journal::recover(recover_request request) {
  recovery out;
  out.end = wait_for<recovery_report>(*rt_, [&](auto done) {
    recovery_callbacks callbacks;
    callbacks.on_snapshot = [&](const stored_snapshot& s) -> result<void> {
      out.steps.push_back("snapshot " + std::to_string(s.sequence) + " " + text_of(s.payload));
      return {};
    };
    callbacks.on_event = [&](const event_view& e) -> result<void> {
      out.steps.push_back("event " + std::to_string(e.sequence) + " " + text_of(e.payload));
      return {};
    };
    callbacks.on_end = std::move(done);
    j_->recover(std::move(request), std::move(callbacks));
  });
  return out;
}

result<waiting_journal> open(journal_fixture& on, journal_options bounds) {
  auto j = on.open(bounds);
  if (!j) return std::unexpected(std::move(j.error()));
  return waiting_journal(on.rt(), std::move(*j));
}

std::string payloads(const std::vector<stored_event>& events) {
  std::string out;
  for (const auto& e : events) out += (out.empty() ? "" : " ") + text_of(e.event.payload);
  return out;
}

std::span<const journal_check> journal_checks() {
  static const std::vector<journal_check> all = [] {
    std::vector<journal_check> list;
    for (const auto part : {append_checks(), bound_checks(), read_checks(), snapshot_checks(),
                            state_checks(), timer_checks(), life_checks()})
      list.insert(list.end(), part.begin(), part.end());
    return list;
  }();
  return all;
}

}  // namespace odeon::testing
