// One stream into several, and streams that join while others run.

#include "common.test.hpp"
#include <odeon/stream/fan_out.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/timed.hpp>
#include <odeon/stream/hub.hpp>

#include <ranges>

using namespace odeon;
using namespace odeon::stream_test;
using namespace std::chrono_literals;

using ints = std::vector<int>;

namespace {
ints sorted(ints v) {
  std::ranges::sort(v);
  return v;
}
ints upto(int n) {
  ints out;
  for (int i = 0; i < n; ++i) out.push_back(i);
  return out;
}
}  // namespace

TEST_CASE("broadcast gives every sink every element in order, whatever comes in") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto after = *rc::gen::arbitrary<std::vector<bool>>();
    auto [a, b, n] = (probe_source(in, std::make_shared<seen>(), holes) |
                      to(sink::broadcast(sink::collect(), with_holes(after) | to(sink::collect()),
                                         sink::count())))
                         .run(k.system());
    RC_ASSERT(a.get() == in);
    RC_ASSERT(b.get() == in);
    RC_ASSERT(n.get() == in.size());
  }));
}

TEST_CASE("balance gives each element to one sink") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto after = *rc::gen::arbitrary<std::vector<bool>>();
    auto [a, b] = (source::from(in) |
                   to(sink::balance(sink::collect(), with_holes(after) | to(sink::collect()))))
                      .run(k.system());
    auto all = a.get(), rest = b.get();
    all.insert(all.end(), rest.begin(), rest.end());
    RC_ASSERT(sorted(all) == sorted(in));
  }));
}

TEST_CASE("partition gives each element to the sink it chooses, and refuses a choice too high") {
  testkit::kit k;
  auto [even, odd] =
      (source::from(upto(1000)) |
       to(sink::partition([](int x) { return x % 2; }, sink::collect(), sink::collect())))
          .run(k.system());
  CHECK(even.get() ==
        run_all(k, source::from(upto(1000)) | filter([](int x) { return x % 2 == 0; })));
  CHECK(odd.get().size() == 500);
  auto [a, b] = (source::from({0, 1, 2}) |
                 to(sink::partition([](int x) { return x; }, sink::collect(), sink::collect())))
                    .run(k.system());
  CHECK(a.result().error() == errc::invalid_argument);
  CHECK(b.result().error() == errc::invalid_argument);
}

