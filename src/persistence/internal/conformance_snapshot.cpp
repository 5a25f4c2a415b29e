#include "persistence/internal/conformance.hpp"

#include <array>

namespace odeon::testing {

namespace {

save_snapshot_request snapshot_of(std::uint64_t epoch, std::uint64_t sequence,
                                  std::uint32_t keep = 0) {
  return {.persistence_id = "a",
          .epoch = epoch,
          .sequence = sequence,
          .manifest = "test.state",
          .version = 2,
          .payload = bytes_of("s" + std::to_string(sequence)),
          .keep = keep};
}

/// Ten events of "a"; the epoch of its writer.
result<std::uint64_t> ten_events(waiting_journal& j) {
  ODEON_VALUE(epoch, j.open_writer("a"));
  append_request r{.persistence_id = "a", .epoch = epoch};
  for (int k = 1; k <= 10; ++k) r.events.push_back(event_of("e" + std::to_string(k)));
  ODEON_VALUE(ack, j.append(std::move(r)));
  ODEON_EXPECT(ack.sequence == 10);
  return epoch;
}

result<void> criteria(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, ten_events(j));
  ODEON_VALUE(none, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(!none.snapshot && none.damaged.empty());
  for (const std::uint64_t s : {3u, 6u, 9u})
    ODEON_EXPECT(j.save_snapshot(snapshot_of(epoch, s)).has_value());
  ODEON_VALUE(newest, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(newest.snapshot && newest.snapshot->sequence == 9);
  ODEON_EXPECT(newest.snapshot->manifest == "test.state" && newest.snapshot->version == 2);
  ODEON_EXPECT(text_of(newest.snapshot->payload) == "s9");
  ODEON_VALUE(older, j.snapshot({.persistence_id = "a", .max_sequence = 8}));
  ODEON_EXPECT(older.snapshot && older.snapshot->sequence == 6);
  ODEON_VALUE(too_old, j.snapshot({.persistence_id = "a", .min_sequence = 4, .max_sequence = 5}));
  ODEON_EXPECT(!too_old.snapshot);
  ODEON_VALUE(nobody, j.snapshot({.persistence_id = "nobody"}));
  ODEON_EXPECT(!nobody.snapshot);
  auto again = snapshot_of(epoch, 9);
  again.payload = bytes_of("other");
  ODEON_EXPECT(j.save_snapshot(again).has_value());
  ODEON_VALUE(replaced, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(replaced.snapshot && text_of(replaced.snapshot->payload) == "other");
  ODEON_VALUE(deleted,
              j.delete_snapshots({.persistence_id = "a", .min_sequence = 4, .max_sequence = 9}));
  ODEON_EXPECT(deleted == 2);
  ODEON_VALUE(left, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(left.snapshot && left.snapshot->sequence == 3);
  ODEON_VALUE(all, j.delete_snapshots({.persistence_id = "a"}));
  ODEON_VALUE(unknown, j.delete_snapshots({.persistence_id = "nobody"}));
  ODEON_EXPECT(all == 1 && unknown == 0);
  return {};
}

result<void> retention(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, ten_events(j));
  for (std::uint64_t s = 1; s <= 10; ++s)
    ODEON_EXPECT(j.save_snapshot(snapshot_of(epoch, s, 2)).has_value());
  ODEON_VALUE(gone, j.snapshot({.persistence_id = "a", .max_sequence = 8}));
  ODEON_VALUE(kept, j.snapshot({.persistence_id = "a", .max_sequence = 9}));
  ODEON_VALUE(newest, j.snapshot({.persistence_id = "a"}));
  ODEON_EXPECT(!gone.snapshot && kept.snapshot && newest.snapshot &&
               newest.snapshot->sequence == 10);
  return {};
}

result<void> who_may_save(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, ten_events(j));
  const auto ahead = j.save_snapshot(snapshot_of(epoch, 11));
  ODEON_EXPECT_ERROR(ahead, errc::version_conflict);
  ODEON_EXPECT(ahead.error().text().find("11") != std::string_view::npos);
  ODEON_EXPECT_ERROR(j.save_snapshot(snapshot_of(epoch, 0)), errc::invalid_argument);
  ODEON_VALUE(newer, j.open_writer("a"));
  ODEON_EXPECT_ERROR(j.save_snapshot(snapshot_of(epoch, 5)), errc::fenced);
  ODEON_EXPECT(j.save_snapshot(snapshot_of(newer, 5)).has_value());
  return {};
}

result<void> recoveries(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, ten_events(j));
  const auto full = j.recover({.persistence_id = "a"});
  ODEON_EXPECT(full.end && full.end->events == 10 && full.end->snapshot_sequence == 0);
  ODEON_EXPECT(full.steps.size() == 10 && full.steps[0] == "event 1 e1" &&
               full.steps[9] == "event 10 e10");
  for (const std::uint64_t s : {4u, 8u})
    ODEON_EXPECT(j.save_snapshot(snapshot_of(epoch, s)).has_value());
  const auto quick = j.recover({.persistence_id = "a"});
  ODEON_EXPECT(
      (quick.steps == std::vector<std::string>{"snapshot 8 s8", "event 9 e9", "event 10 e10"}));
  ODEON_EXPECT(quick.end && quick.end->highest_sequence == 10 && quick.end->snapshot_sequence == 8);
  ODEON_EXPECT(quick.end->events == 2 && quick.end->damaged_snapshots.empty());
  const auto older =
      j.recover({.persistence_id = "a", .max_snapshot_sequence = 7, .to_sequence = 6});
  ODEON_EXPECT(
      (older.steps == std::vector<std::string>{"snapshot 4 s4", "event 5 e5", "event 6 e6"}));
  ODEON_EXPECT(older.end && older.end->highest_sequence == 10);
  const auto past = j.recover({.persistence_id = "a", .to_sequence = 5});
  ODEON_EXPECT((past.steps == std::vector<std::string>{"snapshot 4 s4", "event 5 e5"}));
  const auto without = j.recover({.persistence_id = "a", .max_snapshot_sequence = 0});
  ODEON_EXPECT(without.steps.size() == 10);
  const auto nobody = j.recover({.persistence_id = "nobody"});
  ODEON_EXPECT(nobody.end && nobody.end->highest_sequence == 0 && nobody.steps.empty());
  ODEON_EXPECT(j.save_snapshot(snapshot_of(epoch, 10)).has_value());
  const auto only = j.recover({.persistence_id = "a"});
  ODEON_EXPECT((only.steps == std::vector<std::string>{"snapshot 10 s10"}) &&
               only.end->events == 0);
  return {};
}

result<void> a_bad_visitor_ends_a_recovery(journal_fixture& on) {
  ODEON_VALUE(j, open(on));
  ODEON_VALUE(epoch, ten_events(j));
  ODEON_EXPECT(j.save_snapshot(snapshot_of(epoch, 5)).has_value());
  int events = 0;
  const auto refused = wait_for<recovery_report>(on.rt(), [&](auto done) {
    recovery_callbacks callbacks;
    callbacks.on_snapshot = [](const stored_snapshot&) -> result<void> {
      return fail(errc::unknown_manifest, "what is this");
    };
    callbacks.on_event = [&](const event_view&) -> result<void> {
      ++events;
      return {};
    };
    callbacks.on_end = std::move(done);
    j->recover({.persistence_id = "a"}, std::move(callbacks));
  });
  ODEON_EXPECT_ERROR(refused, errc::unknown_manifest);
  ODEON_EXPECT(events == 0);
  const auto ended = wait_for<recovery_report>(on.rt(), [&](auto done) {
    recovery_callbacks callbacks;  // only the end is of interest
    callbacks.on_end = std::move(done);
    j->recover({.persistence_id = "a"}, std::move(callbacks));
  });
  ODEON_EXPECT(ended.has_value() && ended->events == 5);
  return {};
}

constexpr std::array checks{
    journal_check{"snapshots are found, replaced and deleted by their criteria", criteria},
    journal_check{"retention keeps the newest snapshots", retention},
    journal_check{"a snapshot needs the present writer and events that exist", who_may_save},
    journal_check{"a recovery is the newest snapshot and the events after it", recoveries},
    journal_check{"an error of a recovery's visitor ends it", a_bad_visitor_ends_a_recovery},
};

}  // namespace

std::span<const journal_check> snapshot_checks() { return checks; }

}  // namespace odeon::testing
