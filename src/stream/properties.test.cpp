// Properties of the operators whose order is not that of their source, or that end elsewhere: no
// element is lost, and none comes twice, whatever comes in and however long the work takes.

#include "common.test.hpp"
#include <odeon/stream/actors.hpp>
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/detached.hpp>
#include <odeon/stream/flow/recover.hpp>
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
ints any_ints() { return *rc::gen::arbitrary<ints>(); }
std::vector<bool> any_holes() { return *rc::gen::arbitrary<std::vector<bool>>(); }
std::size_t any_size(std::size_t from, std::size_t to) {
  return *rc::gen::inRange<std::size_t>(from, to);
}
auto probe(const ints& in) { return probe_source(in, std::make_shared<seen>(), any_holes()); }

/// Work that takes up to so long, by the element.
task<int> works(int x) {
  if (x % 3 != 0) co_await sleep(std::chrono::milliseconds(std::abs(x % 7)));
  co_return x;
}

struct keep {
  using reply = bool;
  int x;
};
class keeper : public actor<keep> {
 public:
  explicit keeper(std::shared_ptr<ints> all) : all_(std::move(all)) {}
  bool on(keep k) {
    all_->push_back(k.x);
    return true;
  }

 private:
  std::shared_ptr<ints> all_;
};

}  // namespace

TEST_CASE("unordered work gives each element once, in the order in which it is done") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = any_ints();
    const auto n = any_size(1, 6);
    RC_ASSERT(sorted(run_all(k, probe(in) | map_async_unordered(n, works))) == sorted(in));
    // One at a time is in order.
    RC_ASSERT(run_all(k, probe(in) | map_async_unordered(1, works)) == in);
  }));
}

TEST_CASE("work at the end of a stream is done once for each element, so many at a time") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = any_ints();
    const auto n = any_size(1, 6);
    ints done;
    std::size_t running = 0, most = 0;
    (probe(in) | to(sink::foreach_async(n,
                                        [&](int x) -> task<void> {
                                          return [](int x, ints& done, std::size_t& running,
                                                    std::size_t& most) -> task<void> {
                                            most = std::max(most, ++running);
                                            done.push_back(co_await works(x));
                                            --running;
                                          }(x, done, running, most);
                                        })))
        .run(k.system())
        .get();
    RC_ASSERT(sorted(done) == sorted(in));
    RC_ASSERT(most <= n);
  }));
}

TEST_CASE("an actor at the end of a stream gets each element once, in order") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = any_ints();
    auto all = std::make_shared<ints>();
    auto ref = k.system().spawn<keeper>(all);
    (probe(in) | to(sink::to_actor(ref, [](int x) { return keep{x}; }))).run(k.system()).get();
    RC_ASSERT(*all == in);
    k.system().stop(ref);
  }));
}

TEST_CASE("partition gives each sink its elements, once and in order") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = any_ints();
    const auto third = [](int x) { return static_cast<std::size_t>(std::abs(x % 3)); };
    auto [a, b, c] =
        (probe(in) | to(sink::partition(third, sink::collect(), sink::collect(), sink::collect())))
            .run(k.system());
    std::array<ints, 3> wanted;
    for (int x : in) wanted[third(x)].push_back(x);
    RC_ASSERT(a.get() == wanted[0]);
    RC_ASSERT(b.get() == wanted[1]);
    RC_ASSERT(c.get() == wanted[2]);
  }));
}

TEST_CASE("a merge hub gives the elements of each that joins, once and in their order") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto all = *rc::gen::resize(20, rc::gen::arbitrary<std::vector<ints>>());
    auto [hub, out] =
        (source::merge_hub<std::pair<std::size_t, int>>(any_size(1, 5)) | to(sink::collect()))
            .run(k.system());
    for (std::size_t i = 0; i < all.size(); ++i) {
      (probe(all[i]) | map([i](int x) { return std::pair(i, x); }) | to(hub.sink()))
          .run(k.system());
      if (*rc::gen::arbitrary<bool>()) k.settle();
    }
    hub.complete();
    std::vector<ints> got(all.size());
    for (const auto& [i, x] : out.get()) got[i].push_back(x);
    RC_ASSERT(got == all);
  }));
}

TEST_CASE("a broadcast hub gives all who were there from the beginning all elements") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = any_ints();
    const auto holes = any_holes();
    auto hub = (probe(in) | to(sink::broadcast_hub(any_size(1, 5)))).run(k.system());
    std::vector<future<ints>> all;
    const auto n = any_size(1, 5);
    for (std::size_t i = 0; i < n; ++i)
      all.push_back((hub.source() | with_holes(holes) | to(sink::collect())).run(k.system()));
    for (auto& f : all) {
      const auto got = f.get();
      RC_ASSERT(got.size() <= in.size());
      // All have joined in the order of the simulation: what is missing is a beginning.
      RC_ASSERT(std::equal(got.begin(), got.end(), in.end() - std::ptrdiff_t(got.size())));
    }
  }));
}

TEST_CASE("a partition hub gives each element to one of those who have joined, in order") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = any_ints();
    auto hub = (probe(in) | to(sink::partition_hub([](std::size_t n, int x) {
                  return static_cast<std::size_t>(static_cast<unsigned>(x)) % n;
                })))
                   .run(k.system());
    auto a = (hub.source() | to(sink::collect())).run(k.system());
    auto b = (hub.source() | to(sink::collect())).run(k.system());
    const auto to_a = a.get(), to_b = b.get();
    ints both = to_a;
    both.insert(both.end(), to_b.begin(), to_b.end());
    RC_ASSERT(sorted(both) == sorted(in));
    for (const auto* part : {&to_a, &to_b}) {
      auto at = in.begin();
      for (int x : *part) {
        at = std::find(at, in.end(), x);
        RC_ASSERT(at != in.end());
        ++at;
      }
    }
  }));
}

TEST_CASE("renaming a failure and expanding to nothing more keep the laws") {
  testkit::kit k;
  check_laws(expand([](int x) { return std::views::single(x); }), [](ints v) { return v; },
             {.ahead = 1, .failure_keeps_all = true});
  CHECK(rc::check([&] {
    const auto in = any_ints();
    const auto out = run_partial(
        k, probe_source(in, std::make_shared<seen>(), any_holes(), error(errc::refused)) |
               map_error([](const error&) { return error(errc::expired, "renamed"); }));
    RC_ASSERT(out.got == in);
    RC_ASSERT(out.why.has_value());
    RC_ASSERT(*out.why == errc::expired);
    RC_ASSERT(run_all(k, probe(in) | map_error([](const error& e) { return e; })) == in);
  }));
}

TEST_CASE("debounce gives the elements after which it was quiet, and the last one") {
  testkit::kit k;
  CHECK(rc::check([&] {
    // Pauses of even, and a window of odd milliseconds: never the same moment.
    const auto pauses = *rc::gen::container<ints>(rc::gen::inRange(0, 6));
    const auto in = std::views::iota(0, static_cast<int>(pauses.size()));
    const auto out = run_all(k, source::from(in) | map_async(1, [pauses](int i) {
                                  return [](int i, duration d) -> task<int> {
                                    co_await sleep(d);
                                    co_return i;
                                  }(i, pauses[std::size_t(i)] * 2ms);
                                }) | debounce(5ms));
    ints wanted;
    for (int i : in)
      if (std::size_t(i) + 1 == pauses.size() || pauses[std::size_t(i) + 1] * 2 > 5)
        wanted.push_back(i);
    RC_ASSERT(out == wanted);
  }));
}
