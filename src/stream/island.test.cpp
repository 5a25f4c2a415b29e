// The island: turns, budgets, timers, and stages of a user's own.

#include "common.test.hpp"
#include <odeon/stream/island.hpp>

using namespace odeon;
using namespace odeon::stream_test;
using namespace std::chrono_literals;

namespace {

/// Gives the time of each turn it was woken for by its timer.
struct clock_stage {
  using value_type = duration;
  time_point began, due;
  polled<duration> next(island& in) {
    if (due == time_point()) due = (began = in.now()) + 10ms;
    if (in.now() < due) {
      in.wake_at(due);
      return pending;
    }
    due += 10ms;
    return in.now() - began;
  }
  void drive(island&) {}
};

/// Counts turns, through `drive`.
struct turns_stage : clock_stage {
  int* turns = nullptr;
  void drive(island&) { ++*turns; }
};

}  // namespace

TEST_CASE("a stage of the user's own is woken by its timer, in virtual time") {
  testkit::kit k;
  const auto begin = k.now();
  auto out = run_all(k, stream::detail::stage_source{clock_stage()} | take(3));
  CHECK(out == std::vector<duration>{10ms, 20ms, 30ms});
  CHECK(k.now() - begin == 30ms);
}

TEST_CASE("an island sleeps between its timers") {
  testkit::kit k;
  int turns = 0;
  turns_stage s;
  s.turns = &turns;
  auto f = (stream::detail::stage_source{s} | to(sink::ignore())).run(k.system());
  k.advance(1s);
  CHECK(turns >= 100);
  CHECK(turns <= 102);
}

TEST_CASE("any number of wake-ups before a turn are one") {
  testkit::kit k;
  struct shared {
    waker_ptr w;
    int turns = 0;
  };
  auto s = std::make_shared<shared>();
  struct stage {
    using value_type = int;
    std::shared_ptr<shared> s;
    polled<int> next(island& in) {
      s->w = in.get_waker();
      ++s->turns;
      return pending;
    }
    void drive(island&) {}
  };
  auto f = (stream::detail::stage_source{stage{s}} | to(sink::ignore())).run(k.system());
  k.settle();
  CHECK(s->turns == 1);
  for (int i = 0; i < 100; ++i) s->w->wake();
  k.settle();
  CHECK(s->turns == 2);
}

TEST_CASE("a wake-up after the end is nothing, and no dead letter") {
  testkit::kit k;
  waker_ptr w;
  CHECK(run_all(k, source::single(1) | wire_tap([](int) {})).size() == 1);
  struct stage {
    using value_type = int;
    waker_ptr* w;
    polled<int> next(island& in) {
      *w = in.get_waker();
      (*w)->wake();  // on its way when the stream ends
      return ended;
    }
    void drive(island&) {}
  };
  CHECK(run_all(k, stream::detail::stage_source{stage{&w}}).empty());
  k.settle();
  w->wake();
  k.settle();
  CHECK(k.system().dead_letters().empty());
  CHECK(k.system().snapshot().actors == testkit::kit().system().snapshot().actors);
}

TEST_CASE("an exception becomes the error it is") {
  CHECK(error_of(exception_of(error(errc::refused, "no"))) == error(errc::refused, "no"));
  CHECK(error_of(std::make_exception_ptr(std::runtime_error("x"))) ==
        error(errc::handler_failed, "x"));
  CHECK(error_of(std::make_exception_ptr(7)) == errc::handler_failed);
}
