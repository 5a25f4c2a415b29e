// Messages of tasks: where they go, in which order, and what is made of them.

#include <odeon/runtime/simulated.hpp>
#include <odeon/task/effects.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

using notes = std::vector<std::string>;

effect<int> counts(int from, int to, duration every = 0s) {
  for (int i = from; i < to; ++i) {
    if (every > 0s) co_await sleep(every);
    co_await send(i);
  }
}
task<std::string, std::string> worker(std::string name, duration delay) {
  co_await sleep(delay);
  co_await send("done:" + name);
  co_return name;
}
effect<int> breaks(duration after) {
  if (after > 0s) co_await sleep(after);
  throw std::runtime_error("broken");
}

/// What `work` emits, in order.
template <class T, class M>
std::vector<M> messages(task<T, M> work) {
  simulated_runtime rt;
  std::vector<M> got;
  (void)run(rt, std::move(work), [&](M m) { got.push_back(std::move(m)); });
  return got;
}
template <class M>
std::vector<M> messages(effect<M> work) {
  simulated_runtime rt;
  std::vector<M> got;
  run(rt, std::move(work), [&](M m) { got.push_back(std::move(m)); });
  return got;
}

}  // namespace

TEST_CASE("messages come in the order sent, and go at once") {
  notes log;
  auto speaks = [&]() -> effect<std::string> {
    log.push_back("before");
    co_await send("hello");  // made into the task's message
    log.push_back("after");
    co_await send(std::string("again"));
  };
  simulated_runtime rt;
  run(rt, speaks(), [&](const std::string& m) { log.push_back(m); });
  CHECK(log == notes{"before", "hello", "after", "again"});
}

TEST_CASE("the messages of joined forks flow through the task that joins them") {
  auto both = []() -> task<notes, std::string> {
    auto a = co_await fork(worker("a", 10ms));
    auto b = co_await fork(worker("b", 5ms));
    co_return {co_await a.join(), co_await b.join()};
  };
  simulated_runtime rt;
  notes said;
  const notes names = run(rt, both(), [&](std::string m) { said.push_back(std::move(m)); });
  CHECK(names == notes{"a", "b"});
  // "b" spoke while only "a" was joined: nobody listened.
  CHECK(said == notes{"done:a"});
}

TEST_CASE("messages of a fork that nobody joins are dropped") {
  auto main = []() -> effect<int> {
    (void)co_await fork(counts(0, 3));
    co_await sleep(1ms);
    co_await send(7);
  };
  CHECK(messages(main()) == std::vector{7});
  simulated_runtime rt;
  run(rt, main());  // and those of a run without a callback
}

TEST_CASE("the messages of an awaited task are its caller's, made into its type") {
  using either = std::variant<int, std::string>;
  auto inner = []() -> task<int, int> {
    co_await send(1);
    co_return 2;
  };
  auto main = [&]() -> task<void, either> {
    co_await send(std::string("start"));
    const int n = co_await inner();
    co_await send(n);
    co_await co_await fork(counts(5, 6));
    (void)co_await fork(inner()).join();
  };
  CHECK(messages(main()) == std::vector<either>{std::string("start"), 1, 2, 1});
}

TEST_CASE("what the taker throws is thrown at the send") {
  notes log;
  auto speaks = [&]() -> effect<int> {
    try {
      co_await send(1);
    } catch (const std::runtime_error& e) {
      log.push_back(e.what());
    }
    co_await send(2);
  };
  simulated_runtime rt;
  CHECK_THROWS_WITH(run(rt, speaks(), [](int) { throw std::runtime_error("full"); }), "full");
  CHECK(log == notes{"full"});
}

TEST_CASE("an aborted task may send while it cleans up") {
  auto speaks = []() -> effect<std::string> {
    bool stopped = false;
    try {
      co_await sleep(1h);
    } catch (...) {
      stopped = true;
    }
    if (stopped) co_await send("bye");
  };
  auto main = [&]() -> effect<std::string> {
    auto f = co_await fork(speaks());
    auto ends = [](forked<void, std::string> f) -> task<void> {
      co_await sleep(1ms);
      f.abort();
    };
    co_await spawn(ends(f));
    co_await f.join();
  };
  CHECK(messages(main()) == notes{"bye"});
}

TEST_CASE("none sends nothing, and a task becomes an effect of its result") {
  CHECK(messages(none<int>()).empty());
  auto five = []() -> task<int> { co_return 5; };
  CHECK(messages(to_effect(five())) == std::vector{5});
}

