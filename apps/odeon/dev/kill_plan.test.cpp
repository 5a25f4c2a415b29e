#include "odeon/dev/kill_plan.hpp"

#include <doctest/doctest.h>

#include <set>

using odeon::dev::make_kill_plan;

TEST_CASE("a single kill strikes between 30 and 70 percent, at another place for each seed") {
  std::set<double> places;
  for (std::uint64_t seed = 0; seed < 500; ++seed) {
    const auto plan = make_kill_plan(1, seed);
    REQUIRE(plan.size() == 1);
    CHECK_FALSE(plan[0].in_recovery);
    CHECK(plan[0].share >= 0.3);
    CHECK(plan[0].share < 0.7);
    places.insert(plan[0].share);
  }
  CHECK(places.size() == 500);
}

TEST_CASE("several kills come one after the other, and some strike a recovery") {
  unsigned in_recovery = 0;
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const auto plan = make_kill_plan(4, seed);
    REQUIRE(plan.size() == 4);
    CHECK_FALSE(plan[0].in_recovery);
    double last = 0.1;
    for (const auto& k : plan) {
      CHECK(k.share >= 0);
      CHECK(k.share < 1);
      in_recovery += k.in_recovery ? 1 : 0;
      if (k.in_recovery) continue;
      CHECK(k.share >= last);
      CHECK(k.share < 0.9);
      last = k.share;
    }
  }
  CHECK(in_recovery > 100);
  CHECK(in_recovery < 300);
}

TEST_CASE("without kills the plan is empty, and a seed repeats its plan") {
  CHECK(make_kill_plan(0, 1).empty());
  CHECK(make_kill_plan(3, 9).at(2).share == make_kill_plan(3, 9).at(2).share);
}
