#include "persistence/internal/conformance.hpp"

#include <array>
#include <atomic>

namespace odeon::testing {

namespace {

result<void> closing_commits(journal_fixture& on) {
  constexpr std::uint64_t count = 300;
  std::atomic<std::uint32_t> acknowledged{0};
  {
    ODEON_VALUE(j, open(on));
    ODEON_VALUE(epoch, j.open_writer("a"));
    for (std::uint64_t k = 0; k < count; ++k) {
      append_request r{.persistence_id = "a", .epoch = epoch, .expected_sequence = k};
      r.events.push_back(event_of(std::to_string(k)));
      j->append(std::move(r), [&](result<append_ack> ack) { acknowledged += ack ? 1 : 0; });
    }
    j->close();
    ODEON_EXPECT(acknowledged == count);
    ODEON_EXPECT_ERROR(j.append("a", epoch, count, {event_of("no")}), errc::store_closed);
    ODEON_EXPECT_ERROR(j.open_writer("a"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.save_snapshot({.persistence_id = "a", .epoch = epoch, .sequence = 1}),
                       errc::store_closed);
    ODEON_EXPECT_ERROR(j.delete_snapshots({.persistence_id = "a"}), errc::store_closed);
    ODEON_EXPECT_ERROR(j.acknowledge({1}), errc::store_closed);
    ODEON_EXPECT_ERROR(j.change({{.persistence_id = "a", .timer_id = "t"}}), errc::store_closed);
    ODEON_EXPECT_ERROR(j.events("a"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.recover({.persistence_id = "a"}).end, errc::store_closed);
    ODEON_EXPECT_ERROR(j.highest("a"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.describe("a"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.ids(), errc::store_closed);
    ODEON_EXPECT_ERROR(j.by_tag("t"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.snapshot({.persistence_id = "a"}), errc::store_closed);
    ODEON_EXPECT_ERROR(j.snapshots({.persistence_id = "a"}), errc::store_closed);
    ODEON_EXPECT_ERROR(j.mark("a", "m"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.marks("a"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.due(wall_time()), errc::store_closed);
    ODEON_EXPECT_ERROR(j.timers_of("a"), errc::store_closed);
    ODEON_EXPECT_ERROR(j.outbox(), errc::store_closed);
    j->close();
    ODEON_VALUE(
        again,
        open(on));  // closed means closed: another one may follow while the first object lives
    ODEON_VALUE(all, again.events("a"));
    ODEON_EXPECT(all.size() == count);
  }
  return {};
}

result<void> destroying_commits(journal_fixture& on) {
  std::atomic<std::uint32_t> acknowledged{0};
  {
    ODEON_VALUE(j, open(on));
    ODEON_VALUE(epoch, j.open_writer("a"));
    append_request r{.persistence_id = "a", .epoch = epoch};
    r.events.push_back(event_of("last words"));
    j->append(std::move(r), [&](result<append_ack> ack) { acknowledged += ack ? 1 : 0; });
  }
  ODEON_EXPECT(acknowledged == 1);
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(all, j.events("a"));
  ODEON_EXPECT(payloads(all) == "last words");
  return {};
}

result<void> everything_survives(journal_fixture& on) {
  std::uint64_t epoch_before = 0;
  append_ack before;
  {
    ODEON_VALUE(j, open(on));
    ODEON_VALUE(epoch, j.open_writer("a"));
    append_request r{.persistence_id = "a", .epoch = epoch};
    r.events = {event_of("one", {"t"}), event_of("two")};
    r.outbox.push_back({.id = "m", .target = "b"});
    r.set_timers.push_back(timer_of("x", 5));
    ODEON_VALUE(ack, j.append(std::move(r)));
    ODEON_EXPECT(
        j.save_snapshot(
             {.persistence_id = "a", .epoch = epoch, .sequence = 1, .payload = bytes_of("s1")})
            .has_value());
    epoch_before = epoch;
    before = ack;
  }
  for (int round = 0; round < 3; ++round) {
    ODEON_VALUE(j, open(on));
    const auto recovered = j.recover({.persistence_id = "a"});
    ODEON_EXPECT(recovered.end &&
                 recovered.end->highest_sequence == 2u + static_cast<unsigned>(round));
    ODEON_EXPECT(recovered.steps[0] == "snapshot 1 s1" && recovered.steps[1] == "event 2 two");
    ODEON_VALUE(tagged, j.by_tag("t"));
    ODEON_VALUE(timers, j.due(wall_time(std::chrono::seconds(5))));
    ODEON_VALUE(messages, j.outbox());
    ODEON_EXPECT(tagged.size() == 1 && timers.size() == 1 && messages.size() == 1);
    ODEON_VALUE(epoch, j.open_writer("a"));
    ODEON_EXPECT(epoch > epoch_before);
    ODEON_EXPECT_ERROR(
        j.append("a", epoch_before, 2u + static_cast<unsigned>(round), {event_of("stale")}),
        errc::fenced);
    ODEON_VALUE(ack, j.append("a", epoch, 2u + static_cast<unsigned>(round), {event_of("more")}));
    ODEON_EXPECT(ack.position > before.position);
    epoch_before = epoch;
    before = ack;
  }
  return {};
}

// Enough to go through every stage that a store may have: written in turn, read by actor, reopened
// in between.
result<void> many_actors_survive(journal_fixture& on) {
  constexpr std::size_t actors = 150;
  constexpr std::uint64_t rounds = 12;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    ODEON_VALUE(j, open(on));
    std::atomic<std::uint32_t> left{actors};
    std::atomic<std::uint32_t> bad{0};
    std::vector<std::uint64_t> epochs;
    for (std::size_t k = 0; k < actors; ++k) {
      if (round == 0 || k % 3 == round % 3) {
        ODEON_VALUE(epoch, j.open_writer("actor-" + std::to_string(k)));
        epochs.push_back(epoch);
      } else {
        epochs.push_back(0);
        left -= 1;
      }
    }
    for (std::size_t k = 0; k < actors; ++k) {
      if (epochs[k] == 0) continue;
      ODEON_VALUE(highest, j.highest("actor-" + std::to_string(k)));
      append_request r{.persistence_id = "actor-" + std::to_string(k),
                       .epoch = epochs[k],
                       .expected_sequence = highest};
      for (std::uint64_t e = 1; e <= 1 + k % 4; ++e)
        r.events.push_back(event_of(std::to_string(k) + ":" + std::to_string(highest + e)));
      j->append(std::move(r), [&](result<append_ack> ack) {
        bad += ack ? 0 : 1;
        if (left.fetch_sub(1) == 1) on.rt().wake(left);
      });
    }
    for (auto now = left.load(); now != 0; now = left.load())
      on.rt().wait(left, now, time_point::max());
    ODEON_EXPECT(bad == 0);
  }
  ODEON_VALUE(j, open(on));
  for (std::size_t k = 0; k < actors; ++k) {
    std::uint64_t appends = 0;
    for (std::uint64_t round = 0; round < rounds; ++round)
      appends += round == 0 || k % 3 == round % 3 ? 1 : 0;
    ODEON_VALUE(all, j.events("actor-" + std::to_string(k)));
    ODEON_EXPECT(all.size() == appends * (1 + k % 4));
    for (std::size_t e = 0; e < all.size(); ++e)
      ODEON_EXPECT(text_of(all[e].event.payload) ==
                   std::to_string(k) + ":" + std::to_string(e + 1));
  }
  return {};
}

result<void> counts(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, j.open_writer("a"));
  ODEON_VALUE(ack, j.append("a", epoch, 0, {event_of("one"), event_of("two")}));
  ODEON_EXPECT_ERROR(j.append("a", epoch, 0, {event_of("no")}), errc::version_conflict);
  const journal_stats s = j->stats();
  ODEON_EXPECT(ack.sequence == 2 && s.appends == 1 && s.events == 2 && s.refused == 1);
  ODEON_EXPECT(s.commits >= 2 && s.failed_commits == 0);
  ODEON_EXPECT(s.pending_appends == 0 && s.pending_bytes == 0 && s.pending_reads == 0);
  return {};
}

constexpr std::array checks{
    journal_check{"closing commits what was accepted and refuses the rest", closing_commits},
    journal_check{"destroying a journal closes it", destroying_commits},
    journal_check{"everything is there when the store is opened again", everything_survives},
    journal_check{"the events of many actors survive many openings", many_actors_survive},
    journal_check{"a journal counts what it does", counts},
};

}  // namespace

std::span<const journal_check> life_checks() { return checks; }

}  // namespace odeon::testing
