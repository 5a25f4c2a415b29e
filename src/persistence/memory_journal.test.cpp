#include "persistence/internal/conformance.hpp"
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <atomic>

using namespace odeon;
using odeon::testing::event_of;
using odeon::testing::payloads;
using odeon::testing::waiting_journal;

namespace {

struct world {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();

  waiting_journal open(journal_options bounds = {}) {
    return waiting_journal(*rt, make_memory_journal(*rt, store, bounds));
  }
};

append_request one_event(std::uint64_t epoch, std::uint64_t expected) {
  append_request r{.persistence_id = "a", .epoch = epoch, .expected_sequence = expected};
  r.events.push_back(event_of("e" + std::to_string(expected + 1)));
  return r;
}

}  // namespace

TEST_CASE("a transaction told to fail stores nothing, and the next one works") {
  world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  w.store->fail_next_commits(2, {errc::store_full, "no space, says the test"});
  for (int k = 0; k < 2; ++k) {
    const auto failed = j.append(one_event(epoch, 0));
    REQUIRE(!failed);
    CHECK(failed.error().code() == errc::store_full);
    CHECK(failed.error().text() == "no space, says the test");
  }
  CHECK(j.highest("a") == 0u);
  CHECK(j.append(one_event(epoch, 0)).has_value());
  CHECK(j->stats().failed_commits == 2);
}

TEST_CASE("held transactions wait, and all that came meanwhile shares one commit") {
  world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  const auto before = j->stats().commits;
  w.store->hold_commits();
  constexpr std::uint32_t count = 1000;
  std::atomic<std::uint32_t> left{count};
  for (std::uint64_t k = 0; k < count; ++k)
    j->append(one_event(epoch, k), [&](result<append_ack> ack) {
      CHECK(ack.has_value());
      if (left.fetch_sub(1) == 1) w.rt->wake(left);
    });
  CHECK(j.highest("a") == 0u);  // reads do not wait for the writer
  CHECK(left == count);
  CHECK(j->stats().pending_appends == count);
  w.store->release_commits();
  for (auto now = left.load(); now != 0; now = left.load())
    w.rt->wait(left, now, time_point::max());
  CHECK(j.highest("a") == count);
  CHECK(j->stats().commits - before == 1);
}

TEST_CASE("a transaction takes no more than its bounds allow") {
  world w;
  journal_options bounds;
  bounds.max_batch_events = 10;
  auto j = w.open(bounds);
  const auto epoch = j.open_writer("a").value();
  const auto before = j->stats().commits;
  w.store->hold_commits();
  std::atomic<std::uint32_t> left{100};
  for (std::uint64_t k = 0; k < 100; ++k)
    j->append(one_event(epoch, k), [&](result<append_ack>) {
      if (left.fetch_sub(1) == 1) w.rt->wake(left);
    });
  w.store->release_commits();
  for (auto now = left.load(); now != 0; now = left.load())
    w.rt->wait(left, now, time_point::max());
  CHECK(j->stats().commits - before == 10);
}

TEST_CASE("what is pending is bounded, and the one beyond is refused inside its call") {
  world w;
  journal_options bounds;
  bounds.max_pending_appends = 3;
  auto j = w.open(bounds);
  const auto epoch = j.open_writer("a").value();
  w.store->hold_commits();
  int acknowledged = 0;
  for (std::uint64_t k = 0; k < 3; ++k)
    j->append(one_event(epoch, k), [&](result<append_ack> ack) { acknowledged += ack ? 1 : 0; });
  std::optional<error> refused;
  j->append(one_event(epoch, 3), [&](result<append_ack> ack) { refused = ack.error(); });
  REQUIRE(refused);
  CHECK(refused->code() == errc::limit_exceeded);
  CHECK(refused->text().find("max_pending_appends") != std::string_view::npos);
  w.store->release_commits();
  j->close();
  CHECK(acknowledged == 3);
}

TEST_CASE("closing a held journal commits all the same") {
  world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  w.store->hold_commits();
  bool acknowledged = false;
  j->append(one_event(epoch, 0), [&](result<append_ack> ack) { acknowledged = ack.has_value(); });
  j->close();
  CHECK(acknowledged);
  w.store->release_commits();
  auto again = w.open();
  CHECK(again.highest("a") == 1u);
}

TEST_CASE("a damaged event ends a recovery before it, with its place") {
  world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  for (std::uint64_t k = 0; k < 5; ++k) REQUIRE(j.append(one_event(epoch, k)));
  REQUIRE(w.store->damage_event("a", 4));
  CHECK(!w.store->damage_event("a", 6));
  CHECK(!w.store->damage_event("b", 1));
  const auto r = j.recover({.persistence_id = "a"});
  REQUIRE(!r.end);
  CHECK(r.end.error().code() == errc::corrupt_record);
  CHECK(r.end.error().text().find("event 4 of \"a\"") != std::string_view::npos);
  CHECK(r.steps == std::vector<std::string>{"event 1 e1", "event 2 e2", "event 3 e3"});
}

