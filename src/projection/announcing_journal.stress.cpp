// An announcing journal under many writers, with live queries and projections that come and go: to
// be run with ThreadSanitizer. Nobody polls, so an announcement that is lost lets a case hang.

#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/projection/announcing_journal.hpp>
#include <odeon/projection/projection.hpp>
#include <odeon/projection/queries.hpp>
#include <odeon/projection/sqlite_offsets.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/sink/basic.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct counted {
  static constexpr auto manifest = "stress.counted";
  std::int64_t n = 0;
};

/// Appends `events` to an id, each when the one before was acknowledged.
void write(runtime& rt, journal& store, const std::string& id, int events) {
  auto epoch =
      wait_for<std::uint64_t>(rt, [&](auto done) { store.open_writer(id, std::move(done)); });
  REQUIRE(epoch);
  for (int n = 0; n < events; ++n) {
    append_request r;
    r.persistence_id = id;
    r.epoch = *epoch;
    r.expected_sequence = static_cast<std::uint64_t>(n);
    r.events.push_back({std::string(counted::manifest), 1, wire::encode(counted{n}), {"all", id}});
    REQUIRE(
        wait_for<append_ack>(rt, [&](auto done) { store.append(std::move(r), std::move(done)); }));
  }
}

struct adder {
  using events = odeon::events<counted>;
  std::shared_ptr<std::atomic<int>> handled;
  explicit adder(std::shared_ptr<std::atomic<int>> h) : handled(std::move(h)) {}
  void on(const counted& e, const projection::event_info&, projection::sqlite_transaction& tx) {
    tx.execute("INSERT INTO seen VALUES(?)", {e.n});
    ++*handled;
  }
};

}  // namespace

TEST_CASE("live queries see every event of every writer, and no wake-up is lost") {
  actor_system system{"stress", {.workers = 4}};
  runtime& rt = system.get_runtime();
  std::shared_ptr<journal> store = projection::announce(make_memory_journal(rt));
  persistence::install(system, store);
  constexpr int writers = 4, events = 500;
  std::vector<future<std::vector<stored_event>>> each;
  for (int w = 0; w < writers; ++w)
    each.push_back(
        (projection::live_events_by_tag(store, "w" + std::to_string(w), {.page = 7, .poll = 1h}) |
         stream::take(std::size_t(events)) | stream::to(stream::sink::collect()))
            .run(system));
  auto all = (projection::live_events_by_tag(store, "all", {.page = 16, .poll = 1h}) |
              stream::take(std::size_t(writers * events)) | stream::to(stream::sink::collect()))
                 .run(system);
  std::atomic<bool> over{false};
  std::thread comes_and_goes([&] {
    while (!over)
      (void)(projection::live_events_by_tag(store, "all", {.page = 3, .poll = 1h}) |
             stream::take(std::size_t(2)) | stream::to(stream::sink::collect()))
          .run(system)
          .get();
  });
  std::vector<std::thread> threads;
  for (int w = 0; w < writers; ++w)
    threads.emplace_back([&, w] { write(rt, *store, "w" + std::to_string(w), events); });
  for (auto& t : threads) t.join();
  for (auto& f : each) {
    const auto got = f.get();
    for (std::size_t i = 0; i < got.size(); ++i) CHECK(got[i].sequence == i + 1);
  }
  const auto got = all.get();
  for (std::size_t i = 1; i < got.size(); ++i) CHECK(got[i - 1].position < got[i].position);
  over = true;
  comes_and_goes.join();
}

TEST_CASE("a projection that is killed again and again books each event once") {
  actor_system system{"stress", {.workers = 4}};
  runtime& rt = system.get_runtime();
  std::shared_ptr<journal> store = projection::announce(make_memory_journal(rt));
  persistence::install(system, store);
  auto books = projection::sqlite_offsets::open(
      rt, {.path = ":memory:", .setup = "CREATE TABLE seen(n INTEGER PRIMARY KEY)"});
  REQUIRE(books);
  constexpr int events = 400;
  auto handled = std::make_shared<std::atomic<int>>(0);
  std::thread writer([&] { write(rt, *store, "w", events); });
  const auto offset = [&] {
    return wait_for<std::uint64_t>(rt, [&](auto done) { (*books)->load("p", std::move(done)); })
        .value();
  };
  projection::settings s;
  s.name = "p";
  s.tag = "all";
  s.batch = 5;
  s.poll = 1h;
  while (offset() < events) {
    auto p = projection::start<adder>(system, s, *books, handled);
    const int before = *handled;
    while (*handled < before + 20 && offset() < events) continue;
    system.kill(p);
    while (!p.is_terminated()) (void)offset();
  }
  writer.join();
  std::int64_t rows = 0;
  REQUIRE(wait_for<void>(rt, [&](auto done) {
    (*books)->with(
        [&](projection::store_transaction& tx) -> result<void> {
          rows = std::get<std::int64_t>(static_cast<projection::sqlite_transaction&>(tx).query(
              "SELECT count(*) FROM seen")[0][0]);
          return {};
        },
        std::move(done));
  }));
  CHECK(rows == events);
}
