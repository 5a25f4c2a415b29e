// Islands side by side, and stages whose work takes its time.

#include "common.test.hpp"
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/recover.hpp>

#include <atomic>
#include <numeric>
#include <ranges>

using namespace odeon;
using namespace odeon::stream_test;
using namespace std::chrono_literals;

using ints = std::vector<int>;

namespace {

task<int> doubled(int x) { co_return x / 2 * 2; }
/// Takes the longer the smaller the element.
task<int> later(int x) {
  co_await sleep(std::chrono::milliseconds(50 - x));
  co_return x;
}
ints evened(ints v) {
  for (int& x : v) x = x / 2 * 2;
  return v;
}

}  // namespace

TEST_CASE("an async boundary keeps the laws, for any capacity") {
  for (std::size_t n : {1U, 2U, 3U, 16U, 1024U})
    check_laws(async({.capacity = n}), [](ints v) { return v; },
               {.ahead = n + 1, .failure_keeps_all = true});
}

TEST_CASE("several boundaries keep the laws") {
  check_laws(async({.capacity = 2}) | map([](int x) { return x / 2; }) | async({.capacity = 1}) |
                 map([](int x) { return x * 2; }) | async(),
             evened, {.ahead = 1031, .failure_keeps_all = true});
}

TEST_CASE("a boundary lets no more elements wait than its capacity") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  std::size_t out = 0, most = 0;
  auto done = (probe_source(ints(1000), s) | async({.capacity = 8}) | to(sink::foreach ([&](int) {
                 ++out;
                 most = std::max(most, s->given - out);
               })))
                  .run(k.system());
  done.get();
  CHECK(out == 1000);
  CHECK(most <= 8);
  CHECK(most > 0);
}

TEST_CASE("elements cross a boundary between real threads, all of them, in order") {
  testkit::kit k({.threaded = true});
  const int n = 200'000;
  for (std::size_t capacity : {1U, 7U, 1024U}) {
    int next = 0;
    bool in_order = true;
    (source::from(std::views::iota(0, capacity == 1 ? n / 20 : n)) | async({.capacity = capacity}) |
     map([](int x) { return x; }) | async({.capacity = capacity}) |
     to(sink::foreach ([&](int x) { in_order = in_order && x == next++; })))
        .run(k.system())
        .get();
    CHECK(in_order);
    CHECK(next == (capacity == 1 ? n / 20 : n));
  }
}

TEST_CASE("cancelling crosses boundaries between real threads") {
  testkit::kit k({.threaded = true, .patience = 30s});
  auto s = std::make_shared<seen>();
  CHECK((probe_source(ints(100'000, 1), s) | async() | async() | take(10) |
         to(sink::fold(0, std::plus{})))
            .run(k.system())
            .get() == 10);
  k.eventually([&] { return std::atomic_ref(s->cancelled).load(); });
}

TEST_CASE("an island that is stopped from outside fails the stream and stops its neighbours") {
  testkit::kit k;
  auto f = (source::never<int>() | async() | to(sink::ignore())).run(k.system(), {.name = "last"});
  k.settle();
  // The last island has the name.
  const auto last = k.system().lookup("last");
  REQUIRE(last);
  k.system().stop(last);
  k.settle();
  CHECK(f.result().error() == errc::actor_stopped);
  CHECK(k.system().snapshot().actors <= testkit::kit().system().snapshot().actors);
}

TEST_CASE("map_async keeps the laws") {
  for (std::size_t n : {1U, 4U}) {
    check_laws(map_async(n, doubled), evened, {.ahead = n, .failure_keeps_all = true});
    check_laws(map_async_unordered(1, doubled), evened, {.ahead = 1, .failure_keeps_all = true});
  }
}

TEST_CASE("map_async keeps the order of elements, the unordered one that of the work") {
  testkit::kit k;
  const auto in = source::from({1, 20, 30, 10});
  CHECK(run_all(k, in | map_async(4, later)) == ints{1, 20, 30, 10});
  CHECK(run_all(k, in | map_async_unordered(4, later)) == ints{30, 20, 10, 1});
  CHECK(run_all(k, in | map_async_unordered(1, later)) == ints{1, 20, 30, 10});
}

TEST_CASE("map_async has no more work at hand than its parallelism") {
  for (bool ordered : {true, false}) {
    testkit::kit k;
    int at_work = 0, most = 0;
    auto work = [&](int x) -> task<int> {
      return [](int x, int& at_work, int& most) -> task<int> {
        most = std::max(most, ++at_work);
        co_await sleep(std::chrono::milliseconds(1 + x % 7));
        --at_work;
        co_return x;
      }(x, at_work, most);
    };
    const auto in = source::from(std::views::iota(0, 100));
    auto out = ordered ? run_all(k, in | map_async(5, work))
                       : run_all(k, in | map_async_unordered(5, work));
    std::ranges::sort(out);
    CHECK(out.size() == 100);
    CHECK(std::ranges::equal(out, std::views::iota(0, 100)));
    CHECK(most == 5);
  }
}

TEST_CASE("work that fails fails the stream in its turn, or is dropped when supervised") {
  testkit::kit k;
  auto refuse_two = [](int x) -> task<int> {
    if (x == 2) throw actor_error(errc::refused, "two");
    co_return x;
  };
  auto r = run_partial(k, source::from({1, 2, 3}) | map_async(4, refuse_two));
  CHECK(r.got == ints{1});
  CHECK(*r.why == errc::refused);
  CHECK(run_all(k, source::from({1, 2, 3}) | map_async(4, refuse_two) |
                       supervised(directive::resume)) == ints{1, 3});
  CHECK(run_all(k, source::from({1, 2, 3}) | map_async_unordered(4, refuse_two) |
                       supervised(directive::resume)) == ints{1, 3});
}

TEST_CASE("work that is not wanted any more is destroyed with its stream") {
  testkit::kit k;
  auto alive = std::make_shared<int>(0);
  auto work = [alive](int x) -> task<int> {
    return [](int x, std::shared_ptr<int>) -> task<int> {
      if (x > 1) co_await sleep(std::chrono::hours(1));
      co_return x;
    }(x, alive);
  };
  CHECK(run_all(k, source::from({1, 2, 3}) | map_async(3, std::move(work)) | take(1)) == ints{1});
  k.settle();
  CHECK(alive.use_count() == 1);
}

namespace {
struct square {
  using reply = int;
  int x;
};
}  // namespace

TEST_CASE("map_async asks actors") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(0, [](int&, square m) { return m.x * m.x; }));
  CHECK(run_all(k, source::from({1, 2, 3}) |
                       map_async(2, [a](int x) { return a.ask<square>(x); })) == ints{1, 4, 9});
}

TEST_CASE("from_task gives the value of a task, or its failure") {
  testkit::kit k;
  CHECK(run_all(k, source::from_task(later(3))) == ints{3});
  auto [p, f] = promise<int>::make(k.get_runtime());
  auto out = (source::from_task(std::move(f)) | to(sink::collect())).run(k.system());
  k.settle();
  CHECK_FALSE(out.is_ready());
  p.fail(errc::refused);
  CHECK(out.result().error() == errc::refused);
}

TEST_CASE("foreach_async waits for the work of each element") {
  testkit::kit k;
  int done = 0;
  auto work = [&](int x) -> task<void> {
    return [](int x, int& done) -> task<void> {
      co_await sleep(std::chrono::milliseconds(x));
      ++done;
    }(x, done);
  };
  (source::from({5, 1, 3}) | to(sink::foreach_async(2, work))).run(k.system()).get();
  CHECK(done == 3);
}
