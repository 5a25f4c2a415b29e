// Many tasks as one: all, race, group, then, wait, and scopes.

#include <odeon/runtime/simulated.hpp>
#include <odeon/task/effects.hpp>
#include <odeon/task/run.hpp>
#include <odeon/task/task_scope.hpp>

#include <doctest/doctest.h>

#include <stdexcept>
#include <string>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

using notes = std::vector<std::string>;

/// Notes how it ended.
task<int> job(notes& log, duration d, int n) {
  bool aborted = false;
  try {
    co_await sleep(d);
  } catch (...) {
    aborted = true;
  }
  log.push_back((aborted ? "aborted " : "ended ") + std::to_string(n));
  if (aborted) throw std::runtime_error("was aborted");
  if (n < 0) throw std::runtime_error("below zero");
  co_return n;
}
task<void> nothing(notes& log, duration d) { (void)co_await job(log, d, 0); }

}  // namespace

TEST_CASE("all gives the results in the order of its tasks, whichever ends first") {
  simulated_runtime rt;
  notes log;
  auto list = [&] {
    std::vector<task<int>> tasks;
    for (int i = 1; i <= 3; ++i) tasks.push_back(job(log, (4 - i) * 10ms, i));
    return tasks;
  };
  const auto before = rt.now();
  CHECK(run(rt, all(list())) == std::vector{1, 2, 3});
  CHECK(rt.now() - before == 30ms);
  CHECK(log == notes{"ended 3", "ended 2", "ended 1"});
  CHECK(run(rt, all(std::vector<task<int>>{})).empty());
  run(rt, all(std::vector<task<void>>{}));
  const auto [a, b, c] = run(rt, all(job(log, 2ms, 7), nothing(log, 1ms), job(log, 3ms, 8)));
  CHECK(a + c == 15);
  CHECK(b == std::monostate());
}

TEST_CASE("the first failure of all aborts the rest and is rethrown") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<void> {
    CHECK_THROWS_WITH((void)co_await all(job(log, 20ms, 1), job(log, 5ms, -2), job(log, 9ms, 3)),
                      "below zero");
    log.push_back("rethrown");
  };
  const auto before = rt.now();
  run(rt, main());
  CHECK(rt.now() - before == 5ms);
  CHECK(log == notes{"ended -2", "aborted 1", "aborted 3", "rethrown"});
}

TEST_CASE("aborting all aborts its tasks") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<void> {
    auto waits = [&]() -> task<void> { (void)co_await all(job(log, 1h, 1), job(log, 1h, 2)); };
    auto f = co_await fork(waits());
    co_await sleep(1ms);
    f.abort(std::logic_error("no more"));
    CHECK_THROWS_WITH(co_await f.join(), "no more");
  };
  run(rt, main());
  CHECK(log == notes{"aborted 1", "aborted 2"});
}

TEST_CASE("the first to finish wins a race, and the others are aborted") {
  simulated_runtime rt;
  notes log;
  CHECK(run(rt, race(job(log, 20ms, 1), job(log, 5ms, 2), job(log, 9ms, 3))) == 2);
  CHECK(log == notes{"ended 2", "aborted 1", "aborted 3"});
  CHECK_THROWS_WITH(run(rt, race(job(log, 20ms, 1), job(log, 5ms, -2))), "below zero");
  CHECK_THROWS_AS(run(rt, race(std::vector<task<int>>{})), actor_error);
}

TEST_CASE("a group joins forks that run already, idle ones, and those that have finished") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<void> {
    auto early = co_await fork(job(log, 1ms, 1));
    co_await early.join();
    auto runs = co_await fork(job(log, 5ms, 2));
    auto idle = fork(job(log, 3ms, 3));
    co_await group(early, runs, idle);
    CHECK(runs.result()->value() + idle.result()->value() == 5);
    co_await group(std::vector<forked<int>>{});
    auto bad = co_await fork(job(log, 1ms, -1));
    co_await sleep(2ms);
    auto other = co_await fork(job(log, 1h, 4));
    co_await wait(0);
    CHECK_THROWS_WITH(co_await group(bad, other), "below zero");
    CHECK(other.status() == task_status::finished);
  };
  run(rt, main());
  CHECK(log.back() == "aborted 4");
}

