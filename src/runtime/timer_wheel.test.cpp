// The wheel against a model that keeps its timers in a sorted map.

#include "internal/timer_wheel.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include <functional>
#include <map>
#include <memory>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

constexpr time_point start{duration(5'000'000'123)};

/// Notes when it fired, by the clock of the test.
struct test_timer final : timer_node {
  explicit test_timer(std::function<void(test_timer&)> f)
      : timer_node([](timer_node& n) noexcept {
          auto& self = static_cast<test_timer&>(n);
          self.fired(self);
        }),
        fired(std::move(f)) {}
  std::function<void(test_timer&)> fired;
  int id = 0;
};

/// The tick at which a timer with that due time fires: rounded up, and never the present one.
std::int64_t tick_of(time_point due, std::int64_t now) {
  const auto since = (due - start).count();
  return std::max((since + 999'999) / 1'000'000, now + 1);
}

/// A wheel and what it should do.
class checked_wheel {
 public:
  checked_wheel() : wheel_(start) {}

  void arm(time_point due) {
    auto t = std::make_unique<test_timer>([this](test_timer& self) { fired_.push_back(self.id); });
    t->id = static_cast<int>(timers_.size());
    expected_.emplace(std::pair(tick_of(due, now_), t->id), t->id);
    where_.push_back(tick_of(due, now_));
    wheel_.arm(*t, due);
    timers_.push_back(std::move(t));
  }
  void disarm(std::size_t id) {
    const bool armed = expected_.erase({where_[id], static_cast<int>(id)}) > 0;
    RC_ASSERT(wheel_.disarm(*timers_[id]) == armed);
  }
  void advance(duration d) {
    time_ += d;
    const std::int64_t target = (time_ - start).count() / 1'000'000;
    std::vector<std::int64_t> wanted;
    while (!expected_.empty() && expected_.begin()->first.first <= target) {
      wanted.push_back(expected_.begin()->first.first);
      ids_.push_back(expected_.begin()->second);
      expected_.erase(expected_.begin());
    }
    fired_.clear();
    const std::size_t n = wheel_.advance(time_);
    now_ = std::max(now_, target);
    RC_ASSERT(n == wanted.size());
    RC_ASSERT(fired_.size() == wanted.size());
    // In order of their ticks; within one tick all of them, in some order.
    for (std::size_t i = 0; i < wanted.size(); ++i)
      RC_ASSERT(where_[static_cast<std::size_t>(fired_[i])] == wanted[i]);
    check();
  }
  void check() {
    RC_ASSERT(wheel_.size() == expected_.size());
    const time_point due = wheel_.next_due();
    if (expected_.empty()) {
      RC_ASSERT(due == time_point::max());
      return;
    }
    // Perhaps earlier, for sorting, but never too late and never in the past.
    RC_ASSERT(due <= start + duration(expected_.begin()->first.first * 1'000'000));
    RC_ASSERT(due > start + duration(now_ * 1'000'000));
  }
  [[nodiscard]] std::size_t made() const { return timers_.size(); }
  [[nodiscard]] time_point now() const { return time_; }
  void drain() {
    for (std::size_t i = 0; i < timers_.size(); ++i) wheel_.disarm(*timers_[i]);
  }

 private:
  timer_wheel wheel_;
  time_point time_ = start;
  std::int64_t now_ = 0;
  std::vector<std::unique_ptr<test_timer>> timers_;
  std::vector<std::int64_t> where_;
  std::map<std::pair<std::int64_t, int>, int> expected_;
  std::vector<int> fired_;
  std::vector<int> ids_;
};

/// Distances of all magnitudes, often at the edges of the wheel's levels.
rc::Gen<duration> distances() {
  return rc::gen::map(rc::gen::pair(rc::gen::inRange(0, 34), rc::gen::inRange<std::int64_t>(-3, 4)),
                      [](std::pair<int, std::int64_t> p) {
                        const std::int64_t ticks = (std::int64_t{1} << p.first) + p.second;
                        return duration(ticks * 1'000'000 + p.second * 37);
                      });
}

}  // namespace

TEST_CASE("the wheel fires what a sorted list of timers would fire, at the same ticks") {
  const bool ok = rc::check([] {
    checked_wheel w;
    const int steps = *rc::gen::inRange(1, 120);
    for (int i = 0; i < steps; ++i) {
      switch (*rc::gen::inRange(0, 4)) {
        case 0:
        case 1: w.arm(w.now() + *distances()); break;
        case 2:
          if (w.made() > 0) w.disarm(*rc::gen::inRange<std::size_t>(0, w.made()));
          break;
        default: w.advance(std::max(duration::zero(), *distances())); break;
      }
      w.check();
    }
    w.drain();
  });
  CHECK(ok);
}

TEST_CASE("a timer of each distance fires at its tick, wherever the wheel stands") {
  for (std::int64_t from : {0, 1, 254, 255, 256, 257, 16'383, 16'384, 1'048'575}) {
    for (std::int64_t distance = 1; distance < 70'000; distance += distance < 1'100 ? 1 : 251) {
      timer_wheel w(start);
      w.advance(start + from * 1ms);
      int fired = 0;
      test_timer t([&](test_timer&) { ++fired; });
      w.arm(t, start + (from + distance) * 1ms);
      w.advance(start + (from + distance) * 1ms - 1ns);
      if (fired != 0) FAIL("too early: from " << from << ", distance " << distance);
      w.advance(start + (from + distance) * 1ms);
      if (fired != 1) {
        w.disarm(t);
        FAIL("late: from " << from << ", distance " << distance);
      }
    }
  }
}

TEST_CASE("a timer never fires before its due time, and times are rounded up to the tick") {
  timer_wheel w(start);
  int fired = 0;
  test_timer t([&](test_timer&) { ++fired; });
  w.arm(t, start + 2'000'001ns);
  w.advance(start + 2ms);
  CHECK(fired == 0);
  w.advance(start + 3ms);
  CHECK(fired == 1);
}

TEST_CASE("a timer that is due already fires at the next tick") {
  timer_wheel w(start);
  w.advance(start + 10s);
  int fired = 0;
  test_timer t([&](test_timer&) { ++fired; });
  w.arm(t, start + 1s);
  CHECK(w.next_due() == start + 10'001ms);
  w.advance(start + 10'001ms);
  CHECK(fired == 1);
}

TEST_CASE("timers of one tick fire in the order armed") {
  timer_wheel w(start);
  std::vector<int> order;
  std::vector<std::unique_ptr<test_timer>> timers;
  for (int i = 0; i < 10; ++i) {
    timers.push_back(std::make_unique<test_timer>([&](test_timer& t) { order.push_back(t.id); }));
    timers.back()->id = i;
    w.arm(*timers.back(), start + 5ms);
  }
  w.advance(start + 5ms);
  CHECK(order == std::vector{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("a timer may arm itself and others while it fires") {
  timer_wheel w(start);
  std::vector<std::int64_t> times;
  std::int64_t at = 0;
  test_timer t([&](test_timer& self) {
    at += 7;
    times.push_back(at);
    if (times.size() < 5) w.arm(self, start + (at + 7) * 1ms);
  });
  w.arm(t, start + 7ms);
  w.advance(start + 1s);
  CHECK(times == std::vector<std::int64_t>{7, 14, 21, 28, 35});
  CHECK(w.size() == 0);
}

TEST_CASE("disarming tells whether the timer will still fire") {
  timer_wheel w(start);
  int fired = 0;
  test_timer t([&](test_timer&) { ++fired; });
  CHECK(!w.disarm(t));
  w.arm(t, start + 5ms);
  CHECK(w.size() == 1);
  CHECK(w.disarm(t));
  CHECK(!w.disarm(t));
  w.advance(start + 1s);
  CHECK(fired == 0);
  w.arm(t, start + 1005ms);
  w.advance(start + 2s);
  CHECK(fired == 1);
  CHECK(!w.disarm(t));
}

TEST_CASE("a timer of the far future waits, and the one of the end of time never fires") {
  timer_wheel w(start);
  int fired = 0;
  test_timer far([&](test_timer&) { ++fired; });
  test_timer never([&](test_timer&) { fired += 100; });
  const auto years = std::chrono::hours(24 * 365 * 3);
  w.arm(far, start + years);
  w.arm(never, time_point::max());
  w.advance(start + years - 1ms);
  CHECK(fired == 0);
  w.advance(start + years);
  CHECK(fired == 1);
  CHECK(w.size() == 1);
  CHECK(w.disarm(never));
}

TEST_CASE("an earlier timer than all before is told of, later ones are not") {
  std::vector<time_point> told;
  timer_wheel w(start, [&](time_point due) { told.push_back(due); });
  test_timer a([](test_timer&) {});
  test_timer b([](test_timer&) {});
  test_timer c([](test_timer&) {});
  w.arm(a, start + 50ms);
  w.arm(b, start + 90ms);
  w.arm(c, start + 20ms);
  CHECK(told == std::vector{start + 50ms, start + 20ms});
  w.advance(start + 1s);
}
