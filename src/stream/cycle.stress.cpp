// The end of a counted cycle, on real threads: each run has to end, with nothing lost.

#include <odeon/core/actor_system.hpp>
#include <odeon/stream/graph.hpp>
#include <odeon/stream/sink/basic.hpp>

#include <doctest/doctest.h>

#include <ranges>

using namespace odeon;
using namespace odeon::stream;

TEST_CASE("a counted cycle between threads ends every time, when all have gone round") {
  actor_system system{"cycle"};
  for (int run = 0; run < 100; ++run) {
    graph g(1 + static_cast<std::size_t>(run % 3));
    auto numbers = g.add_source("numbers", source::from(std::views::iota(0, 20)));
    auto in = g.add_merge<int>("in", 2);
    auto less = g.add_flow<int>("less", map([](int x) { return x - 1; }) | async({.capacity = 2}));
    auto done = g.add_partition<int>("done", 2, [](int x) { return x <= 0; });
    auto share = g.add_balance<int>("share", 2);
    auto again = g.add_merge<int>("again", 2);
    auto back = g.add_feedback<int>("back", 1000, on_full::fail);
    auto out = g.add_sink<int>("out", sink::count());
    g.connect(numbers, in.in[0]);
    g.connect(in.out, less.in);
    g.connect(less.out, done.in);
    g.connect(done.out[0], share.in);
    g.connect(share.out[0], again.in[0]);
    g.connect(share.out[1], again.in[1]);
    g.connect(again.out, back.in);
    g.connect(back.out, in.in[1]);
    g.connect(done.out[1], out.in);
    g.run(system);
    REQUIRE(out.result().get() == 20);
  }
}
