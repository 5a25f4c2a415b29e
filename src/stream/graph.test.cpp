// Graphs: what they compute, and what is refused before they run.

#include "common.test.hpp"
#include <odeon/stream/graph.hpp>

using namespace odeon;
using namespace odeon::stream_test;

using ints = std::vector<int>;

namespace {
ints sorted(ints v) {
  std::ranges::sort(v);
  return v;
}
bool says(const graph& g, std::string_view what) {
  for (const auto& s : g.check())
    if (s.find(what) != std::string::npos) return true;
  return false;
}
}  // namespace

TEST_CASE("a graph fans out and in again, and loses nothing") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    graph g(*rc::gen::inRange<std::size_t>(1, 4));
    auto numbers = g.add_source("numbers", probe_source(in, std::make_shared<seen>(), holes));
    auto both = g.add_broadcast<int>("both", 2);
    auto half = g.add_flow<int>("half", map([](int x) { return x / 2; }));
    auto all = g.add_merge<int>("all", 2);
    auto out = g.add_sink<int>("out", sink::collect());
    g.connect(numbers, both.in);
    g.connect(both.out[0], all.in[0]);
    g.connect(both.out[1], half.in);
    g.connect(half.out, all.in[1]);
    g.connect(all.out, out.in);
    RC_ASSERT(g.check().empty());
    g.run(k.system());
    ints wanted = in;
    for (int x : in) wanted.push_back(x / 2);
    RC_ASSERT(sorted(out.result().get()) == sorted(wanted));
  }));
}

TEST_CASE("a stage of several inlets is a node as well") {
  testkit::kit k;
  using readers = std::vector<stream::detail::channel_reader<int>>;
  graph g;
  auto a = g.add_source("a", source::from({1, 2, 3}));
  auto b = g.add_source("b", source::from({10, 20}));
  auto sum = g.add_fan_in<int>("sum", 2, [](materializer&, readers all) {
    using zipped = stream::detail::zipped_with<std::function<std::string(int, int)>>;
    return zipped::stage<readers::value_type, readers::value_type>(
        [](int x, int y) { return std::to_string(x + y); }, std::move(all[0]), std::move(all[1]));
  });
  auto out = g.add_sink<std::string>("out", sink::collect());
  g.connect(a, sum.in[0]);
  CHECK(says(g, "sum"));  // an open inlet
  g.connect(b, sum.in[1]);
  g.connect(sum.out, out.in);
  g.run(k.system());
  CHECK(out.result().get() == std::vector<std::string>{"11", "22"});
}

TEST_CASE("a graph that an actor runs ends with it") {
  struct begin {};
  struct owner : actor<begin> {
    explicit owner(std::optional<future<std::size_t>>* r) : result(r) {}
    void on(begin) {
      graph g;
      auto numbers = g.add_source("numbers", source::never<int>());
      auto out = g.add_sink<int>("out", sink::count());
      g.connect(numbers, out.in);
      g.run(ctx());
      result->emplace(out.result());
    }
    std::optional<future<std::size_t>>* result;
  };
  testkit::kit k;
  std::optional<future<std::size_t>> result;
  auto who = k.system().spawn<owner>(&result);
  who.tell(begin());
  k.settle();
  REQUIRE(result);
  k.system().stop(who);
  CHECK(result->result().error() == errc::actor_stopped);
}

TEST_CASE("concat, balance and partition are nodes as well") {
  testkit::kit k;
  graph g;
  auto numbers = g.add_source("numbers", source::from({5, 0, 1, 2, 3, 4}));
  auto parity = g.add_partition<int>("parity", 2, [](int x) { return x % 2; });
  auto share = g.add_balance<int>("share", 2);
  auto joined = g.add_concat<int>("joined", 3);
  auto out = g.add_sink<int>("out", sink::collect());
  g.connect(numbers, parity.in);
  g.connect(parity.out[1], joined.in[0]);
  g.connect(parity.out[0], share.in);
  g.connect(share.out[0], joined.in[1]);
  g.connect(share.out[1], joined.in[2]);
  g.connect(joined.out, out.in);
  g.run(k.system());
  const auto got = out.result().get();
  CHECK(ints(got.begin(), got.begin() + 3) == ints{5, 1, 3});
  CHECK(sorted(got) == ints{0, 1, 2, 3, 4, 5});
}

