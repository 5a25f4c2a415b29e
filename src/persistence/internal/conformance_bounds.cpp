#include "persistence/internal/conformance.hpp"

#include <array>
#include <atomic>

namespace odeon::testing {

namespace {

result<void> large_events(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  std::vector<std::string> texts;
  for (const std::size_t size : {0u, 1u, 4095u, 65'536u, 1'000'000u, 5'000'000u, 3u}) {
    std::string text(size, '.');
    for (std::size_t k = 0; k < size; k += 97) text[k] = static_cast<char>('a' + (k / 97) % 26);
    texts.push_back(std::move(text));
    ODEON_VALUE(ack, j.append("a", epoch, texts.size() - 1, {event_of(texts.back())}));
    ODEON_EXPECT(ack.sequence == texts.size());
  }
  ODEON_VALUE(all, j.events("a"));
  ODEON_EXPECT(all.size() == texts.size());
  for (std::size_t k = 0; k < all.size(); ++k)
    ODEON_EXPECT(text_of(all[k].event.payload) == texts[k]);
  return {};
}

result<void> many_events_at_once(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  append_request r{.persistence_id = "a", .epoch = epoch};
  for (int k = 1; k <= 5000; ++k) r.events.push_back(event_of(std::to_string(k)));
  ODEON_VALUE(ack, j.append(std::move(r)));
  ODEON_EXPECT(ack.sequence == 5000);
  ODEON_VALUE(all, j.events("a"));
  ODEON_EXPECT(all.size() == 5000);
  for (std::size_t k = 0; k < all.size(); ++k)
    ODEON_EXPECT(text_of(all[k].event.payload) == std::to_string(k + 1));
  return {};
}

result<void> any_name(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  const std::vector<std::string> names{"'; DROP TABLE events; --",
                                       "konto/\xc3\xa4\xc3\xb6\xc3\xbc",
                                       "a b\tc\n",
                                       "\xff\xfe not UTF-8",
                                       "%_?*",
                                       std::string(512, 'x')};
  for (const auto& name : names) {
    ODEON_VALUE(epoch, j.open_writer(name));
    ODEON_VALUE(ack, j.append(name, epoch, 0, {event_of(name, {name})}));
    ODEON_EXPECT(ack.sequence == 1);
  }
  for (const auto& name : names) {
    ODEON_VALUE(all, j.events(name));
    ODEON_EXPECT(payloads(all) == name);
    ODEON_VALUE(tagged, j.by_tag(name));
    ODEON_EXPECT(tagged.size() == 1 && tagged[0].persistence_id == name);
  }
  ODEON_VALUE(ids, j.ids());
  ODEON_EXPECT(ids.size() == names.size());
  return {};
}

result<void> what_is_too_large_is_refused(journal_fixture& on) {
  journal_options bounds;
  bounds.max_payload_bytes = 100;
  bounds.max_snapshot_bytes = 100;
  bounds.max_append_bytes = 1000;
  bounds.max_append_items = 5;
  bounds.max_name_bytes = 20;
  bounds.max_tags = 2;
  ODEON_VALUE(j, open(on, bounds));
  ODEON_VALUE(epoch, j.open_writer("a"));
  const std::string long_name(21, 'n');
  const std::string large(101, 'p');
  ODEON_EXPECT_ERROR(j.open_writer(long_name), errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.open_writer(""), errc::invalid_argument);
  ODEON_EXPECT_ERROR(j.open_writer(std::string("a\0b", 3)), errc::invalid_argument);
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, {event_of(large)}), errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, {event_of("x", {"1", "2", "3"})}),
                     errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, {event_of("x", {long_name})}), errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, {event_of("x", {""})}), errc::invalid_argument);
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, {{.manifest = long_name}}), errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, std::vector<event_record>(6)), errc::limit_exceeded);
  const std::string most(100, 'p');
  append_request sum{.persistence_id = "a", .epoch = epoch};
  sum.events = {event_of(most), event_of(most), event_of(most)};
  sum.outbox = {{.id = "m", .payload = bytes_of(most)}};
  ODEON_VALUE(fits, j.append(sum));
  ODEON_EXPECT(fits.sequence == 3);
  bounds.max_append_bytes = 400;
  append_request timer{.persistence_id = "a", .epoch = epoch, .expected_sequence = 3};
  timer.set_timers = {{.id = "t", .due = wall_time(), .payload = bytes_of(large)}};
  ODEON_EXPECT_ERROR(j.append(timer), errc::limit_exceeded);
  timer.set_timers = {{.id = ""}};
  ODEON_EXPECT_ERROR(j.append(timer), errc::invalid_argument);
  ODEON_EXPECT_ERROR(
      j.save_snapshot(
          {.persistence_id = "a", .epoch = epoch, .sequence = 1, .payload = bytes_of(large)}),
      errc::limit_exceeded);
  const auto state = [&](std::string_view payload) {
    append_request r{.persistence_id = "s", .epoch = 1};
    r.state = state_record{.manifest = "test.state", .payload = bytes_of(payload)};
    return r;
  };
  ODEON_VALUE(of_state, j.open_writer("s"));
  ODEON_EXPECT(of_state == 1);
  ODEON_EXPECT_ERROR(j.append(state(large)), errc::limit_exceeded);
  append_request both = state(most);
  both.events = {event_of("x")};
  ODEON_EXPECT_ERROR(j.append(std::move(both)), errc::invalid_argument);
  append_request mark{.persistence_id = "s", .epoch = 1};
  mark.marks = {{.name = long_name, .value = 1}};
  ODEON_EXPECT_ERROR(j.append(mark), errc::limit_exceeded);
  mark.marks = {{.name = "", .value = 1}};
  ODEON_EXPECT_ERROR(j.append(mark), errc::invalid_argument);
  mark.marks = std::vector<mark_record>(6, {.name = "m", .value = 1});
  ODEON_EXPECT_ERROR(j.append(mark), errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.change({{.persistence_id = "s", .timer_id = long_name}}),
                     errc::limit_exceeded);
  ODEON_EXPECT_ERROR(j.change({{.persistence_id = "", .timer_id = "t"}}), errc::invalid_argument);
  ODEON_EXPECT_ERROR(
      j.change({{.persistence_id = "s", .timer_id = "t", .set = timer_of("other", 1)}}),
      errc::invalid_argument);
  ODEON_EXPECT_ERROR(j.change(std::vector<timer_change>(
                         6, {.persistence_id = "s", .timer_id = "t", .set = timer_of("t", 1)})),
                     errc::limit_exceeded);
  ODEON_VALUE(no_state, j.highest("s"));
  ODEON_VALUE(no_timers, j.timers_of("s"));
  ODEON_EXPECT(no_state == 0 && no_timers.empty());
  j->close();
  ODEON_VALUE(tighter, open(on, bounds));
  ODEON_VALUE(newer, tighter.open_writer("a"));
  sum.epoch = newer;
  sum.expected_sequence = 3;
  ODEON_EXPECT_ERROR(tighter.append(sum), errc::limit_exceeded);
  ODEON_VALUE(all, tighter.events("a"));
  ODEON_EXPECT(all.size() == 3);
  return {};
}

