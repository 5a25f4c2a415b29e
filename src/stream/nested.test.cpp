// Streams of streams.

#include "common.test.hpp"
#include <odeon/stream/flow/async.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/flow/nested.hpp>
#include <odeon/stream/flow/recover.hpp>

#include <map>
#include <ranges>

using namespace odeon;
using namespace odeon::stream_test;

using ints = std::vector<int>;

namespace {

ints repeated(int x) { return ints(std::size_t(unsigned(x) % 5), x); }
ints model_of_repeated(const ints& v) {
  ints out;
  for (int x : v) {
    const auto part = repeated(x);
    out.insert(out.end(), part.begin(), part.end());
  }
  return out;
}
constexpr auto whole = [](auto part) {
  return std::move(part) | fold(ints(), [](ints v, int x) {
           v.push_back(x);
           return v;
         });
};
bool cut(int x) { return x % 3 == 0; }

std::vector<ints> split_model(const ints& v, bool after) {
  std::vector<ints> out;
  bool open = false;
  for (int x : v) {
    if (!open || (!after && cut(x))) out.emplace_back();
    out.back().push_back(x);
    open = !(after && cut(x));
  }
  return out;
}

}  // namespace

TEST_CASE("flat_map_concat gives the sources of each element, in order, and keeps the laws") {
  check_laws(flat_map_concat([](int x) { return source::from(repeated(x)); }), model_of_repeated,
             {.failure_keeps_all = true});
  check_laws(
      flat_map_concat([](int x) { return source::from(repeated(x)) | async({.capacity = 2}); }),
      model_of_repeated, {.failure_keeps_all = true});
}

TEST_CASE("flat_map_merge with a breadth of one is flat_map_concat") {
  check_laws(flat_map_merge(1, [](int x) { return source::from(repeated(x)); }), model_of_repeated,
             {.ahead = 1, .failure_keeps_all = true});
}

TEST_CASE("flat_map_merge loses and doubles nothing, with no more sources open than its breadth") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    int open = 0, most = 0;
    auto out = run_all(
        k, probe_source(in, std::make_shared<seen>(), holes) | flat_map_merge(3, [&](int x) {
             most = std::max(most, ++open);
             return source::from(repeated(x)) | concat(source::generate([&open] {
                      --open;
                      return std::optional<int>();
                    }));
           }));
    auto wanted = model_of_repeated(in);
    std::ranges::sort(out);
    std::ranges::sort(wanted);
    RC_ASSERT(out == wanted);
    RC_ASSERT(most <= 3);
  }));
}

TEST_CASE("a failure of an inner source fails the stream and cancels the outer one") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto r = run_partial(k, probe_source<int>({1, 2, 3}, s) | flat_map_concat([](int x) {
                            return source::from({x}) | map([](int y) {
                                     if (y == 2) throw std::runtime_error("inner");
                                     return y;
                                   });
                          }));
  CHECK(r.got == ints{1});
  CHECK(r.why->text() == "inner");
  CHECK(s->cancelled);
}

TEST_CASE("group_by gives each element to its key's group, in order") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto after = *rc::gen::arbitrary<std::vector<bool>>();
    const auto capacity = *rc::gen::inRange<std::size_t>(1, 4);
    auto out =
        run_all(k, probe_source(in, std::make_shared<seen>(), holes) |
                       group_by(
                           7, [](int x) { return x % 4; }, capacity) |
                       flat_map_merge(7, [&](auto g) {
                         return std::move(g) | with_holes(after) | fold(ints(), [](ints v, int x) {
                                  v.push_back(x);
                                  return v;
                                });
                       }));
    std::map<int, ints> wanted, got;
    for (int x : in) wanted[x % 4].push_back(x);
    for (auto& g : out) {
      RC_ASSERT(!g.empty());
      const int key = g[0] % 4;
      RC_ASSERT(!got.contains(key));
      got[key] = std::move(g);
    }
    RC_ASSERT(got == wanted);
  }));
}

TEST_CASE("group_by names the key, and refuses one too many") {
  testkit::kit k;
  auto keys = run_all(k, source::from({5, 6, 7}) | group_by(9, [](int x) { return x * 10; }) |
                             map([](auto g) { return g.key(); }));
  CHECK(keys == ints{50, 60, 70});
  auto r = run_partial(k, source::from({1, 2, 1, 3}) | group_by(2, [](int x) { return x; }) |
                              flat_map_merge(5, [](auto g) { return g; }));
  CHECK(*r.why == errc::limit_exceeded);
}

TEST_CASE("the failure of a grouped stream reaches its groups") {
  testkit::kit k;
  std::vector<error> inner;
  auto r = run_partial(k, probe_source<int>({1, 2}, std::make_shared<seen>(), {}, errc::refused) |
                              group_by(2, [](int x) { return x; }) | flat_map_merge(2, [&](auto g) {
                                return std::move(g) | map_error([&](error e) {
                                         inner.push_back(e);
                                         return e;
                                       });
                              }));
  CHECK(*r.why == errc::refused);
  REQUIRE_FALSE(inner.empty());
  CHECK(inner[0] == errc::refused);
}

TEST_CASE("groups run as streams of their own, on other threads") {
  testkit::kit k({.threaded = true});
  std::vector<future<std::size_t>> counts;
  (source::from(std::views::iota(0, 30'000)) | group_by(3, [](int x) { return x % 3; }) |
   to(sink::foreach (
       [&](auto g) { counts.push_back((std::move(g) | to(sink::count())).run(k.system())); })))
      .run(k.system())
      .get();
  REQUIRE(counts.size() == 3);
  for (auto& c : counts) CHECK(c.get() == 10'000);
}

TEST_CASE("split_when and split_after cut where they are told to") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto capacity = *rc::gen::inRange<std::size_t>(1, 4);
    const auto from = [&] { return probe_source(in, std::make_shared<seen>(), holes); };
    RC_ASSERT(run_all(k, from() | split_when(cut, capacity) | flat_map_concat(whole)) ==
              split_model(in, false));
    RC_ASSERT(run_all(k, from() | split_after(cut, capacity) | flat_map_concat(whole)) ==
              split_model(in, true));
  }));
}

TEST_CASE("a part that is let go unread does not hold up the others") {
  testkit::kit k;
  int n = 0;
  auto out = run_all(
      k,
      source::from(std::views::iota(1, 200)) | split_when([](int x) { return x % 50 == 0; }, 4) |
          flat_map_concat([&n](auto part) { return std::move(part) | take(++n == 2 ? 0 : 1000); }));
  CHECK(out.size() == 199 - 50);
  CHECK(std::ranges::find(out, 70) == out.end());
}

TEST_CASE("prefix_and_tail gives what is first, and the rest as a stream") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto n = *rc::gen::inRange<std::size_t>(0, 8);
    std::size_t first = 0;
    auto out =
        run_all(k, probe_source(in, std::make_shared<seen>(), holes) | prefix_and_tail(n, 2) |
                       flat_map_concat([&](auto p) {
                         first = p.first.size();
                         return source::from(std::move(p.first)) | concat(std::move(p.second));
                       }));
    RC_ASSERT(out == in);
    RC_ASSERT(first == std::min(n, in.size()));
  }));
}

TEST_CASE("substreams of a cancelled stream fail") {
  testkit::kit k;
  std::optional<future<ints>> part;
  (source::repeat(1) | split_when([](int) { return false; }) | take(1) |
   to(sink::foreach ([&](auto p) { part = (std::move(p) | to(sink::collect())).run(k.system()); })))
      .run(k.system())
      .get();
  CHECK(part->result().error() == errc::cancelled);
}