TEST_CASE("a failure goes through a graph to its sinks, and cancels the rest") {
  testkit::kit k;
  graph g;
  auto s = std::make_shared<seen>();
  auto bad = g.add_source("bad", source::failed<int>(errc::refused));
  auto good = g.add_source("good", probe_source(ints(100'000, 1), s));
  auto all = g.add_merge<int>("all", 2);
  auto out = g.add_sink<int>("out", sink::count());
  g.connect(bad, all.in[0]);
  g.connect(good, all.in[1]);
  g.connect(all.out, out.in);
  g.run(k.system());
  CHECK(out.result().result().error() == errc::refused);
  k.settle();
  CHECK(s->cancelled);
}

TEST_CASE("a cycle runs through a feedback, and is bounded") {
  testkit::kit k;
  graph g;
  // Halves what comes until it is nothing: each number goes round as often as it has to.
  auto numbers = g.add_source("numbers", source::from({40, 7}));
  auto in = g.add_merge<int>("in", 2);
  auto half = g.add_flow<int>("half", map([](int x) { return x / 2; }));
  auto done = g.add_partition<int>("done", 2, [](int x) { return x == 0; });
  auto back = g.add_feedback<int>("back", 8, on_full::fail);
  auto out = g.add_sink<int>("out", take(2) | to(sink::collect()));
  g.connect(numbers, in.in[0]);
  g.connect(in.out, half.in);
  g.connect(half.out, done.in);
  g.connect(done.out[0], back.in);
  g.connect(back.out, in.in[1]);
  g.connect(done.out[1], out.in);
  CHECK(g.check().empty());
  g.run(k.system());
  CHECK(out.result().get() == ints{0, 0});
}

TEST_CASE("a cycle whose elements are counted ends when nothing comes in and nothing goes round") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto few = rc::gen::resize(25, rc::gen::container<ints>(rc::gen::inRange(0, 40)));
    const auto in = *few, more = *few;
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    graph g(*rc::gen::inRange<std::size_t>(1, 4));
    auto numbers = g.add_source("numbers", probe_source(in, std::make_shared<seen>(), holes));
    auto others = g.add_source("others", probe_source(more, std::make_shared<seen>(), holes));
    auto into = g.add_merge<int>("into", 3);
    auto half = g.add_flow<int>("half", map([](int x) { return x / 2; }) | async({.capacity = 1}) |
                                            map_async(2, [](int x) -> task<int> { co_return x; }));
    // Zeros are done; odd ones go round once, even ones leave a copy outside.
    auto way = g.add_partition<int>("way", 3, [](int x) { return x == 0 ? 0 : 1 + x % 2; });
    auto both = g.add_broadcast<int>("both", 2);
    auto again = g.add_merge<int>("again", 2);
    auto back = g.add_feedback<int>("back", 10'000, on_full::fail);
    auto zeros = g.add_sink<int>("zeros", sink::count());
    auto evens = g.add_sink<int>("evens", sink::collect());
    g.connect(numbers, into.in[0]);
    g.connect(others, into.in[1]);
    g.connect(back.out, into.in[2]);
    g.connect(into.out, half.in);
    g.connect(half.out, way.in);
    g.connect(way.out[0], zeros.in);
    g.connect(way.out[1], both.in);
    g.connect(both.out[0], evens.in);
    g.connect(both.out[1], again.in[0]);
    g.connect(way.out[2], again.in[1]);
    g.connect(again.out, back.in);
    RC_ASSERT(g.check().empty());
    RC_ASSERT(g.ends_by_itself(back));
    g.run(k.system());
    RC_ASSERT(zeros.result().get() == in.size() + more.size());
    ints wanted;
    for (const auto* all : {&in, &more})
      for (int x : *all)
        for (x /= 2; x != 0; x /= 2)
          if (x % 2 == 0) wanted.push_back(x);
    RC_ASSERT(sorted(evens.result().get()) == sorted(wanted));
  }));
}