// However many are refused for want of room, each completes once, and what was acknowledged is
// there.
result<void> a_flood_is_bounded(journal_fixture& on) {
  constexpr std::uint32_t count = 2000;
  journal_options bounds;
  bounds.max_pending_appends = 8;
  ODEON_VALUE(j, open(on, bounds));
  std::vector<std::uint64_t> epochs;
  for (std::uint32_t k = 0; k < 8; ++k) {
    ODEON_VALUE(epoch, j.open_writer("w" + std::to_string(k)));
    epochs.push_back(epoch);
  }
  std::atomic<std::uint32_t> left{count};
  std::atomic<std::uint32_t> stored{0};
  std::atomic<std::uint32_t> strange{0};
  for (std::uint32_t k = 0; k < count; ++k) {
    append_request r{.persistence_id = "w" + std::to_string(k % 8), .epoch = epochs[k % 8]};
    r.outbox.push_back({.id = std::to_string(k)});
    j->append(std::move(r), [&](result<append_ack> ack) {
      if (ack) stored += 1;
      if (!ack && ack.error() != errc::limit_exceeded) strange += 1;
      if (left.fetch_sub(1) == 1) on.rt().wake(left);
    });
    ODEON_EXPECT(j->stats().pending_appends <= bounds.max_pending_appends);
  }
  for (auto now = left.load(); now != 0; now = left.load())
    on.rt().wait(left, now, time_point::max());
  ODEON_EXPECT(strange == 0);
  ODEON_EXPECT(stored >= bounds.max_pending_appends);
  ODEON_VALUE(messages, j.outbox(0, count));
  ODEON_EXPECT(messages.size() == stored);
  bounds.max_pending_bytes = 1000;
  j->close();
  ODEON_VALUE(tighter, open(on, bounds));
  ODEON_VALUE(epoch, tighter.open_writer("a"));
  ODEON_EXPECT_ERROR(tighter.append("a", epoch, 0, {event_of(std::string(1000, 'x'))}),
                     errc::limit_exceeded);
  ODEON_VALUE(ack, tighter.append("a", epoch, 0, {event_of("x")}));
  ODEON_EXPECT(ack.sequence == 1 && tighter->stats().pending_appends == 0 &&
               tighter->stats().pending_bytes == 0);
  return {};
}

constexpr std::array checks{
    journal_check{"events of any size up to the bound come back whole", large_events},
    journal_check{"thousands of events fit into one append", many_events_at_once},
    journal_check{"ids and tags may hold any bytes but NUL", any_name},
    journal_check{"what is larger than a bound is refused and leaves nothing",
                  what_is_too_large_is_refused},
    journal_check{"a flood is refused beyond the bound and never lost below it",
                  a_flood_is_bounded},
};

}  // namespace

std::span<const journal_check> bound_checks() { return checks; }

}  // namespace odeon::testing