TEST_CASE("a sink that cancels is left out; when all have, the source is cancelled") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto [first, all] =
      (probe_source(upto(1000), s) | to(sink::broadcast(sink::head(), sink::collect())))
          .run(k.system());
  CHECK(first.get() == 0);
  CHECK(all.get() == upto(1000));
  auto t = std::make_shared<seen>();
  auto [x, y] = (probe_source(ints(100'000, 1), t) | to(sink::balance(sink::head(), sink::head())))
                    .run(k.system());
  CHECK(x.get() + y.get() == 2);
  k.settle();
  CHECK(t->cancelled);
}

TEST_CASE("a failure reaches all sinks after the elements before it") {
  testkit::kit k;
  auto [a, b] = (probe_source<int>({1}, std::make_shared<seen>(), {}, errc::refused) |
                 to(sink::broadcast(sink::collect(), sink::count())))
                    .run(k.system());
  CHECK(a.result().error() == errc::refused);
  CHECK(b.result().error() == errc::refused);
}

TEST_CASE("a slow sink of a broadcast bounds what is asked for") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto [a, b] = (probe_source(upto(1000), s) |
                 to(sink::broadcast(sink::count(), map_async(1,
                                                             [](int x) {
                                                               return [](int y) -> task<int> {
                                                                 co_await sleep(1h);
                                                                 co_return y;
                                                               }(x);
                                                             }) |
                                                       to(sink::count()))))
                    .run(k.system());
  k.settle();
  CHECK(s->given <= fan_out_capacity + 2);
  CHECK(s->given >= fan_out_capacity);
}

TEST_CASE("flows side by side give all they make") {
  testkit::kit k;
  auto both = run_all(k, source::from(upto(100)) | broadcast(map([](int x) { return x; }),
                                                             map([](int x) { return x + 100; })));
  CHECK(sorted(both) == upto(200));
  auto shared = run_all(
      k, source::from(upto(300)) | balance(map([](int x) { return x; }), async({.capacity = 1}),
                                           filter([](int) { return true; })));
  CHECK(sorted(shared) == upto(300));
  auto chosen = run_all(k, source::from(upto(4)) |
                               partition([](int x) { return x % 2; }, map([](int x) { return x; }),
                                         map([](int x) { return -x; })));
  CHECK(sorted(chosen) == ints{-3, -1, 0, 2});
}

TEST_CASE("also_to keeps the laws, and gives a sink a copy of all") {
  check_laws(also_to(sink::ignore()), [](ints v) { return v; }, {.failure_keeps_all = true});
  testkit::kit k;
  auto [copy, sum] =
      (source::from(upto(1000)) | also_to(sink::collect()) | to(sink::fold(0, std::plus{})))
          .run(k.system());
  CHECK(copy.get() == upto(1000));
  CHECK(sum.get() == 499'500);
}

TEST_CASE("streams fan out and in again between real threads") {
  testkit::kit k({.threaded = true});
  auto out = run_all(k, source::from(std::views::iota(0, 50'000)) |
                            balance(map([](int x) { return x; }), map([](int x) { return x; })) |
                            broadcast(map([](int x) { return x; }), map([](int x) { return x; })));
  CHECK(out.size() == 100'000);
}

TEST_CASE("a merge hub gives the elements of all that join, and lives on when one fails") {
  testkit::kit k;
  auto [hub, all] = (source::merge_hub<int>(4) | to(sink::collect())).run(k.system());
  (source::from(upto(50)) | to(hub.sink())).run(k.system());
  (source::failed<int>(errc::refused) | to(hub.sink())).run(k.system());
  k.settle();
  (source::from(upto(100)) | skip(50) | to(hub.sink())).run(k.system());
  hub.complete();
  CHECK(sorted(all.get()) == upto(100));
  // Too late: the stream is cancelled.
  auto s = std::make_shared<seen>();
  (probe_source(upto(5), s) | to(hub.sink())).run(k.system());
  k.settle();
  CHECK(s->given == 0);
  CHECK(s->cancelled);
}

TEST_CASE("a merge hub that is cancelled cancels those that feed it") {
  testkit::kit k;
  auto [hub, first] = (source::merge_hub<int>() | take(3) | to(sink::collect())).run(k.system());
  auto s = std::make_shared<seen>();
  (probe_source(ints(10'000, 7), s) | to(hub.sink())).run(k.system());
  CHECK(first.get() == ints{7, 7, 7});
  k.settle();
  CHECK(s->cancelled);
}

TEST_CASE("a broadcast hub waits for its first stream, and gives each what comes from then on") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto hub = (probe_source(upto(1000), s) | to(sink::broadcast_hub(8))).run(k.system());
  k.settle();
  CHECK(s->given == 0);
  auto three = (hub.source() | take(3) | to(sink::collect())).run(k.system());
  CHECK(three.get() == upto(3));
  k.settle();
  const int from = int(s->given);
  CHECK(from <= 3 + 2 * 8 + 2);
  auto rest = (hub.source() | to(sink::collect())).run(k.system()).get();
  CHECK(rest.back() == 999);
  CHECK(rest.front() >= from - 1);
  CHECK(std::ranges::is_sorted(rest));
  CHECK(run_all(k, hub.source()).empty());  // it has ended
}

TEST_CASE("the failure of a hub's stream reaches all that have joined, and those that come later") {
  testkit::kit k;
  auto hub = (source::failed<int>(errc::refused) | to(sink::broadcast_hub())).run(k.system());
  auto r = run_partial(k, hub.source());
  CHECK(*r.why == errc::refused);
  CHECK(*run_partial(k, hub.source()).why == errc::refused);
}

TEST_CASE("a partition hub gives each element to the stream that it chooses") {
  testkit::kit k;
  auto hub = (source::tick(0ms, 1ms, 1) | scan(0, std::plus{}) | take(100) |
              to(sink::partition_hub([](std::size_t n, int x) { return std::size_t(x) % n; })))
                 .run(k.system());
  auto a = (hub.source() | to(sink::collect())).run(k.system());
  auto b = (hub.source() | to(sink::collect())).run(k.system());
  auto x = a.get(), y = b.get();
  CHECK(x.size() + y.size() == 100);
  CHECK(std::ranges::all_of(y, [](int v) { return v % 2 == 1; }));
}
