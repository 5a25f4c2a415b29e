#include "persistence/internal/conformance.hpp"

#include <array>

namespace odeon::testing {

namespace {

append_request state_of(std::string_view id, std::uint64_t epoch, std::uint64_t expected,
                        std::uint32_t keep = 1) {
  append_request r{
      .persistence_id = std::string(id), .epoch = epoch, .expected_sequence = expected};
  r.state = state_record{.manifest = "test.state",
                         .version = 4,
                         .payload = bytes_of("r" + std::to_string(expected + 1)),
                         .keep = keep};
  return r;
}

std::string revisions(const std::vector<snapshot_info>& list) {
  std::string out;
  for (const auto& s : list) out += (out.empty() ? "" : " ") + std::to_string(s.sequence);
  return out;
}

result<void> states_come_back(journal_fixture& on) {
  {
    ODEON_VALUE(j, open(on));
    ODEON_VALUE(nothing, j.highest("a"));
    ODEON_EXPECT(nothing == 0);
    ODEON_VALUE(epoch, j.open_writer("a"));
    for (std::uint64_t k = 0; k < 3; ++k) {
      ODEON_VALUE(ack, j.append(state_of("a", epoch, k)));
      ODEON_EXPECT(ack.sequence == k + 1 && ack.position == 0);
      ODEON_VALUE(highest, j.highest("a"));
      ODEON_EXPECT(highest == k + 1);
    }
    append_request empty{.persistence_id = "a", .epoch = epoch, .expected_sequence = 3};
    empty.state = state_record{.manifest = "", .payload = {}};
    ODEON_VALUE(ack, j.append(std::move(empty)));
    ODEON_EXPECT(ack.sequence == 4);
    ODEON_VALUE(none, j.snapshot({.persistence_id = "a"}));
    ODEON_EXPECT(none.snapshot && none.snapshot->payload.empty());
    ODEON_VALUE(last, j.append(state_of("a", epoch, 4)));
    ODEON_EXPECT(last.sequence == 5);
  }
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(highest, j.highest("a"));
  ODEON_VALUE(newest, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(highest == 5 && newest.snapshot && newest.damaged.empty());
  ODEON_EXPECT(newest.snapshot->sequence == 5 && newest.snapshot->version == 4);
  ODEON_EXPECT(newest.snapshot->manifest == "test.state" &&
               text_of(newest.snapshot->payload) == "r5");
  const auto recovered = j.recover({.persistence_id = "a"});
  ODEON_EXPECT(recovered.end && recovered.end->highest_sequence == 5 &&
               recovered.end->snapshot_sequence == 5 && recovered.end->events == 0);
  ODEON_EXPECT(recovered.steps == std::vector<std::string>{"snapshot 5 r5"});
  ODEON_VALUE(events, j.events("a"));
  ODEON_VALUE(ids, j.ids());
  ODEON_EXPECT(events.empty() && ids == std::vector<std::string>{"a"});
  ODEON_VALUE(epoch, j.open_writer("a"));
  ODEON_VALUE(ack, j.append(state_of("a", epoch, 5)));
  ODEON_EXPECT(ack.sequence == 6);
  return {};
}

result<void> states_are_fenced(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_EXPECT_ERROR(j.append(state_of("a", 1, 0)), errc::fenced);
  ODEON_VALUE(older, j.open_writer("a"));
  ODEON_VALUE(first, j.append(state_of("a", older, 0)));
  ODEON_VALUE(newer, j.open_writer("a"));
  ODEON_EXPECT_ERROR(j.append(state_of("a", older, 1)), errc::fenced);
  for (const std::uint64_t expected : {0u, 2u, 9u})
    ODEON_EXPECT_ERROR(j.append(state_of("a", newer, expected)), errc::version_conflict);
  ODEON_EXPECT_ERROR(j.append("a", newer, 0, {}), errc::version_conflict);
  ODEON_VALUE(unchanged, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(unchanged.snapshot && text_of(unchanged.snapshot->payload) == "r1");
  ODEON_VALUE(second, j.append(state_of("a", newer, 1)));
  ODEON_EXPECT(first.sequence == 1 && second.sequence == 2);
  ODEON_VALUE(nothing, j.append("a", newer, 2, {}));
  ODEON_EXPECT(nothing.sequence == 2);
  return {};
}

result<void> an_id_is_of_one_kind(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(of_states, j.open_writer("s"));
  ODEON_VALUE(of_events, j.open_writer("e"));
  ODEON_VALUE(state, j.append(state_of("s", of_states, 0)));
  ODEON_VALUE(blank, j.describe("e"));
  ODEON_VALUE(event, j.append("e", of_events, 0, {event_of("one")}));
  ODEON_EXPECT(state.sequence == 1 && event.sequence == 1);
  ODEON_VALUE(with_state, j.describe("s"));
  ODEON_VALUE(with_event, j.describe("e"));
  ODEON_VALUE(nobody, j.describe("nobody"));
  ODEON_EXPECT(with_state.keeps_states && with_state.highest_sequence == 1);
  ODEON_EXPECT(!with_event.keeps_states && with_event.highest_sequence == 1 &&
               with_event.epoch == of_events);
  ODEON_EXPECT(!blank.keeps_states && blank.highest_sequence == 0);
  ODEON_EXPECT(!nobody.keeps_states && nobody.highest_sequence == 0 && nobody.epoch == 0);
  ODEON_EXPECT_ERROR(j.append("s", of_states, 1, {event_of("no")}), errc::invalid_argument);
  ODEON_EXPECT_ERROR(j.append(state_of("e", of_events, 1)), errc::invalid_argument);
  ODEON_EXPECT_ERROR(j.save_snapshot({.persistence_id = "s", .epoch = of_states, .sequence = 1}),
                     errc::invalid_argument);
  ODEON_VALUE(events, j.events("e"));
  ODEON_VALUE(kept, j.snapshot({.persistence_id = "s"}));
  ODEON_VALUE(none, j.snapshot({.persistence_id = "e"}));
  ODEON_EXPECT(payloads(events) == "one" && !none.snapshot);
  ODEON_EXPECT(kept.snapshot && text_of(kept.snapshot->payload) == "r1");
  j->close();
  ODEON_VALUE(again, open(on));
  ODEON_VALUE(newer, again.open_writer("s"));
  ODEON_EXPECT_ERROR(again.append("s", newer, 1, {event_of("no")}), errc::invalid_argument);
  return {};
}

result<void> older_revisions(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  for (std::uint64_t k = 0; k < 10; ++k) {
    ODEON_VALUE(ack, j.append(state_of("a", epoch, k, k < 5 ? 0 : 4)));
    ODEON_EXPECT(ack.sequence == k + 1);
    if (k != 4) continue;
    ODEON_VALUE(all, j.snapshots({.persistence_id = "a"}));
    ODEON_EXPECT(revisions(all) == "5 4 3 2 1");
  }
  ODEON_VALUE(kept, j.snapshots({.persistence_id = "a"}));
  ODEON_EXPECT(revisions(kept) == "10 9 8 7");
  ODEON_EXPECT(kept[0].manifest == "test.state" && kept[0].version == 4 && kept[0].bytes == 3 &&
               kept[1].bytes == 2 && kept[0].written >= kept[3].written);
  ODEON_VALUE(page, j.snapshots({.persistence_id = "a", .max_sequence = 9}, 2));
  ODEON_EXPECT(revisions(page) == "9 8");
  ODEON_VALUE(low, j.snapshots({.persistence_id = "a", .min_sequence = 8, .max_sequence = 9}));
  ODEON_EXPECT(revisions(low) == "9 8");
  ODEON_VALUE(nobody, j.snapshots({.persistence_id = "nobody"}));
  ODEON_EXPECT(nobody.empty());
  ODEON_VALUE(older, j.snapshot({.persistence_id = "a", .max_sequence = 8}));
  ODEON_EXPECT(older.snapshot && text_of(older.snapshot->payload) == "r8");
  ODEON_VALUE(gone, j.snapshot({.persistence_id = "a", .max_sequence = 6}));
  ODEON_EXPECT(!gone.snapshot);
  const auto back = j.recover({.persistence_id = "a", .to_sequence = 9});
  ODEON_EXPECT(back.end && back.end->snapshot_sequence == 9 && back.end->highest_sequence == 10);
  // To restore is to store again: the count goes on.
  append_request restored = state_of("a", epoch, 10, 4);
  restored.state->payload = older.snapshot->payload;
  ODEON_VALUE(ack, j.append(std::move(restored)));
  ODEON_VALUE(newest, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(ack.sequence == 11 && newest.snapshot && newest.snapshot->sequence == 11 &&
               text_of(newest.snapshot->payload) == "r8");
  ODEON_VALUE(deleted, j.delete_snapshots({.persistence_id = "a"}));
  ODEON_VALUE(left, j.snapshots({.persistence_id = "a"}));
  ODEON_EXPECT(deleted == 3 && revisions(left) == "11");  // the newest is all there is
  return {};
}

result<void> marks(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  ODEON_VALUE(other, j.open_writer("b"));
  ODEON_VALUE(none, j.mark("a", "sender-1"));
  ODEON_VALUE(nobody, j.mark("nobody", "sender-1"));
  ODEON_EXPECT(none == 0 && nobody == 0);
  append_request r{.persistence_id = "a", .epoch = epoch};
  r.events = {event_of("one")};
  r.marks = {{"sender-1", 7}, {"sender-2", UINT64_MAX}, {"\xff odd", 3}, {"sender-1", 8}};
  ODEON_VALUE(first, j.append(r));
  ODEON_EXPECT(first.sequence == 1);
  r.expected_sequence = 9;
  r.marks = {{"sender-1", 100}, {"sender-3", 1}};
  ODEON_EXPECT_ERROR(j.append(r), errc::version_conflict);
  r.expected_sequence = 1;
  r.epoch = epoch + 1;
  ODEON_EXPECT_ERROR(j.append(r), errc::fenced);
  ODEON_VALUE(one, j.mark("a", "sender-1"));
  ODEON_VALUE(two, j.mark("a", "sender-2"));
  ODEON_VALUE(three, j.mark("a", "sender-3"));
  ODEON_VALUE(of_b, j.mark("b", "sender-1"));
  ODEON_EXPECT(one == 8 && two == UINT64_MAX && three == 0 && of_b == 0);
  append_request with_state = state_of("b", other, 0);
  with_state.marks = {{"sender-1", 5}};
  ODEON_VALUE(state, j.append(std::move(with_state)));
  append_request alone{.persistence_id = "a", .epoch = epoch, .expected_sequence = 1};
  alone.marks = {{"sender-2", 0}, {"never there", 0}, {"sender-1", 9}};
  ODEON_VALUE(third, j.append(std::move(alone)));
  ODEON_EXPECT(state.sequence == 1 && third.sequence == 1);
  j->close();
  ODEON_VALUE(again, open(on));
  ODEON_VALUE(one_later, again.mark("a", "sender-1"));
  ODEON_VALUE(two_later, again.mark("a", "sender-2"));
  ODEON_VALUE(of_b_later, again.mark("b", "sender-1"));
  ODEON_EXPECT(one_later == 9 && two_later == 0 && of_b_later == 5);
  ODEON_VALUE(all, again.marks("a"));
  ODEON_EXPECT(all.size() == 2 && all[0].name == "sender-1" && all[0].value == 9 &&
               all[1].name == "\xff odd" && all[1].value == 3);
  ODEON_VALUE(page, again.marks("a", "sender-1", 1));
  ODEON_VALUE(end, again.marks("a", "\xff odd"));
  ODEON_VALUE(of_nobody, again.marks("nobody"));
  ODEON_EXPECT(page.size() == 1 && page[0].name == "\xff odd" && end.empty() && of_nobody.empty());
  return {};
}

constexpr std::array checks{
    journal_check{"states come back by their newest revision, also after reopening",
                  states_come_back},
    journal_check{"a state needs the present writer and the last revision", states_are_fenced},
    journal_check{"an id has events or states, never both", an_id_is_of_one_kind},
    journal_check{"older revisions are kept as asked, listed and restored", older_revisions},
    journal_check{"marks change with their append or not at all", marks},
};

}  // namespace

std::span<const journal_check> state_checks() { return checks; }

}  // namespace odeon::testing