TEST_CASE("batch and effects merge what comes, as it comes") {
  CHECK(messages(batch(counts(0, 2, 10ms), counts(10, 12, 7ms))) == std::vector{10, 0, 11, 1});
  CHECK(messages(batch(std::vector<effect<int>>{})).empty());
  auto after = [](duration d, int n) -> task<int> {
    co_await sleep(d);
    co_return n;
  };
  CHECK(messages(effects(after(3ms, 3), after(1ms, 1), after(2ms, 2))) == std::vector{1, 2, 3});
  simulated_runtime rt;
  std::vector<int> got;
  CHECK_THROWS_WITH(
      run(rt, batch(counts(0, 9, 2ms), breaks(5ms)), [&](int m) { got.push_back(m); }), "broken");
  CHECK(got == std::vector{0, 1});
}

TEST_CASE("tags name messages, and nest") {
  CHECK(messages(tag(counts(0, 2), "n")) == std::vector<tagged<int>>{{"n", 0}, {"n", 1}});
  CHECK(messages(tag(tag(counts(0, 1), "in"), "out")) ==
        std::vector<tagged<tagged<int>>>{{"out", {"in", 0}}});
  CHECK(messages(tag(none<int>(), "n")).empty());
  simulated_runtime rt;
  notes said;
  CHECK(run(rt, tag(worker("w", 1ms), "t"),
            [&](tagged<std::string> m) { said.push_back(m.tag + "=" + m.message); }) == "w");
  CHECK(said == notes{"t=done:w"});
}

TEST_CASE("listen merges effects under their names") {
  const auto got =
      messages(listen<int>({{"read", counts(0, 2, 10ms)}, {"write", counts(5, 7, 7ms)}}));
  CHECK(got == std::vector<tagged<int>>{{"write", 5}, {"read", 0}, {"write", 6}, {"read", 1}});
}

TEST_CASE("a loop feeds messages back until nothing runs any more") {
  simulated_runtime rt;
  notes log;
  auto next = [&](int n) -> effect<int> {
    log.push_back(std::to_string(n));
    return n < 3 ? counts(n + 1, n + 2, 1ms) : none<int>();
  };
  run(rt, loop(counts(0, 1), next));
  CHECK(log == notes{"0", "1", "2", "3"});
  log.clear();
  auto tree = [&](int n) -> effect<int> {
    log.push_back(std::to_string(n));
    return n < 4 ? batch(counts(2 * n, 2 * n + 1), counts(2 * n + 1, 2 * n + 2)) : none<int>();
  };
  run(rt, loop(counts(1, 2), tree));
  CHECK(log == notes{"1", "2", "3", "4", "5", "6", "7"});
}

TEST_CASE("a failure in a loop aborts the rest of it and is rethrown") {
  simulated_runtime rt;
  std::vector<int> seen;
  auto next = [&](int n) -> effect<int> {
    seen.push_back(n);
    return n == 2 ? breaks(0s) : none<int>();
  };
  CHECK_THROWS_WITH(run(rt, loop(counts(0, 100, 1ms), next)), "broken");
  CHECK(seen == std::vector{0, 1, 2});
}

TEST_CASE("consume takes the messages where they are") {
  simulated_runtime rt;
  auto quiet = []() -> task<int> {
    int sum = 0;
    const std::string name = co_await consume(
        worker("x", 1ms), [&](const std::string& m) { sum += static_cast<int>(m.size()); });
    co_return sum + static_cast<int>(name.size());
  };
  CHECK(run(rt, quiet()) == 7);
}

TEST_CASE("messages are moved, never copied") {
  auto speaks = []() -> effect<std::unique_ptr<int>> { co_await send(std::make_unique<int>(3)); };
  auto main = [&]() -> effect<std::unique_ptr<int>> {
    co_await fork(speaks()).join();
    co_await speaks();
  };
  simulated_runtime rt;
  int sum = 0;
  run(rt, main(), [&](std::unique_ptr<int> m) { sum += *m; });
  CHECK(sum == 6);
}

TEST_CASE("a task with messages runs on a thread of its own time as well") {
  std::vector<int> got;
  run(batch(counts(0, 3, 1ms), counts(10, 13, 1ms)), [&](int m) { got.push_back(m); });
  CHECK(got.size() == 6);
}
