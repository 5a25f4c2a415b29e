// What is thrown into tasks, what stops them, and what they suspend for.

#include "common.test.hpp"
#include <odeon/runtime/simulated.hpp>
#include <odeon/task/combine.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <coroutine>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace odeon;
using namespace odeon::task_test;

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

TEST_CASE("foreign awaitables resume where they like, and the task goes on with its driver") {
  auto rt = make_threaded_runtime();
  // Another thread resumes what is put here.
  std::atomic<void*> parked{nullptr};
  std::thread other([&] {
    for (int left = 2; left > 0; --left) {
      void* h = nullptr;
      while (!(h = parked.exchange(nullptr))) parked.wait(nullptr);
      std::coroutine_handle<>::from_address(h).resume();
    }
  });
  struct elsewhere {
    std::atomic<void*>* parked;
    int value;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> h) noexcept {
      auto* place = parked;  // this is gone once the handle is there
      place->store(h.address());
      place->notify_one();
    }
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
