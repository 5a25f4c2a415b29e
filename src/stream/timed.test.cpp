// Flows that look at the clock, and flows between a fast side and a slow one.

#include "common.test.hpp"
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/flow/recover.hpp>
#include <odeon/stream/flow/timed.hpp>

#include <ranges>

using namespace odeon;
using namespace odeon::stream_test;
using namespace std::chrono_literals;

using ints = std::vector<int>;

namespace {

/// The time since the stream began, with each element.
template <class T>
struct stamped {
  T value;
  duration at;
  friend bool operator==(const stamped&, const stamped&) = default;
};
template <class S>
auto stamps(testkit::kit& k, S s) {
  const auto begin = k.now();
  using T = element_t<S>;
  return run_all(k,
                 std::move(s) | map([&k, begin](T v) { return stamped<T>{v, k.now() - begin}; }));
}
using stamps_of = std::vector<stamped<int>>;

/// Elements at given times.
struct timetable {
  using value_type = int;
  std::vector<stamped<int>> all;
  std::size_t at = 0;
  std::optional<time_point> began;
  polled<int> next(island& in) {
    if (!began) began = in.now();
    if (at == all.size()) return ended;
    const time_point due = *began + all[at].at;
    if (in.now() < due) {
      in.wake_at(due);
      return pending;
    }
    return all[at++].value;
  }
  void drive(island&) {}
};
auto at_times(stamps_of all) {
  return stream::detail::stage_source{timetable{std::move(all), 0, {}}};
}
/// A sink's work: so long for each element.
auto busy(duration d) {
  return map_async(1, [d](auto v) -> task<decltype(v)> {
    return [](duration d, auto v) -> task<decltype(v)> {
      co_await sleep(d);
      co_return v;
    }(d, std::move(v));
  });
}
ints same(ints v) { return v; }

}  // namespace

TEST_CASE("tick gives its value at a fixed rate, and drops all but one of those it missed") {
  testkit::kit k;
  CHECK(stamps(k, source::tick(5ms, 10ms, 1) | take(3)) ==
        stamps_of{{1, 5ms}, {1, 15ms}, {1, 25ms}});
  CHECK(stamps(k, source::tick(10ms, 1) | busy(25ms) | take(3)) ==
        stamps_of{{1, 35ms}, {1, 60ms}, {1, 85ms}});
}

TEST_CASE("throttle spaces elements evenly, and keeps the laws") {
  testkit::kit k;
  CHECK(stamps(k, source::from({1, 2, 3, 4}) | throttle(2, 100ms)) ==
        stamps_of{{1, 0ms}, {2, 50ms}, {3, 100ms}, {4, 150ms}});
  check_laws(throttle(1'000'000, 1s), same, {.failure_keeps_all = true});
}

TEST_CASE("throttle lets a burst through after a pause, and asks for nothing it has no room for") {
  testkit::kit k;
  CHECK(stamps(k, at_times({{1, 0ms}, {2, 0ms}, {3, 0ms}, {4, 200ms}, {5, 200ms}, {6, 200ms}}) |
                      throttle(1, 50ms, 2)) ==
        stamps_of{{1, 0ms}, {2, 0ms}, {3, 50ms}, {4, 200ms}, {5, 200ms}, {6, 250ms}});
  auto s = std::make_shared<seen>();
  auto f = (probe_source(ints(10), s) | throttle(1, 10ms) | to(sink::ignore())).run(k.system());
  k.settle();
  CHECK(s->given == 1);
}

TEST_CASE("delay moves elements and the end, and keeps the laws") {
  testkit::kit k;
  CHECK(stamps(k, at_times({{1, 0ms}, {2, 7ms}, {3, 7ms}}) | delay(50ms)) ==
        stamps_of{{1, 50ms}, {2, 57ms}, {3, 57ms}});
  check_laws(delay(1ms), same, {.ahead = 1024, .failure_keeps_all = true});
  auto s = std::make_shared<seen>();
  auto f = (probe_source(ints(10), s) | delay(10ms, 3) | to(sink::ignore())).run(k.system());
  k.settle();
  CHECK(s->given == 3);
}

TEST_CASE("initial_delay asks for nothing before its time") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto f = (probe_source<int>({1, 2}, s) | initial_delay(1s) | to(sink::count())).run(k.system());
  k.advance(999ms);
  CHECK(s->given == 0);
  k.advance(1ms);
  CHECK(f.get() == 2);
  check_laws(initial_delay(1ms), same, {.failure_keeps_all = true});
}

TEST_CASE("debounce gives the last element of each burst") {
  testkit::kit k;
  CHECK(stamps(k, at_times({{1, 0ms}, {2, 5ms}, {3, 9ms}, {4, 50ms}, {5, 59ms}, {6, 61ms}}) |
                      debounce(10ms)) == stamps_of{{3, 19ms}, {6, 61ms}});
  CHECK(run_all(k, source::empty<int>() | debounce(1s)).empty());
  auto r = run_partial(k, source::failed<int>(errc::refused) | debounce(1s));
  CHECK(*r.why == errc::refused);
}

TEST_CASE("timeout fails a stream that has not completed in time") {
  testkit::kit k;
  auto r = run_partial(k, source::tick(40ms, 1) | timeout(100ms));
  CHECK(r.got == ints{1, 1});
  CHECK(*r.why == errc::expired);
  CHECK(run_partial(k, source::tick(40ms, 1) | take(2) | timeout(100ms)).got.size() == 2);
  check_laws(timeout(1h), same, {.failure_keeps_all = true});
}