TEST_CASE("then goes on with the value or the error") {
  simulated_runtime rt;
  notes log;
  const auto text = [](int n) { return "value " + std::to_string(n); };
  const auto error = [](const std::exception_ptr&) { return std::string("error"); };
  CHECK(run(rt, then(job(log, 1ms, 4), text, error)) == "value 4");
  CHECK(run(rt, then(job(log, 1ms, -4), text, error)) == "error");
  auto later = [&](int n) -> task<std::string> {
    co_await sleep(1ms);
    co_return "later " + std::to_string(n);
  };
  CHECK(run(rt, then(job(log, 1ms, 4), later, error)) == "later 4");
  bool done = false;
  run(rt, then(nothing(log, 1ms), [&] { done = true; }, [](const std::exception_ptr&) {}));
  CHECK(done);
}

TEST_CASE("waiting for a plain value gives the others a turn, for an awaitable its result") {
  simulated_runtime rt;
  notes log;
  auto other = [&]() -> task<void> {
    log.push_back("other");
    co_return;
  };
  auto main = [&]() -> task<int> {
    co_await spawn(other());
    const int n = co_await wait(3);
    log.push_back("main");
    auto [p, f] = promise<int>::make(rt);
    p.set(4);
    co_return n + co_await wait(std::move(f)) + co_await wait(job(log, 1ms, 5));
  };
  CHECK(run(rt, main()) == 12);
  CHECK(log == notes{"other", "main", "ended 5"});
}

TEST_CASE("a scope waits for its children, also for those that come meanwhile") {
  simulated_runtime rt;
  notes log;
  auto main = [&]() -> task<int> {
    task_scope s;
    auto a = s.fork(job(log, 10ms, 1), {.name = "a"});
    auto grows = [&]() -> task<void> {
      co_await sleep(5ms);
      (void)s.fork(job(log, 20ms, 2));
    };
    (void)s.fork(grows());
    CHECK(s.size() == 2);
    co_await s.join();
    CHECK(s.size() == 0);
    co_return a.result()->value();
  };
  CHECK(run(rt, main()) == 1);
  CHECK(log == notes{"ended 1", "ended 2"});
}

TEST_CASE("the first failure in a scope aborts the others, waits for them, and is rethrown") {
  simulated_runtime rt;
  notes log;
  auto cleans_up = [&]() -> task<void> {
    bool aborted = false;
    try {
      co_await sleep(1h);
    } catch (...) {
      aborted = true;
    }
    if (aborted) co_await sleep(7ms);
    log.push_back("clean");
  };
  auto main = [&]() -> task<void> {
    task_scope s;
    (void)s.fork(cleans_up());
    (void)s.fork(job(log, 3ms, -1));
    (void)s.fork(job(log, 4ms, 2));
    CHECK_THROWS_WITH(co_await s.join(), "below zero");
    log.push_back("joined");
  };
  const auto before = rt.now();
  run(rt, main());
  CHECK(rt.now() - before == 10ms);
  CHECK(log == notes{"ended -1", "aborted 2", "clean", "joined"});
}

TEST_CASE("leaving a scope destroys the children that have not ended") {
  simulated_runtime rt;
  notes log;
  struct says {
    notes* log;
    ~says() { log->push_back("destroyed"); }
  };
  auto endless = [&]() -> task<void> {
    const says guard{&log};
    for (;;) co_await suspend();
  };
  auto main = [&]() -> task<void> {
    {
      task_scope s;
      (void)s.fork(endless());
      (void)s.fork(endless());
      co_await sleep(1ms);
    }
    CHECK(log.size() == 2);
    task_scope cancelled;
    (void)cancelled.fork(endless());
    co_await sleep(1ms);
    cancelled.cancel();
    co_await cancelled.join();  // asked for: no error
    CHECK(log.size() == 3);
  };
  run(rt, main());
  CHECK_THROWS_AS(task_scope(), actor_error);
}

TEST_CASE("a child that ends its parent's scope from inside is destroyed when it suspends") {
  simulated_runtime rt;
  notes log;
  forked<void> parent;
  auto rebel = [&]() -> task<void> {
    co_await wait(0);
    parent.abort(std::runtime_error("from below"));
    log.push_back("still runs");
    co_await sleep(1h);
    log.push_back("never");
  };
  auto owner = [&]() -> task<void> {
    task_scope s;
    (void)s.fork(rebel());
    co_await sleep(1h);
  };
  auto main = [&]() -> task<void> {
    parent = fork(owner());
    CHECK_THROWS_WITH(co_await parent.join(), "from below");
  };
  run(rt, main());
  parent = {};
  CHECK(log == notes{"still runs"});
}
