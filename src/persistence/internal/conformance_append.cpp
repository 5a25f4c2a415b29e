#include "persistence/internal/conformance.hpp"
#include <odeon/runtime/serial_executor.hpp>

#include <array>
#include <atomic>
#include <set>

namespace odeon::testing {

namespace {

result<void> events_come_back(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  event_record odd{.manifest = "", .version = 7, .payload = {}, .tags = {"red", "blue"}};
  ODEON_VALUE(first, j.append("a", epoch, 0, {event_of("one"), odd}));
  ODEON_EXPECT(first.sequence == 2);
  ODEON_VALUE(second, j.append("a", epoch, 2, {event_of("three")}));
  ODEON_EXPECT(second.sequence == 3);
  ODEON_EXPECT(second.position > first.position);
  ODEON_VALUE(all, j.events("a"));
  ODEON_EXPECT(all.size() == 3);
  for (std::size_t k = 0; k < all.size(); ++k) {
    ODEON_EXPECT(all[k].persistence_id == "a");
    ODEON_EXPECT(all[k].sequence == k + 1);
    ODEON_EXPECT(all[k].epoch == epoch);
    ODEON_EXPECT(k == 0 || all[k].position > all[k - 1].position);
    ODEON_EXPECT(k == 0 || all[k].written >= all[k - 1].written);
  }
  ODEON_EXPECT(all[1].position == first.position);
  ODEON_EXPECT(text_of(all[0].event.payload) == "one");
  ODEON_EXPECT(all[0].event.manifest == "test.event" && all[0].event.version == 1);
  ODEON_EXPECT(all[1].event.manifest.empty() && all[1].event.version == 7);
  ODEON_EXPECT(all[1].event.payload.empty());
  ODEON_EXPECT((all[1].event.tags == std::vector<std::string>{"red", "blue"}));
  return {};
}

result<void> another_expectation_is_refused(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  ODEON_VALUE(ack, j.append("a", epoch, 0, {event_of("one"), event_of("two")}));
  ODEON_EXPECT(ack.sequence == 2);
  for (const std::uint64_t expected : {0u, 1u, 3u, 17u}) {
    const auto refused = j.append("a", epoch, expected, {event_of("no")});
    ODEON_EXPECT_ERROR(refused, errc::version_conflict);
    const std::string text(refused.error().text());
    ODEON_EXPECT(text.find('2') != std::string::npos);
    ODEON_EXPECT(text.find(std::to_string(expected)) != std::string::npos);
    ODEON_EXPECT(text.find("\"a\"") != std::string::npos);
  }
  ODEON_VALUE(all, j.events("a"));
  ODEON_EXPECT(payloads(all) == "one two");
  return {};
}

result<void> only_the_newest_writer_writes(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_EXPECT_ERROR(j.append("a", 0, 0, {event_of("no")}), errc::fenced);
  ODEON_EXPECT_ERROR(j.append("a", 1, 0, {event_of("no")}), errc::fenced);
  ODEON_VALUE(older, j.open_writer("a"));
  ODEON_EXPECT(older > 0);
  ODEON_VALUE(ack, j.append("a", older, 0, {event_of("one")}));
  ODEON_VALUE(newer, j.open_writer("a"));
  ODEON_EXPECT(newer > older);
  const auto refused = j.append("a", older, 1, {event_of("no")});
  ODEON_EXPECT_ERROR(refused, errc::fenced);
  ODEON_EXPECT(refused.error().text().find("\"a\"") != std::string_view::npos);
  ODEON_EXPECT_ERROR(j.append("a", newer + 1, 1, {event_of("no")}), errc::fenced);
  ODEON_EXPECT_ERROR(j.append("a", older, 1, {}), errc::fenced);
  ODEON_VALUE(next, j.append("a", newer, ack.sequence, {event_of("two")}));
  ODEON_EXPECT(next.sequence == 2);
  ODEON_VALUE(other, j.open_writer("b"));
  ODEON_EXPECT_ERROR(j.append("b", other + 7, 0, {event_of("no")}), errc::fenced);
  ODEON_VALUE(all, j.events("a"));
  ODEON_EXPECT(payloads(all) == "one two");
  return {};
}

append_request everything(std::uint64_t epoch, std::uint64_t expected) {
  append_request r{.persistence_id = "a", .epoch = epoch, .expected_sequence = expected};
  r.events = {event_of("x", {"tag"}), event_of("y", {"tag"})};
  r.outbox.push_back(
      {.id = "m", .target = "b", .manifest = "test.message", .payload = bytes_of("hi")});
  r.set_timers.push_back(timer_of("t", 10));
  return r;
}

result<void> all_or_nothing(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  ODEON_EXPECT_ERROR(j.append(everything(epoch, 5)), errc::version_conflict);
  ODEON_EXPECT_ERROR(j.append(everything(epoch + 1, 0)), errc::fenced);
  const wall_time late(std::chrono::seconds(1000));
  ODEON_VALUE(no_events, j.by_tag("tag"));
  ODEON_VALUE(no_messages, j.outbox());
  ODEON_VALUE(no_timers, j.due(late));
  ODEON_EXPECT(no_events.empty() && no_messages.empty() && no_timers.empty());
  ODEON_VALUE(ack, j.append(everything(epoch, 0)));
  ODEON_EXPECT(ack.sequence == 2);
  ODEON_VALUE(events, j.by_tag("tag"));
  ODEON_VALUE(messages, j.outbox());
  ODEON_VALUE(timers, j.due(late));
  ODEON_EXPECT(events.size() == 2 && messages.size() == 1 && timers.size() == 1);
  ODEON_EXPECT(messages[0].persistence_id == "a" && messages[0].sequence == 2);
  return {};
}

result<void> appends_without_events(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  ODEON_VALUE(nothing, j.append("a", epoch, 0, {}));
  ODEON_EXPECT(nothing.sequence == 0 && nothing.position == 0);
  append_request timers{.persistence_id = "a", .epoch = epoch};
  timers.set_timers = {timer_of("t", 1), timer_of("u", 2)};
  timers.outbox.push_back({.id = "m", .target = "b"});
  ODEON_VALUE(ack, j.append(std::move(timers)));
  ODEON_EXPECT(ack.sequence == 0);
  ODEON_VALUE(stored, j.timers_of("a"));
  ODEON_EXPECT(stored.size() == 2);
  ODEON_VALUE(messages, j.outbox());
  ODEON_EXPECT(messages.size() == 1 && messages[0].sequence == 0);
  ODEON_VALUE(highest, j.highest("a"));
  ODEON_EXPECT(highest == 0);
  ODEON_VALUE(ids, j.ids());
  ODEON_EXPECT(ids == std::vector<std::string>{"a"});
  ODEON_EXPECT_ERROR(j.append("a", epoch, 1, {}), errc::version_conflict);
  return {};
}

// Appends that are on their way together, some of which must fail.
result<void> a_refused_one_leaves_the_others(journal_fixture& on) {
  constexpr std::size_t count = 400;
  ODEON_VALUE(j, open(on));
  std::vector<std::uint64_t> epochs;
  for (std::size_t k = 0; k < 4; ++k) {
    ODEON_VALUE(epoch, j.open_writer("w" + std::to_string(k)));
    epochs.push_back(epoch);
  }
  struct shared_state {
    std::atomic<std::uint32_t> left{count};
    std::vector<result<append_ack>> acks = std::vector<result<append_ack>>(count);
    std::vector<std::size_t> order;
  } shared;
  for (std::size_t k = 0; k < count; ++k) {
    const std::size_t writer = k % 4;
    const bool wrong = k % 7 == 3;
    append_request r{.persistence_id = "w" + std::to_string(writer), .epoch = epochs[writer]};
    std::uint64_t good_before = 0;
    for (std::size_t e = writer; e < k; e += 4) good_before += e % 7 == 3 ? 0 : 1;
    r.expected_sequence = good_before + (wrong ? 1000 : 0);
    r.events.push_back(event_of(std::to_string(k)));
    j->append(std::move(r), [&shared, &on, k](result<append_ack> ack) {
      shared.acks[k] = std::move(ack);
      shared.order.push_back(k);
      if (shared.left.fetch_sub(1) == 1) on.rt().wake(shared.left);
    });
  }
  for (auto now = shared.left.load(); now != 0; now = shared.left.load())
    on.rt().wait(shared.left, now, time_point::max());
  for (std::size_t k = 0; k < count; ++k) {
    ODEON_EXPECT(shared.order[k] == k);  // completions come in the order of acceptance
    if (k % 7 == 3) {
      ODEON_EXPECT_ERROR(shared.acks[k], errc::version_conflict);
    } else {
      ODEON_EXPECT(shared.acks[k].has_value());
    }
  }
  std::size_t stored = 0;
  for (std::size_t w = 0; w < 4; ++w) {
    ODEON_VALUE(all, j.events("w" + std::to_string(w)));
    stored += all.size();
    for (std::size_t k = 1; k < all.size(); ++k)
      ODEON_EXPECT(all[k].position > all[k - 1].position && all[k].sequence == k + 1);
  }
  ODEON_EXPECT(stored == count - (count - 3 + 6) / 7);
  return {};
}

// A chain of appends on a thread of its own: the next one is sent when the last one was
// acknowledged.
struct chain {
  journal_fixture& on;
  journal& j;
  serial_executor& thread;
  std::string id;
  std::uint64_t epoch = 0;
  std::uint64_t target = 0;
  std::atomic<std::uint32_t>& left;
  std::uint64_t sequence = 0;
  result<void> failed{};