TEST_CASE("a damaged snapshot is passed over for an older one, and reported") {
  world w;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  for (std::uint64_t k = 0; k < 5; ++k) {
    REQUIRE(j.append(one_event(epoch, k)));
    REQUIRE(j.save_snapshot({.persistence_id = "a", .epoch = epoch, .sequence = k + 1}));
  }
  REQUIRE(w.store->damage_snapshot("a", 5));
  REQUIRE(w.store->damage_snapshot("a", 4));
  CHECK(!w.store->damage_snapshot("a", 6));
  auto r = j.recover({.persistence_id = "a"});
  REQUIRE(r.end);
  CHECK(r.end->snapshot_sequence == 3);
  CHECK(r.end->damaged_snapshots.size() == 2);
  CHECK(r.end->damaged_snapshots[0].text().find("as of sequence 5") != std::string_view::npos);
  CHECK(r.steps == std::vector<std::string>{"snapshot 3 ", "event 4 e4", "event 5 e5"});
  for (const std::uint64_t s : {1u, 2u, 3u}) REQUIRE(w.store->damage_snapshot("a", s));
  r = j.recover({.persistence_id = "a"});
  REQUIRE(r.end);
  CHECK(r.end->snapshot_sequence == 0);
  CHECK(r.end->damaged_snapshots.size() == 5);
  CHECK(r.end->events == 5);
}

TEST_CASE("a store of its own is used when none is given") {
  world w;
  waiting_journal a(*w.rt, make_memory_journal(*w.rt));
  waiting_journal b(*w.rt, make_memory_journal(*w.rt));
  const auto epoch = a.open_writer("a").value();
  REQUIRE(a.append(one_event(epoch, 0)));
  CHECK(b.highest("a") == 0u);
}

TEST_CASE("an idle journal waits for company for the time it was told to, by the runtime's clock") {
  simulated_runtime rt;
  journal_options bounds;
  bounds.group_wait = std::chrono::milliseconds(5);
  const auto j = make_memory_journal(rt, nullptr, bounds);
  std::uint64_t epoch = 0;
  j->open_writer("a", [&](result<std::uint64_t> e) { epoch = e.value_or(0); });
  rt.advance(std::chrono::milliseconds(4));
  CHECK(epoch == 0);
  rt.advance(std::chrono::milliseconds(2));
  CHECK(epoch == 1);
  int acknowledged = 0;
  for (std::uint64_t k = 0; k < 3; ++k) {
    j->append(one_event(epoch, k), [&](result<append_ack> ack) { acknowledged += ack ? 1 : 0; });
    rt.advance(std::chrono::milliseconds(1));
  }
  CHECK(acknowledged == 0);
  rt.advance(std::chrono::milliseconds(3));
  CHECK(acknowledged == 3);
  CHECK(j->stats().commits == 2);
}

TEST_CASE("a stream of calls does not make the first one wait longer than it was told to") {
  simulated_runtime rt;
  journal_options bounds;
  bounds.group_wait = std::chrono::milliseconds(5);
  const auto j = make_memory_journal(rt, nullptr, bounds);
  std::vector<time_point> asked;
  std::vector<duration> waited;
  for (int k = 0; k < 40; ++k) {  // another id every half millisecond, without an end in sight
    asked.push_back(rt.now());
    j->open_writer("a" + std::to_string(k), [&](result<std::uint64_t> epoch) {
      CHECK(epoch == 1u);
      waited.push_back(rt.now() - asked[waited.size()]);
    });
    rt.advance(std::chrono::microseconds(500));
  }
  rt.advance(std::chrono::milliseconds(5));
  REQUIRE(waited.size() == 40);
  for (const duration d : waited) CHECK(d <= std::chrono::milliseconds(5));
  CHECK(waited.front() == std::chrono::milliseconds(5));
  CHECK(j->stats().commits <= 5);
}

TEST_CASE("a full batch does not wait for company") {
  simulated_runtime rt;
  journal_options bounds;
  bounds.group_wait = std::chrono::hours(1);
  bounds.max_batch_events = 3;
  const auto j = make_memory_journal(rt, nullptr, bounds);
  std::uint64_t epoch = 0;
  j->open_writer("a", [&](result<std::uint64_t> e) { epoch = e.value_or(0); });
  rt.advance(std::chrono::hours(2));
  REQUIRE(epoch == 1);
  int acknowledged = 0;
  for (std::uint64_t k = 0; k < 3; ++k)
    j->append(one_event(epoch, k), [&](result<append_ack> ack) { acknowledged += ack ? 1 : 0; });
  rt.settle();
  CHECK(acknowledged == 3);
  // What is still waiting when the journal ends is committed at once.
  j->append(one_event(epoch, 3), [&](result<append_ack> ack) { acknowledged += ack ? 1 : 0; });
  j->close();
  CHECK(acknowledged == 4);
}

TEST_CASE("two runs of one seed commit the same") {
  const auto run = [](std::uint64_t seed) {
    simulated_runtime rt({.seed = seed});
    const auto j = make_memory_journal(rt);
    std::string trace;
    for (const char* id : {"a", "b", "c"})
      j->open_writer(id, [&, id](result<std::uint64_t> epoch) {
        append_request r{.persistence_id = id, .epoch = *epoch};
        r.events.push_back(event_of("x"));
        j->append(std::move(r), [&, id](result<append_ack> ack) {
          trace += id + std::to_string(ack->position) + " ";
        });
      });
    rt.settle();
    return trace + std::to_string(rt.steps());
  };
  CHECK(run(7) == run(7));
  CHECK(run(7).find("a1") != std::string::npos);
}
