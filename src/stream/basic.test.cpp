// Sources that have what they give, sinks that take what comes, and how they are run.

#include "common.test.hpp"

#include <list>
#include <map>
#include <numeric>
#include <ranges>

using namespace odeon;
using namespace odeon::stream_test;

TEST_CASE("a pipeline folds what it maps and filters") {
  testkit::kit k;
  auto f = (source::from(std::vector{1, 2, 3, 4}) | map([](int x) { return x * 2; }) |
            filter([](int x) { return x > 2; }) | to(sink::fold(0, std::plus{})))
               .run(k.system());
  CHECK(f.get() == 18);
}

TEST_CASE("a description is a value: it runs as often as it is told to") {
  testkit::kit k;
  const auto s = source::from({1, 2, 3}) | map([](int x) { return x + 1; });
  const auto r = s | to(sink::collect());
  CHECK(r.run(k.system()).get() == std::vector{2, 3, 4});
  CHECK(r.run(k.system()).get() == std::vector{2, 3, 4});
  CHECK(run_all(k, s | skip(2)) == std::vector{4});
}

TEST_CASE("elements that can only be moved go through") {
  testkit::kit k;
  std::vector<std::unique_ptr<int>> in;
  for (int i = 0; i < 3; ++i) in.push_back(std::make_unique<int>(i));
  auto out = run_all(k, source::from(std::move(in)) |
                            filter([](const std::unique_ptr<int>& p) { return *p != 1; }));
  REQUIRE(out.size() == 2);
  CHECK(*out[1] == 2);
}

TEST_CASE("flows are joined, and become sinks, without a source") {
  testkit::kit k;
  const auto shout = map([](std::string s) { return s + "!"; });
  const auto twice = shout | map([](std::string s) { return s + s; });
  const auto into = via(twice) | to(sink::collect());
  CHECK((source::from({std::string("a"), std::string("b")}) | to(into)).run(k.system()).get() ==
        std::vector<std::string>{"a!a!", "b!b!"});
}

TEST_CASE("a source of any range gives its elements in order") {
  testkit::kit k;
  CHECK(run_all(k, source::from(std::list{3, 1, 2})) == std::vector{3, 1, 2});
  CHECK(run_all(k, source::from(std::views::iota(0, 3))) == std::vector{0, 1, 2});
  CHECK(run_all(k, source::from(std::map<int, char>{{1, 'a'}, {2, 'b'}})).size() == 2);
  CHECK(run_all(k, source::from(std::string("xy"))) == std::vector{'x', 'y'});
}

TEST_CASE("the sources of no, one, many and made elements") {
  testkit::kit k;
  CHECK(run_all(k, source::single(7)) == std::vector{7});
  CHECK(run_all(k, source::empty<int>()).empty());
  CHECK(run_all(k, source::repeat(1) | take(3)) == std::vector{1, 1, 1});
  CHECK(run_all(k, source::unfold(1, [](int s) {
                  return s > 100 ? std::nullopt : std::optional(std::pair(s * 3, s));
                })) == std::vector{1, 3, 9, 27, 81});
  CHECK(run_all(k, source::generate([n = 0]() mutable {
                  return n == 3 ? std::optional<int>() : std::optional<int>(n++);
                })) == std::vector{0, 1, 2});
}

TEST_CASE("a failed source fails the result with its error") {
  testkit::kit k;
  auto r = (source::failed<int>(error(errc::refused, "no")) | to(sink::collect()))
               .run(k.system())
               .result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == error(errc::refused, "no"));
}

TEST_CASE("an exception of a function fails the stream with its text") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto r = run_partial(k, probe_source<int>({1, 2, 3}, s) | map([](int x) {
                            if (x == 2) throw std::runtime_error("not two");
                            return x;
                          }));
  CHECK(r.got == std::vector{1});
  REQUIRE(r.why);
  CHECK(*r.why == error(errc::handler_failed, "not two"));
  CHECK(s->given == 2);
  CHECK(s->cancelled);
}

TEST_CASE("an exception of a sink fails the stream and cancels its source") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  auto r = (probe_source<int>({1, 2, 3}, s) |
            to(sink::foreach ([](int) { throw std::runtime_error("full"); })))
               .run(k.system())
               .result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error().text() == "full");
  CHECK(s->given == 1);
  CHECK(s->cancelled);
}