TEST_CASE("an element that becomes several in a cycle is waited for in each of them") {
  testkit::kit k;
  graph g(2);
  auto numbers = g.add_source("numbers", source::from({7, 0, 5}));
  auto in = g.add_merge<int>("in", 3);
  auto less = g.add_flow<int>("less", map([](int x) { return x - 1; }));
  auto done = g.add_partition<int>("done", 2, [](int x) { return x <= 0; });
  auto twice = g.add_broadcast<int>("twice", 2);
  auto left = g.add_feedback<int>("left", 10'000, on_full::fail);
  auto right = g.add_feedback<int>("right", 10'000, on_full::fail);
  auto out = g.add_sink<int>("out", sink::count());
  g.connect(numbers, in.in[0]);
  g.connect(in.out, less.in);
  g.connect(less.out, done.in);
  g.connect(done.out[0], twice.in);
  g.connect(twice.out[0], left.in);
  g.connect(twice.out[1], right.in);
  g.connect(left.out, in.in[1]);
  g.connect(right.out, in.in[2]);
  g.connect(done.out[1], out.in);
  CHECK(g.ends_by_itself(left));
  g.run(k.system());
  CHECK(out.result().get() == (1 << 6) + 1 + (1 << 4));
}

TEST_CASE("a cycle with a node that drops or makes elements does not pretend to end") {
  for (int kind : {0, 1, 2}) {
    graph g;
    auto numbers = g.add_source("numbers", source::from({1}));
    auto in = g.add_merge<int>("in", 2);
    auto both = g.add_broadcast<int>("both", 2);
    auto some = kind == 1 ? g.add_flow<int>("some", filter([](int x) { return x > 1; }))
                          : g.add_flow<int>("some", map([](int x) { return x; }));
    auto back = g.add_feedback<int>("back", 8, kind == 2 ? on_full::drop_oldest : on_full::fail);
    auto out = g.add_sink<int>("out", sink::collect());
    g.connect(numbers, in.in[0]);
    g.connect(in.out, both.in);
    g.connect(both.out[0], some.in);
    g.connect(some.out, back.in);
    g.connect(back.out, in.in[1]);
    g.connect(both.out[1], out.in);
    CHECK(g.ends_by_itself(back) == (kind == 0));
  }
}

TEST_CASE("a failure inside a cycle ends it") {
  testkit::kit k;
  graph g;
  auto numbers = g.add_source("numbers", source::from({3}));
  auto in = g.add_merge<int>("in", 2);
  auto less = g.add_flow<int>("less", map([](int x) {
                                if (x == 1) throw actor_error(errc::refused, "no one");
                                return x - 1;
                              }));
  auto done = g.add_partition<int>("done", 2, [](int x) { return x == 0; });
  auto back = g.add_feedback<int>("back", 8, on_full::fail);
  auto out = g.add_sink<int>("out", sink::collect());
  g.connect(numbers, in.in[0]);
  g.connect(in.out, less.in);
  g.connect(less.out, done.in);
  g.connect(done.out[0], back.in);
  g.connect(back.out, in.in[1]);
  g.connect(done.out[1], out.in);
  g.run(k.system());
  CHECK(out.result().result().error() == errc::refused);
  k.settle();
}

TEST_CASE("a cycle without a feedback is refused with its nodes") {
  testkit::kit k;
  graph g;
  auto numbers = g.add_source("numbers", source::from({1}));
  auto in = g.add_merge<int>("in", 2);
  auto both = g.add_broadcast<int>("both", 2);
  auto out = g.add_sink<int>("out", sink::collect());
  g.connect(numbers, in.in[0]);
  g.connect(in.out, both.in);
  g.connect(both.out[0], in.in[1]);
  g.connect(both.out[1], out.in);
  CHECK(says(g, "'in' → 'both' → 'in'"));
  CHECK_THROWS_AS(g.run(k.system()), actor_error);
  CHECK_THROWS_AS((void)g.add_feedback<int>("f", 1, on_full::wait), actor_error);
}

TEST_CASE("open ports, double edges and unreachable nodes are refused by name") {
  graph g;
  CHECK(says(g, "no nodes"));
  auto numbers = g.add_source("numbers", source::from({1}));
  auto all = g.add_merge<int>("all", 2);
  auto out = g.add_sink<int>("out", sink::collect());
  g.connect(numbers, all.in[0]);
  g.connect(all.out, out.in);
  CHECK(says(g, "inlet 1 of 'all' has no edge"));
  CHECK_THROWS_WITH_AS(g.connect(numbers, all.in[1]),
                       doctest::Contains("outlet 0 of 'numbers' leads to 'all' already"),
                       actor_error);
  CHECK_THROWS_AS((void)g.add_merge<int>("all", 1), actor_error);

  // A ring that nothing leads to.
  graph ring;
  auto src = ring.add_source("src", source::from({1}));
  auto end = ring.add_sink<int>("end", sink::collect());
  ring.connect(src, end.in);
  auto f = ring.add_feedback<int>("round", 1, on_full::fail);
  auto m = ring.add_flow<int>("and round", map([](int x) { return x; }));
  ring.connect(f.out, m.in);
  ring.connect(m.out, f.in);
  CHECK(says(ring, "'round' is not reached from any source"));
  CHECK(says(ring, "'and round' leads to no sink"));
}

TEST_CASE("a graph runs once, and gives results only then") {
  testkit::kit k;
  graph g;
  auto src = g.add_source("src", source::from({1}));
  auto end = g.add_sink<int>("end", sink::collect());
  g.connect(src, end.in);
  CHECK_THROWS_AS((void)end.result(), actor_error);
  g.run(k.system());
  CHECK(end.result().get() == ints{1});
  CHECK_THROWS_AS((void)end.result(), actor_error);
  CHECK_THROWS_AS(g.run(k.system()), actor_error);
}
