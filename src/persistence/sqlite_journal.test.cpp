#include "persistence/sqlite_support.test.hpp"

#include <atomic>

using namespace odeon;
using odeon::testing::event_of;

TEST_CASE("appends that arrive together share commits") {
  sqlite_world w;
  w.options.group_wait = std::chrono::milliseconds(50);
  auto j = w.open();
  constexpr std::uint32_t actors = 500;
  std::vector<std::uint64_t> epochs(actors);
  std::atomic<std::uint32_t> left{actors};
  const auto settle = [&] {
    for (auto now = left.load(); now != 0; now = left.load())
      w.rt->wait(left, now, time_point::max());
  };
  const auto done = [&] {
    if (left.fetch_sub(1) == 1) w.rt->wake(left);
  };
  for (std::uint32_t k = 0; k < actors; ++k)
    j->open_writer("actor-" + std::to_string(k), [&, k](result<std::uint64_t> epoch) {
      epochs[k] = epoch.value_or(0);
      done();
    });
  settle();
  left = actors;
  for (std::uint32_t k = 0; k < actors; ++k) {
    append_request r{.persistence_id = "actor-" + std::to_string(k), .epoch = epochs[k]};
    r.events.push_back(event_of("x"));
    j->append(std::move(r), [&](result<append_ack> ack) {
      CHECK(ack.has_value());
      done();
    });
  }
  settle();
  const auto s = j->stats();
  CHECK(s.appends == actors);
  CHECK(s.commits < actors / 10);
}

TEST_CASE("the log is trimmed while events move to segments") {
  sqlite_world w;
  w.options.landing_bytes = 50'000;
  w.options.segment_bytes = 5'000;
  w.options.checkpoint_bytes = 200'000;
  {
    auto j = w.open();
    std::vector<std::uint64_t> epochs;
    for (int a = 0; a < 30; ++a)
      epochs.push_back(j.open_writer("actor-" + std::to_string(a)).value());
    for (std::uint64_t k = 0; k < 60; ++k)
      for (std::size_t a = 0; a < epochs.size(); ++a)
        REQUIRE(j.append("actor-" + std::to_string(a), epochs[a], k,
                         {event_of(std::string(150, 'x'))}));
  }
  raw_sqlite raw(w.options.path);
  CHECK(raw.number("SELECT sum(length(records)) FROM log") < 4 * 50'000);
  CHECK(raw.number("SELECT sum(length(records)) FROM segments") > 30 * 60 * 150 - 4 * 50'000);
  const auto report = w.verify();
  CHECK_MESSAGE(report.good(),
                (report.good() ? "" : report.damages[0].place + ": " + report.damages[0].reason));
  CHECK(report.events == 30 * 60);
  CHECK(report.actors == 30);
  auto j = w.open();
  for (int a = 0; a < 30; ++a) CHECK(j.events("actor-" + std::to_string(a)).value().size() == 60);
}

TEST_CASE("one busy actor does not keep the log of idle ones for ever") {
  sqlite_world w;
  w.options.landing_bytes = 50'000;
  w.options.segment_bytes = 5'000;
  {
    auto j = w.open();
    for (int a = 0; a < 5; ++a) write_events(j, "idle-" + std::to_string(a), 2);
    const auto epoch = j.open_writer("busy").value();
    for (std::uint64_t k = 0; k < 600; ++k)
      REQUIRE(j.append("busy", epoch, k, {event_of(std::string(500, 'x'))}));
  }
  CHECK(raw_sqlite(w.options.path).number("SELECT sum(length(records)) FROM log") < 4 * 50'000);
  CHECK(w.verify().good());
}

TEST_CASE("the write-ahead log is folded in while the journal works") {
  sqlite_world w;
  w.options.checkpoint_bytes = 100'000;
  auto j = w.open();
  const auto epoch = j.open_writer("a").value();
  for (std::uint64_t k = 0; k < 300; ++k)
    REQUIRE(j.append("a", epoch, k, {event_of(std::string(2'000, 'x'))}));
  CHECK(std::filesystem::file_size(w.options.path + "-wal") < 1'000'000);
}

TEST_CASE("a walk over a good journal counts what is in it") {
  sqlite_world w;
  auto j = w.open();
  const auto epoch = write_events(j, "a", 10, 3);
  write_events(j, "b", 5);
  append_request r{.persistence_id = "a", .epoch = epoch, .expected_sequence = 10};
  r.outbox.push_back({.id = "m"});
  r.set_timers = {odeon::testing::timer_of("t", 1), odeon::testing::timer_of("u", 2)};
  REQUIRE(j.append(r));
  REQUIRE(j.save_snapshot({.persistence_id = "a", .epoch = epoch, .sequence = 7}));
  std::uint64_t last = 0;
  std::uint64_t all = 0;
  const auto open_report =
      verify_sqlite_journal(w.options.path, {.progress = [&](std::uint64_t done, std::uint64_t of) {
                              last = done;
                              all = of;
                            }});
  REQUIRE(open_report);
  CHECK(open_report->good());
  CHECK(all > 0);
  CHECK(last == all);
  j->close();
  const auto report = w.verify();
  CHECK(report.good());
  for (const auto& r2 : {*open_report, report}) {
    CHECK(r2.actors == 2);
    CHECK(r2.events == 15);
    CHECK(r2.snapshots == 1);
    CHECK(r2.timers == 2);
    CHECK(r2.outbox == 1);
  }
}

TEST_CASE("a walk over what is no journal is refused") {
  sqlite_world w;
  CHECK(verify_sqlite_journal(w.options.path).error().code() == errc::not_found);
  raw_sqlite(w.options.path).run("CREATE TABLE songs(title)");
  CHECK(verify_sqlite_journal(w.options.path).error().code() == errc::wrong_type);
}