TEST_CASE("sinks give their results") {
  testkit::kit k;
  const auto some = source::from({3, 1, 2});
  auto& sys = k.system();
  CHECK((some | to(sink::head())).run(sys).get() == 3);
  CHECK((some | to(sink::last())).run(sys).get() == 2);
  CHECK((some | to(sink::head_option())).run(sys).get() == 3);
  CHECK((some | to(sink::last_option())).run(sys).get() == 2);
  CHECK((some | to(sink::count())).run(sys).get() == 3);
  CHECK((some | to(sink::reduce([](int a, int b) { return std::max(a, b); }))).run(sys).get() == 3);
  (some | to(sink::ignore())).run(sys).get();
  int sum = 0;
  (some | to(sink::foreach ([&](int x) { sum += x; }))).run(sys).get();
  CHECK(sum == 6);
}

TEST_CASE("sinks that need an element refuse an empty stream") {
  testkit::kit k;
  const auto none = source::empty<int>();
  auto& sys = k.system();
  CHECK((none | to(sink::head())).run(sys).result().error() == errc::not_found);
  CHECK((none | to(sink::last())).run(sys).result().error() == errc::not_found);
  CHECK((none | to(sink::reduce(std::plus{}))).run(sys).result().error() == errc::not_found);
  CHECK((none | reduce(std::plus{}) | to(sink::ignore())).run(sys).result().error() ==
        errc::not_found);
  CHECK_FALSE((none | to(sink::head_option())).run(sys).get().has_value());
  CHECK_FALSE((none | to(sink::last_option())).run(sys).get().has_value());
}

TEST_CASE("collect refuses more elements than its limit") {
  testkit::kit k;
  CHECK((source::repeat(0) | to(sink::collect(10))).run(k.system()).result().error() ==
        errc::limit_exceeded);
  CHECK((source::repeat(0) | take(10) | to(sink::collect(10))).run(k.system()).get().size() == 10);
}

TEST_CASE("a head that has its element and a cancelled sink cancel the source") {
  testkit::kit k;
  auto s = std::make_shared<seen>();
  CHECK((probe_source<int>({1, 2}, s) | to(sink::head())).run(k.system()).get() == 1);
  CHECK(s->given == 1);
  CHECK(s->cancelled);
  auto t = std::make_shared<seen>();
  (probe_source<int>({1, 2}, t) | to(sink::cancelled())).run(k.system()).get();
  CHECK(t->given == 0);
  CHECK(t->cancelled);
}

TEST_CASE("an endless source leaves other actors their turns") {
  testkit::kit k;
  auto endless =
      (source::repeat(1) | filter([](int) { return false; }) | to(sink::ignore())).run(k.system());
  CHECK(run_all(k, source::from({1, 2})) == std::vector{1, 2});
  CHECK_FALSE(endless.is_ready());
}

TEST_CASE("a stream whose system ends fails its result") {
  testkit::kit k;
  auto f = (source::never<int>() | to(sink::ignore())).run(k.system());
  k.settle();
  k.system().terminate();
  k.settle();
  REQUIRE(f.is_ready());
  CHECK(f.result().error() == errc::actor_stopped);
}

TEST_CASE("a system that has ended refuses a stream") {
  testkit::kit k;
  k.system().terminate();
  k.settle();
  CHECK_THROWS_AS((void)(source::single(1) | to(sink::ignore())).run(k.system()), actor_error);
}

namespace {
struct begin {};
}  // namespace

TEST_CASE("a stream run by an actor ends with it") {
  testkit::kit k;
  std::optional<future<void>> result;
  auto a = k.system().spawn(behavior(0, [&](int&, begin, context& c) {
    result = (source::never<int>() | to(sink::ignore())).run(c, {.name = "ticks"});
  }));
  a.tell<begin>();
  k.settle();
  CHECK(k.system().lookup(a.path() + "/ticks"));
  k.system().stop(a);
  k.settle();
  CHECK(result->result().error() == errc::actor_stopped);
}

TEST_CASE("a stream that has ended leaves no actor behind, and no dead letter") {
  testkit::kit k;
  const auto before = k.system().snapshot().actors;
  for (int i = 0; i < 10; ++i) (void)run_all(k, source::from(std::views::iota(0, 5'000)));
  k.settle();
  CHECK(k.system().snapshot().actors == before);
  CHECK(k.system().dead_letters().empty());
}