TEST_CASE("idle_timeout fails a stream whose source or sink is silent too long") {
  testkit::kit k;
  auto r = run_partial(k, at_times({{1, 10ms}, {2, 90ms}, {3, 200ms}}) | idle_timeout(100ms));
  CHECK(r.got == ints{1, 2});
  CHECK(*r.why == errc::expired);
  // The sink is at work when the time has passed.
  auto busy_sink = run_partial(k, source::from({1, 2}) | idle_timeout(100ms) | busy(1h));
  CHECK(busy_sink.got.empty());
  CHECK(*busy_sink.why == errc::expired);
  CHECK(run_all(k, source::never<int>() | idle_timeout(1s) | recover([](error) { return 5; })) ==
        ints{5});
  check_laws(idle_timeout(1h), same, {.failure_keeps_all = true});
}

TEST_CASE("keep_alive fills pauses") {
  testkit::kit k;
  CHECK(stamps(k, at_times({{1, 0ms}, {2, 25ms}, {3, 30ms}}) | keep_alive(10ms, [] {
                    return 0;
                  })) == stamps_of{{1, 0ms}, {0, 10ms}, {0, 20ms}, {2, 25ms}, {3, 30ms}});
  check_laws(keep_alive(1h, [] { return 0; }), same, {.failure_keeps_all = true});
}

TEST_CASE("grouped_within gives groups by number or by time") {
  testkit::kit k;
  const auto begin = k.now();
  std::vector<duration> when;
  auto out = run_all(k, at_times({{1, 0ms}, {2, 1ms}, {3, 2ms}, {4, 3ms}, {5, 40ms}}) |
                            grouped_within(3, 10ms) |
                            wire_tap([&](const ints&) { when.push_back(k.now() - begin); }));
  CHECK(out == std::vector<ints>{{1, 2, 3}, {4}, {5}});
  CHECK(when == std::vector<duration>{2ms, 13ms, 40ms});
}

TEST_CASE("grouped_within without time passing is grouped, and keeps the laws") {
  check_laws(grouped_within(4, 1h),
             [](const ints& v) {
               std::vector<ints> out;
               for (int x : v) {
                 if (out.empty() || out.back().size() == 4) out.emplace_back();
                 out.back().push_back(x);
               }
               return out;
             },
             {.ahead = 4, .failure_keeps_all = true});
}

TEST_CASE("a buffer that waits keeps the laws, and is as large as it says") {
  for (std::size_t n : {1U, 5U})
    check_laws(buffer(n), same, {.ahead = n, .failure_keeps_all = true});
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto f = (probe_source(ints(100), s) | buffer(7) | busy(1ms) | to(sink::count())).run(k.system());
  k.settle();
  CHECK(s->given == 8);  // one is at work
  CHECK(f.get() == 100);
}

TEST_CASE("a full buffer drops what it is told to") {
  testkit::kit k;
  // The first element goes to the sink, and the rest comes while that is busy.
  const auto fast = source::from(std::views::iota(0, 10));
  CHECK(run_all(k, fast | buffer(3, on_full::drop_newest) | busy(1ms)) == ints{0, 1, 2, 3});
  CHECK(run_all(k, fast | buffer(3, on_full::drop_oldest) | busy(1ms)) == ints{0, 7, 8, 9});
  CHECK(run_all(k, fast | buffer(3, on_full::drop_all) | busy(1ms)) == ints{0, 7, 8, 9});
  auto r = run_partial(k, fast | buffer(3, on_full::fail) | busy(1ms));
  CHECK(r.got.empty());
  CHECK(*r.why == errc::limit_exceeded);
}

TEST_CASE("conflate and batch put together what comes while the sink is busy, and lose nothing") {
  testkit::kit k;
  const auto fast = source::from(std::views::iota(0, 10));
  CHECK(run_all(k, fast | conflate(std::plus{}) | busy(1ms)) == ints{0, 45});
  CHECK(run_all(k, fast |
                       batch(
                           4, [](int x) { return x; }, std::plus{}) |
                       busy(1ms)) == ints{0, 1 + 2 + 3 + 4, 5 + 6 + 7 + 8, 9});
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    auto out = run_all(k, probe_source(in, std::make_shared<seen>(), holes) |
                              conflate([](int x) { return ints{x}; },
                                       [](ints v, int x) {
                                         v.push_back(x);
                                         return v;
                                       }) |
                              busy(1ms) | map_concat([](ints v) { return v; }));
    RC_ASSERT(out == in);
  }));
  CHECK(rc::check("a sink that always asks gets each element", [&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    RC_ASSERT(run_all(k, probe_source(in, std::make_shared<seen>(), holes) |
                             conflate(std::plus{})) == in);
  }));
}

TEST_CASE("expand fills in for a source that is slow") {
  testkit::kit k;
  CHECK(run_all(k, at_times({{10, 0ms}, {20, 5ms}}) | expand([](int x) {
                     return std::views::iota(x, x + 3);
                   })) == ints{10, 11, 12, 20});
  // A source that always has an element is not expanded.
  CHECK(run_all(k, source::from({1, 2, 3}) | expand([](int x) { return std::views::iota(x); })) ==
        ints{1, 2, 3});
  CHECK(run_all(k, source::single(7) | concat(source::never<int>()) | expand([](int x) {
                     return std::views::iota(x);
                   }) | take(3)) == ints{7, 8, 9});
  // Also where the turn's share is used up between an element and its first one.
  CHECK(run_all(k, source::from(std::views::iota(0, 5000)) | skip(1) |
                       expand([](int x) { return std::views::single(x); }))
            .size() == 4999);
  CHECK(run_all(k, source::from({1, 2, 3}) |
                       expand([](int x) { return std::views::iota(0, x - 1); })) == ints{0, 0});
}
