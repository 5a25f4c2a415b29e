// Forked tasks: their turns, their ends, and what is thrown into them.

#include "common.test.hpp"
#include <odeon/runtime/simulated.hpp>
#include <odeon/task/combine.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::task_test;

namespace {

task<int> fails(const char* text) {
  throw std::runtime_error(text);
  co_return 0;
}
task<void> notes_down(notes& log, std::string text) {
  log.push_back(std::move(text));
  co_return;
}
task<void> works(notes& log, std::string name, int rounds) {
  for (int i = 0; i < rounds; ++i) {
    log.push_back(name + std::to_string(i));
    co_await wait(0);
  }
}
}  // namespace

TEST_CASE("a fork does nothing until it is activated, and runs after who forked it suspends") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<void> {
    auto idle = fork(notes_down(log, "idle"));
    CHECK(idle.status() == task_status::idle);
    auto started = co_await fork(notes_down(log, "started"), {.name = "s"});
    CHECK(started.status() == task_status::active);
    CHECK(started.name() == "s");
    CHECK(started.id() != idle.id());
    log.push_back("first");
    co_await started.join();
    CHECK(started.status() == task_status::finished);
    CHECK(idle.status() == task_status::idle);
  };
  run(rt, main());
  CHECK(log == notes{"first", "started"});
}

TEST_CASE("an idle fork is activated by its first join, and destroyed unrun with its last handle") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<int> {
    {
      auto never = fork(notes_down(log, "never"));
    }
    auto f = fork(gives(4));
    auto same = f;
    const int first = co_await f.join();
    co_return first + co_await same.join();  // finished: at once
  };
  CHECK(run(rt, main()) == 8);
  CHECK(log.empty());
}

TEST_CASE("tasks take turns, first come, first served") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<void> {
    auto a = co_await fork(works(log, "a", 3));
    auto b = co_await fork(works(log, "b", 2));
    co_await a.join();
    co_await b.join();
  };
  run(rt, main());
  CHECK(log == notes{"a0", "b0", "a1", "b1", "a2"});
}

TEST_CASE("a fork outlives its parent, and run waits for it") {
  simulated_runtime rt;
  notes log;
  auto late = [&]() -> task<void> {
    co_await sleep(50ms);
    log.push_back("late");
  };
  auto parent = [&]() -> task<void> {
    (void)co_await fork(late());
    log.push_back("parent ends");
  };
  auto main = [&]() -> task<void> { co_await parent(); };
  run(rt, main());
  CHECK(log == notes{"parent ends", "late"});
}

TEST_CASE("joining gives the value or throws the error, as often as it is asked") {
  simulated_runtime rt;
  auto main = [&]() -> task<int> {
    auto good = co_await fork(naps(5ms, 3));
    auto bad = co_await fork(fails("broken"));
    int sum = co_await good.join() + co_await good.join();
    for (int i = 0; i < 2; ++i) {
      try {
        sum += co_await bad.join();
      } catch (const std::runtime_error& e) {
        CHECK(std::string(e.what()) == "broken");
        sum += 100;
      }
    }
    CHECK(good.result()->value() == 3);
    CHECK(what(bad.result()->error()) == "broken");
    co_return sum;
  };
  CHECK(run(rt, main()) == 206);
}

TEST_CASE("a value that cannot be copied is moved out by the first join, and missed by the next") {
  simulated_runtime rt;
  auto makes = []() -> task<std::unique_ptr<int>> { co_return std::make_unique<int>(7); };
  auto main = [&]() -> task<int> {
    auto f = co_await fork(makes(), {.name = "maker"});
    auto p = co_await f.join();
    CHECK_THROWS_WITH_AS((void)co_await f.join(),
                         doctest::Contains("the value of task 'maker' cannot be copied"),
                         actor_error);
    auto text = co_await fork(gives(2)).join();
    co_return *p + text;
  };
  CHECK(run(rt, main()) == 9);
}

TEST_CASE("several tasks may join one") {
  simulated_runtime rt;
  auto main = [&]() -> task<int> {
    auto f = co_await fork(naps(10ms, 5));
    auto joins = [&]() -> task<int> { co_return co_await f.join(); };
    auto values = co_await all(joins(), joins(), joins());
    co_return std::get<0>(values) + std::get<1>(values) + std::get<2>(values);
  };
  CHECK(run(rt, main()) == 15);
}

