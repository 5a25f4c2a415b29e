#include "sidecar/internal/records.hpp"
#include "support/state_store_laws.hpp"
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <filesystem>

namespace odeon::sidecar {
namespace {

using state_store_laws::calls;
using state_store_laws::value;

/// A journal in memory with a store on it, under virtual time.
struct world {
  simulated_runtime rt;
  std::shared_ptr<memory_store> disk = std::make_shared<memory_store>();
  std::shared_ptr<journal> j{make_memory_journal(rt, disk)};
  std::vector<std::string> reported;
  std::unique_ptr<state_store> store = make_state_store(
      rt, j, {.report = [this](const error& e) { reported.push_back(e.to_string()); }});
  calls c{rt, *store};
};

TEST_CASE("a state store keeps its laws in memory") {
  simulated_runtime rt;
  const std::shared_ptr<journal> j = make_memory_journal(rt);
  state_store_laws::all(rt, [&](std::uint32_t keep) {
    return make_state_store(rt, j, {.keep_revisions = keep, .report = {}});
  });
}

TEST_CASE("a state store keeps its laws in SQLite") {
  std::string folder = (std::filesystem::temp_directory_path() / "odeon-states-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  {
    const auto rt = make_threaded_runtime();
    sqlite_journal_options options;
    options.path = folder + "/states.db";
    auto opened = open_sqlite_journal(*rt, options);
    REQUIRE(opened.has_value());
    const std::shared_ptr<journal> j = std::move(*opened);
    state_store_laws::all(*rt, [&](std::uint32_t keep) {
      return make_state_store(*rt, j, {.keep_revisions = keep, .report = {}});
    });
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a full store refuses a state, keeps the one before, and takes it later") {
  world w;
  auto lease = w.c.open({"s", "a"})->lease;
  lease = *w.c.save(lease, value("one"));
  w.disk->fail_next_commits(1, error(errc::store_full, "no space is left"));
  const auto refused = w.c.save(lease, value("two"));
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::store_full);
  CHECK(w.c.peek({"s", "a"}).value()->state.value == "one");
  CHECK(w.c.save(lease, value("two"))->revision == 2);
}

TEST_CASE("a store that is closed says so to every call") {
  world w;
  const auto lease = w.c.open({"s", "a"})->lease;
  w.j->close();
  CHECK(w.c.open({"s", "a"}).error() == errc::store_closed);
  CHECK(w.c.open({"s", "a"}, 3).error() == errc::store_closed);
  CHECK(w.c.peek({"s", "a"}).error() == errc::store_closed);
  CHECK(w.c.save(lease, value("x")).error() == errc::store_closed);
  CHECK(w.c.schedule({"t", wall_time{}, {}}).error() == errc::store_closed);
  CHECK(w.c.unschedule("t").error() == errc::store_closed);
}

TEST_CASE("a damaged state is an error, and an older revision can be asked for") {
  world w;
  const actor_id a{"s", "a"};
  auto lease = w.c.open(a)->lease;
  lease = *w.c.save(lease, value("one"));
  REQUIRE(w.c.save(lease, value("two")).has_value());
  REQUIRE(w.disk->damage_snapshot(records::state_id(a), 2));
  CHECK(w.c.open(a).error() == errc::corrupt_record);
  CHECK(w.c.peek(a).error() == errc::corrupt_record);
  CHECK(w.c.found(a, 1) == "1:one");
}

TEST_CASE("a state of more bytes than the journal takes is refused, and the lease stays good") {
  simulated_runtime rt;
  journal_options small;
  small.max_snapshot_bytes = 1000;
  const auto store = make_state_store(rt, make_memory_journal(rt, nullptr, small));
  const calls c{rt, *store};
  const auto lease = c.open({"s", "a"})->lease;
  CHECK(c.save(lease, value(std::string(2000, 'x'))).error() == errc::limit_exceeded);
  CHECK(c.save(lease, value("small"))->revision == 1);
}

TEST_CASE("a stored state tells another actor's, cut and newer bytes apart") {
  const actor_id a{"s", "a"};
  const any state = value("content", "");
  const auto bytes = records::write_state(a, state);
  const auto read = [&](const actor_id& who, std::uint32_t version, std::size_t size) {
    return records::read_state(who, "", version, std::span(bytes).first(size));
  };
  CHECK(read(a, 1, bytes.size()).value() == state);
  CHECK(read({"s", "b"}, 1, bytes.size()).error() == errc::corrupt_record);
  CHECK(read(a, 2, bytes.size()).error() == errc::newer_version);
  for (std::size_t size = 0; size < bytes.size() - state.value.size(); ++size)
    CHECK(read(a, 1, size).error() == errc::corrupt_record);
}

TEST_CASE("a scheduled invocation that cannot be read is reported and holds nobody up") {
  world w;
  std::vector<timer_change> changes;
  changes.push_back({.persistence_id = "sidecar-schedule",
                     .timer_id = "broken",
                     .set = timer_record{.id = "broken",
                                         .due = wall_time(std::chrono::seconds(1)),
                                         .manifest = "sidecar.invocation",
                                         .payload = {std::byte{0xc1}}}});
  // Timers of others in the same journal, more than a page of them.
  for (int k = 0; k < 600; ++k)
    changes.push_back({.persistence_id = "another",
                       .timer_id = std::to_string(k),
                       .set = timer_record{.id = std::to_string(k),
                                           .due = wall_time(std::chrono::seconds(2)),
                                           .manifest = "m",
                                           .payload = {}}});
  CHECK(wait_for<std::uint64_t>(w.rt, [&](auto done) {
          w.j->change_timers(std::move(changes), std::move(done));
        }) == 601u);
  CHECK(w.c.schedule({"good", wall_time(std::chrono::seconds(3)), {}}).has_value());
  CHECK(w.c.due(5) == "good ");
  REQUIRE(w.reported.size() == 1);
  CHECK(w.reported[0].find("scheduled invocation broken") != std::string::npos);
}

TEST_CASE("a thousand actors are opened and stored at once, and all come back") {
  world w;
  constexpr int count = 1000;
  int stored = 0;
  for (int k = 0; k < count; ++k)
    w.store->open({"many", std::to_string(k)}, 0, [&, k](result<opened_state> o) {
      REQUIRE(o.has_value());
      w.store->save(o->lease, value(std::to_string(k * k)), [&](result<state_lease> l) {
        if (l && l->revision == 1) ++stored;
      });
    });
  w.rt.settle();
  CHECK(stored == count);
  int good = 0;
  for (int k = 0; k < count; ++k)
    good += w.c.found({"many", std::to_string(k)}) == "1:" + std::to_string(k * k) ? 1 : 0;
  CHECK(good == count);
}

}  // namespace
}  // namespace odeon::sidecar
