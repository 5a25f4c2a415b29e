#include "persistence/internal/conformance.hpp"

#include <array>

namespace odeon::testing {

namespace {

result<void> fill(waiting_journal& j, const std::string& id, int count) {
  ODEON_VALUE(epoch, j.open_writer(id));
  for (int k = 1; k <= count; ++k) {
    ODEON_VALUE(
        ack, j.append(id, epoch, static_cast<std::uint64_t>(k) - 1, {event_of(std::to_string(k))}));
    ODEON_EXPECT(ack.sequence == static_cast<std::uint64_t>(k));
  }
  return {};
}

result<void> ranges(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  if (auto ok = fill(j, "a", 20); !ok) return ok;
  const auto read = [&](std::uint64_t from, std::uint64_t to, std::uint64_t max = UINT64_MAX) {
    auto events = j.events(
        {.persistence_id = "a", .from_sequence = from, .to_sequence = to, .max_events = max});
    return events ? payloads(*events) : events.error().to_string();
  };
  ODEON_EXPECT(read(3, 5) == "3 4 5");
  ODEON_EXPECT(read(20, 20) == "20");
  ODEON_EXPECT(read(19, 1000) == "19 20");
  ODEON_EXPECT(read(0, 2) == "1 2");
  ODEON_EXPECT(read(21, 30).empty());
  ODEON_EXPECT(read(5, 4).empty());
  ODEON_EXPECT(read(7, UINT64_MAX, 2) == "7 8");
  ODEON_EXPECT(read(7, UINT64_MAX, 0).empty());
  ODEON_EXPECT(read(UINT64_MAX, UINT64_MAX).empty());
  ODEON_VALUE(highest, j.highest("a"));
  ODEON_EXPECT(highest == 20);
  ODEON_VALUE(none, j.highest("nobody"));
  ODEON_EXPECT(none == 0);
  ODEON_VALUE(nothing, j.events("nobody"));
  ODEON_EXPECT(nothing.empty());
  return {};
}

result<void> visitors(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  if (auto ok = fill(j, "a", 10); !ok) return ok;
  std::uint64_t seen = 0;
  const auto replay = [&](journal::event_visitor visitor) {
    seen = 0;
    return wait_for<replay_report>(on.rt(), [&](auto done) {
      j->replay({.persistence_id = "a"}, std::move(visitor), std::move(done));
    });
  };
  ODEON_VALUE(report, replay([&](const event_view& e) -> result<void> {
                seen = e.sequence;
                return {};
              }));
  ODEON_EXPECT(report.events == 10 && report.highest_sequence == 10 && seen == 10);
  const auto stopped = replay([&](const event_view& e) -> result<void> {
    seen = e.sequence;
    if (e.sequence == 4) return fail(errc::refused, "enough");
    return {};
  });
  ODEON_EXPECT_ERROR(stopped, errc::refused);
  ODEON_EXPECT(seen == 4);
  const auto threw = replay([&](const event_view& e) -> result<void> {
    seen = e.sequence;
    if (e.sequence == 6) throw std::runtime_error("oh dear");
    return {};
  });
  ODEON_EXPECT_ERROR(threw, errc::handler_failed);
  ODEON_EXPECT(seen == 6 && threw.error().text().find("oh dear") != std::string_view::npos);
  ODEON_VALUE(again, j.events("a"));
  ODEON_EXPECT(again.size() == 10);
  return {};
}

result<void> ids_in_pages(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(none, j.ids());
  ODEON_EXPECT(none.empty());
  for (const char* id : {"d", "b", "a", "e", "c", "B"}) {
    ODEON_VALUE(epoch, j.open_writer(id));
    ODEON_EXPECT(epoch == 1);
  }
  ODEON_VALUE(all, j.ids());
  ODEON_EXPECT((all == std::vector<std::string>{"B", "a", "b", "c", "d", "e"}));
  ODEON_VALUE(page, j.ids("a", 2));
  ODEON_EXPECT((page == std::vector<std::string>{"b", "c"}));
  ODEON_VALUE(end, j.ids("e", 2));
  ODEON_EXPECT(end.empty());
  return {};
}

result<void> tags(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(a, j.open_writer("a"));
  ODEON_VALUE(b, j.open_writer("b"));
  ODEON_VALUE(a2, j.append("a", a, 0, {event_of("a1", {"red", "red"}), event_of("a2", {"blue"})}));
  ODEON_VALUE(b2, j.append("b", b, 0, {event_of("b1", {"red", "blue"}), event_of("b2")}));
  ODEON_VALUE(a4, j.append("a", a, 2, {event_of("a3"), event_of("a4", {"red"})}));
  ODEON_EXPECT(a2.position < b2.position && b2.position < a4.position);
  ODEON_VALUE(red, j.by_tag("red"));
  ODEON_EXPECT(payloads(red) == "a1 b1 a4");
  ODEON_EXPECT(red[0].position < red[1].position && red[2].position == a4.position);
  ODEON_EXPECT(red[1].persistence_id == "b" && red[1].sequence == 1);
  ODEON_VALUE(blue, j.by_tag("blue"));
  ODEON_EXPECT(payloads(blue) == "a2 b1");
  ODEON_VALUE(page, j.by_tag("red", red[0].position, 1));
  ODEON_EXPECT(payloads(page) == "b1");
  ODEON_VALUE(end, j.by_tag("red", a4.position));
  ODEON_VALUE(none, j.by_tag("green"));
  ODEON_EXPECT(end.empty() && none.empty());
  return {};
}

result<void> timers(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  const auto at = [](std::int64_t s) { return wall_time(std::chrono::seconds(s)); };
  ODEON_VALUE(b, j.open_writer("b"));
  ODEON_VALUE(a, j.open_writer("a"));
  ODEON_VALUE(first, j.append({.persistence_id = "b",
                               .epoch = b,
                               .set_timers = {timer_of("x", 5), timer_of("y", 3)}}));
  ODEON_VALUE(second, j.append({.persistence_id = "a",
                                .epoch = a,
                                .set_timers = {timer_of("x", 5), timer_of("z", -1)}}));
  ODEON_EXPECT(first.sequence == 0 && second.sequence == 0);
  const auto names = [](const std::vector<stored_timer>& list) {
    std::string out;
    for (const auto& t : list) out += t.persistence_id + t.timer.id + " ";
    return out;
  };
  ODEON_VALUE(all, j.due(at(100)));
  ODEON_EXPECT(names(all) == "az by bx ax ");
  ODEON_EXPECT(all[1].timer.due == at(3) && all[1].timer.manifest == "test.timer" &&
               all[1].timer.version == 3);
  ODEON_EXPECT(text_of(all[1].timer.payload) == "ring y");
  ODEON_VALUE(some, j.due(at(3)));
  ODEON_EXPECT(names(some) == "az by ");
  std::string paged;
  timer_cursor cursor;
  while (true) {
    ODEON_VALUE(page, j.due(at(5), cursor, 1));
    if (page.empty()) break;
    paged += names(page);
    cursor = {page[0].timer.due, page[0].persistence_id, page[0].timer.id};
  }
  ODEON_EXPECT(paged == "az by bx ax ");
  append_request change{.persistence_id = "b", .epoch = b};
  change.cancel_timers = {"y", "not there"};
  change.set_timers = {timer_of("x", 50)};
  ODEON_VALUE(third, j.append(std::move(change)));
  ODEON_EXPECT(third.sequence == 0);
  ODEON_VALUE(left, j.due(at(100)));
  ODEON_EXPECT(names(left) == "az ax bx ");
  ODEON_VALUE(of_b, j.timers_of("b"));
  ODEON_EXPECT(of_b.size() == 1 && of_b[0].id == "x" && of_b[0].due == at(50));
  ODEON_VALUE(of_nobody, j.timers_of("nobody"));
  ODEON_EXPECT(of_nobody.empty());
  return {};
}

result<void> messages(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  for (int k = 0; k < 5; ++k) {
    append_request r{
        .persistence_id = "a", .epoch = epoch, .expected_sequence = static_cast<std::uint64_t>(k)};
    r.events.push_back(event_of("e"));
    r.outbox.push_back({.id = "m" + std::to_string(k),
                        .target = "t",
                        .manifest = "test.message",
                        .version = 4,
                        .payload = bytes_of("p")});
    ODEON_VALUE(ack, j.append(std::move(r)));
    ODEON_EXPECT(ack.sequence == static_cast<std::uint64_t>(k) + 1);
  }
  ODEON_VALUE(all, j.outbox());
  ODEON_EXPECT(all.size() == 5);
  for (std::size_t k = 0; k < 5; ++k) {
    ODEON_EXPECT(all[k].message.id == "m" + std::to_string(k) && all[k].sequence == k + 1);
    ODEON_EXPECT(k == 0 || all[k].position > all[k - 1].position);
  }
  ODEON_EXPECT(all[0].message.target == "t" && all[0].message.manifest == "test.message");
  ODEON_EXPECT(all[0].message.version == 4 && text_of(all[0].message.payload) == "p");
  ODEON_VALUE(page, j.outbox(all[1].position, 2));
  ODEON_EXPECT(page.size() == 2 && page[0].message.id == "m2");
  const auto acked = j.acknowledge({all[0].position, all[4].position, all[4].position + 1000});
  ODEON_EXPECT(acked.has_value());
  const auto again = j.acknowledge({all[0].position});
  ODEON_EXPECT(again.has_value());
  ODEON_VALUE(left, j.outbox());
  ODEON_EXPECT(left.size() == 3 && left[0].message.id == "m1");
  // Positions are not used again, not even after the highest one was removed and the journal opened
  // anew.
  j->close();
  ODEON_VALUE(reopened, open(on));
  ODEON_VALUE(newer, reopened.open_writer("a"));
  append_request r{.persistence_id = "a", .epoch = newer, .expected_sequence = 5};
  r.outbox.push_back({.id = "late"});
  ODEON_VALUE(ack, reopened.append(std::move(r)));
  ODEON_VALUE(later, reopened.outbox());
  ODEON_EXPECT(ack.sequence == 5 && later.back().message.id == "late");
  ODEON_EXPECT(later.back().position > all[4].position);
  return {};
}

result<void> reads_see_acknowledged_writes(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  for (std::uint64_t k = 0; k < 100; ++k) {
    ODEON_VALUE(ack, j.append("a", epoch, k, {event_of(std::string(200, 'x'), {"t"})}));
    ODEON_VALUE(highest, j.highest("a"));
    ODEON_VALUE(all, j.events("a"));
    ODEON_VALUE(last, j.events({.persistence_id = "a", .from_sequence = k + 1}));
    ODEON_VALUE(tagged, j.by_tag("t", ack.position - 1));
    ODEON_EXPECT(highest == k + 1 && all.size() == k + 1 && last.size() == 1 && tagged.size() == 1);
  }
  return {};
}

// A visitor that waits for an append of its own would wait for ever if a read held up the writer.
result<void> a_slow_replay_holds_up_nobody(journal_fixture& on) {
  if (on.rt().is_simulated()) return {};
  ODEON_VALUE(j, open(on));
  if (auto ok = fill(j, "a", 5); !ok) return ok;
  ODEON_VALUE(epoch, j.open_writer("b"));
  std::uint64_t written = 0;
  const auto ended = wait_for<replay_report>(on.rt(), [&](auto done) {
    j->replay(
        {.persistence_id = "a"},
        [&](const event_view&) -> result<void> {
          auto ack = j.append("b", epoch, written, {event_of("meanwhile")});
          if (!ack) return std::unexpected(ack.error());
          written = ack->sequence;
          return {};
        },
        std::move(done));
  });
  ODEON_EXPECT(ended.has_value() && ended->events == 5 && written == 5);
  return {};
}

constexpr std::array checks{
    journal_check{"a replay visits the asked range and no more", ranges},
    journal_check{"a visitor's error or exception ends the replay with it", visitors},
    journal_check{"persistence ids are listed in order, in pages", ids_in_pages},
    journal_check{"tagged events come in commit order, in pages", tags},
    journal_check{"timers come by due time, are replaced and cancelled", timers},
    journal_check{"outbox messages stay until acknowledged, under positions used once", messages},
    journal_check{"a read sees every write acknowledged before it", reads_see_acknowledged_writes},
    journal_check{"a slow replay holds up no append", a_slow_replay_holds_up_nobody},
};

}  // namespace

std::span<const journal_check> read_checks() { return checks; }

}  // namespace odeon::testing