  void next() {
    thread.post([this] {
      append_request r{.persistence_id = id, .epoch = epoch, .expected_sequence = sequence};
      r.events.push_back(event_of(id + "/" + std::to_string(sequence + 1)));
      j.append(std::move(r), [this](result<append_ack> ack) {
        if (!ack) failed = std::unexpected(ack.error());
        if (ack) sequence = ack->sequence;
        if (ack && sequence < target) return next();
        if (left.fetch_sub(1) == 1) on.rt().wake(left);
      });
    });
  }
};

result<void> writers_on_several_threads(journal_fixture& on) {
  constexpr std::size_t threads = 4;
  constexpr std::size_t writers = 10;  // on each
  constexpr std::uint64_t each = 40;
  ODEON_VALUE(j, open(on));
  std::vector<std::unique_ptr<serial_executor>> executors;
  for (std::size_t t = 0; t < threads; ++t) executors.push_back(on.rt().make_serial("writer"));
  std::atomic<std::uint32_t> left{threads * writers};
  std::vector<std::unique_ptr<chain>> chains;
  for (std::size_t k = 0; k < threads * writers; ++k) {
    const std::string id = "w" + std::to_string(k);
    ODEON_VALUE(epoch, j.open_writer(id));
    chains.push_back(std::unique_ptr<chain>(
        new chain{on, j.get(), *executors[k % threads], id, epoch, each, left}));
  }
  for (auto& c : chains) c->next();
  for (auto now = left.load(); now != 0; now = left.load())
    on.rt().wait(left, now, time_point::max());
  std::set<std::uint64_t> positions;
  for (const auto& c : chains) {
    ODEON_EXPECT(c->failed.has_value());
    ODEON_VALUE(all, j.events(c->id));
    ODEON_EXPECT(all.size() == each);
    for (std::size_t k = 0; k < all.size(); ++k) {
      ODEON_EXPECT(text_of(all[k].event.payload) == c->id + "/" + std::to_string(k + 1));
      positions.insert(all[k].position);
    }
  }
  ODEON_EXPECT(positions.size() == threads * writers * each);
  return {};
}

constexpr std::array checks{
    journal_check{"events come back in order with all that was stored of them", events_come_back},
    journal_check{"an append that expects another sequence is refused, naming both",
                  another_expectation_is_refused},
    journal_check{"only the writer with the newest epoch may append",
                  only_the_newest_writer_writes},
    journal_check{"an append stores all of it or nothing", all_or_nothing},
    journal_check{"an append without events stores its timers and messages",
                  appends_without_events},
    journal_check{"a refused append leaves the others of its transaction alone",
                  a_refused_one_leaves_the_others},
    journal_check{"writers on several threads share a journal", writers_on_several_threads},
};

}  // namespace

std::span<const journal_check> append_checks() { return checks; }

}  // namespace odeon::testing
