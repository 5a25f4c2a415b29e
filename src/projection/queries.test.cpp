#include "common.test.hpp"
#include <odeon/projection/queries.hpp>
#include <odeon/stream/flow/basic.hpp>
#include <odeon/stream/kill_switch.hpp>
#include <odeon/stream/queue.hpp>
#include <odeon/stream/sink/basic.hpp>

namespace odeon::projection_test {
namespace {

using namespace odeon::projection;
namespace sink = odeon::stream::sink;
using odeon::stream::to;

std::vector<std::uint64_t> sequences(const std::vector<stored_event>& events) {
  std::vector<std::uint64_t> out;
  for (const auto& e : events) out.push_back(e.sequence);
  return out;
}
template <class S>
auto all(world& w, S source) {
  return (std::move(source) | to(sink::collect())).run(*w.system).get();
}
using numbers = std::vector<std::uint64_t>;

TEST_CASE("the events of a tag come page by page, in the order of their positions") {
  world w;
  for (int i = 0; i < 10; ++i) {
    w.write("a", added{i});
    w.write("b", added{i}, taken{i});
  }
  for (const std::size_t page : {1, 3, 500}) {
    const auto got = all(w, events_by_tag(w.store, "money", {.page = page}));
    REQUIRE(got.size() == 30);
    for (std::size_t i = 1; i < got.size(); ++i) CHECK(got[i - 1].position < got[i].position);
    const auto rest = all(w, events_by_tag(w.store, "money", {.after = got[19].position}));
    CHECK(rest.size() == 10);
    CHECK(rest[0].position == got[20].position);
  }
  CHECK(all(w, events_by_tag(w.store, "nothing")).empty());
}

TEST_CASE("the events of an id come by their numbers, from one to another") {
  world w;
  w.write_many("a", 10);
  w.write_many("b", 3);
  CHECK(sequences(all(w, events_by_id(w.store, "a", {.page = 4}))) ==
        numbers{1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  CHECK(sequences(all(w, events_by_id(w.store, "a", {.from = 4, .to = 6, .page = 2}))) ==
        numbers{4, 5, 6});
  CHECK(all(w, events_by_id(w.store, "a", {.from = 11})).empty());
  CHECK(all(w, events_by_id(w.store, "nobody")).empty());
}

TEST_CASE("the persistence ids come in the order of their bytes") {
  world w;
  for (const char* id : {"c", "a", "d", "b"}) w.write(id, added{1});
  CHECK(all(w, persistence_ids(w.store, {}, 2)) == std::vector<std::string>{"a", "b", "c", "d"});
  CHECK(all(w, persistence_ids(w.store, "b")) == std::vector<std::string>{"c", "d"});
}

TEST_CASE("a damaged event fails the stream with its place, after the good ones") {
  world w;
  w.write_many("a", 5);
  REQUIRE(w.disk->damage_event("a", 3));
  auto got = std::make_shared<std::vector<stored_event>>();
  auto end = (events_by_id(w.store, "a", {.page = 1}) |
              to(sink::foreach ([got](stored_event e) { got->push_back(std::move(e)); })))
                 .run(*w.system)
                 .result();
  REQUIRE_FALSE(end);
  CHECK(end.error().code() == errc::corrupt_record);
  CHECK(sequences(*got) == numbers{1, 2});
}

TEST_CASE("a live query goes on with new events: at once where they are announced") {
  for (const bool announced : {true, false}) {
    world w(announced);
    w.write_many("a", 2);
    auto got = std::make_shared<std::vector<stored_event>>();
    const auto keep = sink::foreach ([got](stored_event e) { got->push_back(std::move(e)); });
    auto by_tag = (live_events_by_tag(w.store, "money", {.poll = 10s}) | to(keep)).run(*w.system);
    w.rt.settle();
    CHECK(sequences(*got) == numbers{1, 2});
    w.write("a", added{3});
    w.rt.settle();
    if (!announced) {
      CHECK(got->size() == 2);
      w.rt.advance(9s);
      CHECK(got->size() == 2);
      w.rt.advance(1001ms);
    }
    CHECK(sequences(*got) == numbers{1, 2, 3});
    w.write_many("b", 1);
    w.rt.advance(10001ms);
    CHECK(sequences(*got) == numbers{1, 2, 3, 1});
  }
}

TEST_CASE("a live query of an id sees its own, and completes with the last one asked for") {
  world w;
  auto done =
      (live_events_by_id(w.store, "a", {.to = 4, .poll = 1h}) | to(sink::collect())).run(*w.system);
  w.rt.settle();
  w.write_many("a", 3);
  w.write_many("b", 3);
  w.rt.settle();
  CHECK_FALSE(done.is_ready());
  w.write("a", added{4}, added{5});
  w.rt.settle();
  REQUIRE(done.is_ready());
  CHECK(sequences(done.get()) == numbers{1, 2, 3, 4});
}

TEST_CASE("a sink that takes nothing has nothing read beyond a page") {
  world w;
  w.write_many("a", 100);
  auto queue = (events_by_tag(w.store, "money", {.page = 10}) | to(sink::queue(1))).run(*w.system);
  w.rt.advance(1h);
  REQUIRE(w.disk->damage_event("a", 15));  // seen, so the second page was not read before
  std::size_t got = 0;
  std::optional<error> why;
  while (!why) {
    auto e = queue.pull().result();
    if (e)
      CHECK((*e)->sequence == ++got);
    else
      why = e.error();
  }
  CHECK(why->code() == errc::corrupt_record);
  CHECK(got >= 9);
  CHECK(got < 15);
}

TEST_CASE("a stream that is stopped reads no further") {
  world w(false);
  w.write_many("a", 3);
  auto [stop, done] = (live_events_by_tag(w.store, "money", {.poll = 1s}) | stream::kill_switch() |
                       to(sink::collect()))
                          .run(*w.system);
  w.rt.advance(5s);
  stop.shutdown();
  w.rt.settle();
  CHECK(done.get().size() == 3);
  const auto steps = w.rt.steps();
  w.rt.advance(1h);
  CHECK(w.rt.steps() - steps < 10);  // nobody polls any more
}

TEST_CASE("a query of a closed journal fails") {
  world w;
  w.write_many("a", 3);
  w.store->close();
  auto end = (events_by_tag(w.store, "money") | to(sink::collect())).run(*w.system).result();
  REQUIRE_FALSE(end);
  CHECK(end.error().code() == errc::store_closed);
}

}  // namespace
}  // namespace odeon::projection_test
