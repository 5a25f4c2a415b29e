// Forked tasks: their turns, their ends, and what is thrown into them.

#include <odeon/runtime/simulated.hpp>
#include <odeon/task/combine.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

using notes = std::vector<std::string>;

struct says_at_end {
  notes* log;
  std::string text;
  ~says_at_end() { log->push_back(text); }
};

task<int> gives(int n) { co_return n; }
task<int> naps(duration d, int n) {
  co_await sleep(d);
  co_return n;
}
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
std::string what(const std::exception_ptr& e) {
  try {
    std::rethrow_exception(e);
  } catch (const std::exception& x) {
    return x.what();
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

TEST_CASE(
    "abort throws the error where the task is suspended, and runs it to its next suspension") {
  simulated_runtime rt;
  notes log;
  auto worker = [&]() -> task<int> {
    says_at_end guard{&log, "destructor"};
    bool clean = false;
    try {
      log.push_back("works");
      co_await sleep(1h);
    } catch (const std::runtime_error& e) {
      log.push_back(e.what());
      clean = true;
    }
    if (clean) {
      co_await sleep(10ms);  // it may suspend while it cleans up
      log.push_back("cleaned up");
    }
    co_return 1;
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(worker());
    co_await sleep(1ms);
    co_await f.abort(std::runtime_error("die"));
    log.push_back("aborted");
    CHECK(f.status() == task_status::active);
    CHECK(co_await f.join() == 1);
  };
  const auto before = rt.now();
  run(rt, main());
  CHECK(rt.now() - before == 11ms);
  CHECK(log == notes{"works", "die", "aborted", "cleaned up", "destructor"});
}

TEST_CASE("what a task throws while it is aborted stays with it") {
  simulated_runtime rt;
  std::vector<std::string> unhandled;
  auto worker = [&]() -> task<void> {
    try {
      co_await sleep(1h);
    } catch (...) {
      throw std::logic_error("worse");
    }
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(worker());
    co_await wait(0);
    f.abort(error(errc::refused, "stop it"));
    CHECK(what(f.result()->error()) == "worse");
    f.abort();  // finished: harmless
    auto plain = co_await fork(naps(1h, 1));
    co_await wait(0);
    plain.abort();
    CHECK_THROWS_WITH_AS((void)co_await plain.join(), doctest::Contains("aborted"), actor_error);
    auto idle = fork(gives(1));
    idle.abort(std::runtime_error("before it began"));
    CHECK(idle.status() == task_status::finished);
    CHECK_THROWS_WITH((void)co_await idle.join(), "before it began");
    auto fresh = co_await fork(naps(1h, 1));
    fresh.abort(std::runtime_error("before its first turn"));
    CHECK_THROWS_WITH((void)co_await fresh.join(), "before its first turn");
  };
  run(rt, main(), {.on_unhandled = [&](const auto& e) { unhandled.push_back(e.what()); }});
  CHECK(unhandled.empty());
}

TEST_CASE("exit ends a task with a value, and its destructors run") {
  simulated_runtime rt;
  notes log;
  auto worker = [&](bool stubborn) -> task<int> {
    says_at_end guard{&log, "destructor"};
    try {
      co_await sleep(1h);
    } catch (const std::exception&) {
      log.push_back("not for handlers of errors");
    } catch (const task_exit&) {
      if (!stubborn) throw;
    }
    co_return 5;
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(worker(false));
    auto g = co_await fork(worker(true));
    auto h = co_await fork(worker(false));
    auto idle = fork(worker(false));
    co_await wait(0);
    f.exit(7);
    co_await exit(g, 7);
    terminate(h);
    idle.exit(9);
    CHECK(co_await f.join() == 7);
    CHECK(co_await g.join() == 5);  // what it returns all the same
    CHECK(co_await h.join() == 0);
    CHECK(co_await idle.join() == 9);
  };
  run(rt, main());
  CHECK(log == notes{"destructor", "destructor", "destructor"});
}

TEST_CASE("an abort of a joining task aborts the one it joins") {
  simulated_runtime rt;
  notes log;
  auto inner = [&]() -> task<void> {
    try {
      co_await sleep(1h);
    } catch (const std::runtime_error& e) {
      log.push_back(std::string("inner ") + e.what());
      throw;
    }
  };
  auto outer = [&]() -> task<void> {
    auto f = co_await fork(inner());
    try {
      co_await f.join();
    } catch (const std::runtime_error& e) {
      log.push_back(std::string("outer ") + e.what());
    }
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(outer());
    co_await sleep(1ms);
    f.abort(std::runtime_error("enough"));
    co_await f.join();
  };
  run(rt, main());
  CHECK(log == notes{"inner enough", "outer enough"});
}

TEST_CASE("a task that aborts itself gets the error at its next suspension") {
  simulated_runtime rt;
  notes log;
  forked<void> self;
  auto worker = [&]() -> task<void> {
    self.abort(std::runtime_error("me"));
    log.push_back("goes on");
    co_await sleep(1h);
    log.push_back("never");
  };
  auto main = [&]() -> task<void> {
    self = fork(worker());
    CHECK_THROWS_WITH(co_await self.join(), "me");
  };
  run(rt, main());
  self = {};
  CHECK(log == notes{"goes on"});
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

TEST_CASE("suspend waits for resume, from another task or a thread") {
  simulated_runtime rt;
  notes log;
  task_handle waiting;
  bool done = false;
  auto waits = [&]() -> task<void> {
    waiting = co_await current();
    while (!done) co_await suspend();
    log.push_back("resumed");
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(waits());
    co_await sleep(1ms);
    waiting.resume();  // not yet: it looks again
    co_await sleep(1ms);
    CHECK(f.status() == task_status::active);
    done = true;
    f.resume();
    co_await f.join();
    CHECK_THROWS_WITH_AS(waiting.resume(), doctest::Contains("a task is resumed that has ended"),
                         actor_error);
    CHECK(f.try_resume().error() == errc::invalid_argument);
  };
  run(rt, main());
  CHECK(log == notes{"resumed"});
  CHECK(waiting.is_finished());
}

TEST_CASE("a resume that comes first is not lost, and two count as one") {
  simulated_runtime rt;
  int turns = 0;
  auto main = [&]() -> task<void> {
    auto me = co_await current();
    me.resume();
    me.resume();
    co_await suspend();
    ++turns;
    auto other = [&, me]() -> task<void> {
      ++turns;
      me.resume();
      co_return;
    };
    co_await spawn(other());
    co_await suspend();  // the second resume was part of the first
    CHECK(turns == 2);
  };
  run(rt, main());
}

TEST_CASE("a suspended task can be aborted, and a late resume finds nobody there") {
  simulated_runtime rt;
  task_handle waiting;
  auto waits = [&]() -> task<void> {
    waiting = co_await current();
    for (;;) co_await suspend();
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(waits());
    co_await wait(0);
    waiting.resume();  // on its way …
    f.abort(std::runtime_error("over"));
    CHECK_THROWS_WITH(co_await f.join(), "over");
    CHECK(!waiting.try_resume());
  };
  run(rt, main());
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

TEST_CASE("the stop token of run travels to all that is forked") {
  simulated_runtime rt;
  std::stop_source stop;
  notes log;
  auto worker = [&]() -> task<void> {
    auto token = co_await this_stop_token();
    std::stop_callback told(token, [&] { log.push_back("told"); });
    while (!co_await stop_requested()) co_await sleep(1ms);
    log.push_back("stops");
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(worker());
    co_await sleep(5ms);
    stop.request_stop();
    co_await f.join();
  };
  run(rt, main(), {.stop = stop.get_token()});
  CHECK(log == notes{"told", "stops"});
}

TEST_CASE("an abort is a request to stop as well") {
  simulated_runtime rt;
  bool stopped = false;
  auto worker = [&]() -> task<void> {
    try {
      co_await sleep(1h);
    } catch (...) {
    }
    stopped = co_await stop_requested();
  };
  auto main = [&]() -> task<void> {
    auto f = co_await fork(worker());
    co_await wait(0);
    f.abort();
    CHECK(!co_await stop_requested());
  };
  run(rt, main());
  CHECK(stopped);
}

TEST_CASE("when a run cannot go on, what it forked is destroyed where it is suspended") {
  simulated_runtime rt;
  notes log;
  auto stuck = [&](std::string name) -> task<void> {
    says_at_end guard{&log, std::move(name)};
    for (;;) co_await suspend();
  };
  auto main = [&]() -> task<void> {
    (void)co_await fork(stuck("fork"));
    co_await stuck("main");
  };
  CHECK_THROWS_AS(run(rt, main()), actor_error);
  std::ranges::sort(log);
  CHECK(log == notes{"fork", "main"});
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

TEST_CASE("foreign awaitables resume where they like, and the task goes on with its driver") {
  auto rt = make_threaded_runtime();
  // Another thread resumes what is put here.
  std::atomic<void*> parked{nullptr};
  std::thread other([&] {
    for (int left = 2; left > 0; --left) {
      void* h = nullptr;
      while (!(h = parked.exchange(nullptr))) std::this_thread::yield();
      std::coroutine_handle<>::from_address(h).resume();
    }
  });
  struct elsewhere {
    std::atomic<void*>* parked;
    int value;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept { parked->store(h.address()); }
    int await_resume() const {
      if (value < 0) throw std::out_of_range("below zero");
      return value;
    }
  };
  auto main = [&]() -> task<int> {
    const auto home = std::this_thread::get_id();
    const int n = co_await elsewhere{&parked, 3};
    CHECK(std::this_thread::get_id() == home);
    CHECK_THROWS_WITH_AS((co_await elsewhere{&parked, -1}), "below zero", std::out_of_range);
    CHECK(std::this_thread::get_id() == home);
    co_return n;
  };
  CHECK(run(*rt, main()) == 3);
  other.join();
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