TEST_CASE("an error that nobody looked at is told once, to the run's hook") {
  simulated_runtime rt;
  std::vector<std::string> unhandled;
  run_options options{.on_unhandled = [&](const unhandled_task_error& e) {
    unhandled.push_back(e.task + ": " + e.what());
  }};
  auto main = [&]() -> task<void> {
    co_await spawn(fails("spawned"), {.name = "a"});
    (void)co_await fork(fails("detached"), {.name = "b"});
    auto kept = co_await fork(fails("kept"), {.name = "c"});
    auto seen = co_await fork(fails("seen"));
    co_await sleep(1ms);
    CHECK(unhandled == notes{"a: spawned", "b: detached"});
    (void)seen.result();
  };
  run(rt, main(), options);
  CHECK(unhandled == notes{"a: spawned", "b: detached", "c: kept"});
}

TEST_CASE("without a hook of its own the process's takes it") {
  simulated_runtime rt;
  notes unhandled;
  auto before = set_unhandled_task_error_hook(
      [&](const unhandled_task_error& e) { unhandled.push_back(e.what()); });
  auto main = [&]() -> task<void> { co_await spawn(fails("spawned")); };
  run(rt, main());
  set_unhandled_task_error_hook(std::move(before));
  CHECK(unhandled == notes{"spawned"});
}

TEST_CASE("a task that waits for itself, or in a circle, is told so") {
  simulated_runtime rt;
  forked<void> a, b, c;
  notes log;
  auto joins = [&](forked<void>& other) -> task<void> {
    try {
      co_await other.join();
    } catch (const actor_error& e) {
      log.push_back(std::string(to_string(e.which())));
    }
  };
  auto main = [&]() -> task<void> {
    a = fork(joins(b));
    b = fork(joins(c));
    c = fork(joins(a));
    co_await a.join();
    forked<void> self;
    self = fork(joins(self));
    co_await self.join();
  };
  run(rt, main());
  a = b = c = {};
  CHECK(log == notes{"call_cycle", "invalid_argument"});
}

TEST_CASE("a task that is awaited or forked twice is told so") {
  simulated_runtime rt;
  auto main = [&]() -> task<void> {
    auto t = gives(1);
    CHECK(co_await std::move(t) == 1);
    CHECK_THROWS_WITH_AS(co_await std::move(t), doctest::Contains("awaited that ran before"),
                         actor_error);
    auto moved = gives(2);
    auto f = fork(std::move(moved));
    CHECK_THROWS_AS((void)fork(std::move(moved)), actor_error);
    CHECK(co_await f.join() == 2);
    forked<int> empty;
    CHECK_THROWS_AS((void)empty.status(), actor_error);
  };
  run(rt, main());
}

TEST_CASE("a fork of one run is not joined from another") {
  simulated_runtime rt;
  forked<int> left;
  auto inner = [&]() -> task<void> {
    auto joins = [&]() -> task<int> { co_return co_await left.join(); };
    CHECK_THROWS_WITH_AS((void)co_await joins(), doctest::Contains("runs elsewhere"), actor_error);
  };
  auto main = [&]() -> task<void> {
    left = co_await fork(naps(1ms, 1));
    run(rt, inner());
    CHECK(co_await left.join() == 1);
  };
  run(rt, main());
}

TEST_CASE("detached work outside of actors forks as well") {
  simulated_runtime rt;
  notes log;
  auto [p, f] = promise<int>::make(rt);
  auto child = [&](future<int> value) -> task<void> {
    log.push_back(std::to_string(co_await std::move(value)));
  };
  auto main = [&](future<int> value) -> task<void> {
    auto c = co_await fork(child(std::move(value)));
    co_await c.join();
    log.push_back("joined");
  };
  detail::branch_here(main(std::move(f)), rt);
  CHECK(log.empty());
  p.set(4);
  CHECK(log == notes{"4", "joined"});
}

TEST_CASE("many forks, joined as they come, and a deep chain of joins") {
  simulated_runtime rt;
  auto many = []() -> task<long> {
    long sum = 0;
    for (int i = 0; i < 100'000; ++i) sum += co_await fork(gives(i)).join();
    co_return sum;
  };
  CHECK(run(rt, many()) == 4'999'950'000);
  struct chain {
    static task<int> deep(int n) {
      if (n == 0) co_return 0;
      co_return 1 + co_await fork(deep(n - 1)).join();
    }
  };
  CHECK(run(rt, chain::deep(20'000)) == 20'000);
}
