// The deterministic runtime: virtual time, seeded choices, and waits that end.

#include <odeon/base/error.hpp>
#include <odeon/runtime/runtime.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <functional>
#include <set>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct job final : runnable {
  explicit job(std::function<void()> f) : runnable(&run), what(std::move(f)) {}
  static void run(runnable& r) noexcept { static_cast<job&>(r).what(); }
  std::function<void()> what;
};
struct alarm_clock final : timer_node {
  explicit alarm_clock(std::function<void()> f) : timer_node(&ring), what(std::move(f)) {}
  static void ring(timer_node& n) noexcept { static_cast<alarm_clock&>(n).what(); }
  std::function<void()> what;
};

std::vector<int> order_of(std::uint64_t seed) {
  simulated_runtime rt({.seed = seed});
  auto ex = rt.make_executor({});
  std::vector<int> order;
  std::vector<std::unique_ptr<job>> jobs;
  for (int i = 0; i < 12; ++i) {
    jobs.push_back(std::make_unique<job>([&order, i] { order.push_back(i); }));
    ex->submit(*jobs.back());
  }
  CHECK(rt.settle() == 12);
  return order;
}

errc code_of(auto&& f) {
  try {
    f();
  } catch (const actor_error& e) {
    return e.which();
  }
  return errc::internal;
}

}  // namespace

TEST_CASE("one seed gives one order of the ready work, another seed another") {
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    CHECK(order_of(seed) == order_of(seed));
    orders.insert(order_of(seed));
  }
  CHECK(orders.size() == 20);
}

TEST_CASE("random bytes are the seed's, and not those that choose") {
  auto draw = [](std::uint64_t seed, bool with_steps) {
    simulated_runtime rt({.seed = seed});
    if (with_steps) {
      auto ex = rt.make_executor({});
      job a([] {});
      job b([] {});
      ex->submit(a);
      ex->submit(b);
      rt.settle();
    }
    return rt.random_u64();
  };
  CHECK(draw(5, false) == draw(5, true));
  CHECK(draw(5, false) != draw(6, false));
}

TEST_CASE("time stands until it is advanced, and timers fire at their own times") {
  simulated_runtime rt;
  const auto start = rt.now();
  CHECK(rt.now(clock_domain::housekeeping) == start);
  std::vector<duration> rung;
  auto note = [&] { rung.push_back(rt.now() - start); };
  alarm_clock a(note);
  alarm_clock b(note);
  rt.timers(clock_domain::user).arm(b, start + 30ms);
  rt.timers(clock_domain::user).arm(a, start + 10ms);
  rt.settle();
  CHECK(rt.now() == start);
  rt.advance(29ms);
  CHECK(rt.now() - start == 29ms);
  CHECK(rung == std::vector<duration>{10ms});
  rt.advance(1ms);
  CHECK(rung == std::vector<duration>{10ms, 30ms});
}

TEST_CASE("what a timer starts runs at the timer's time, before later timers") {
  simulated_runtime rt;
  auto ex = rt.make_executor({});
  const auto start = rt.now();
  std::vector<std::string> said;
  job work([&] { said.push_back("work at " + to_string(rt.now() - start)); });
  alarm_clock first([&] { ex->submit(work); });
  alarm_clock second([&] { said.push_back("second"); });
  rt.timers(clock_domain::user).arm(first, start + 5ms);
  rt.timers(clock_domain::user).arm(second, start + 6ms);
  rt.advance(1s);
  CHECK(said == std::vector<std::string>{"work at 5 ms", "second"});
}

TEST_CASE("each domain has a clock that may be frozen or advanced alone") {
  simulated_runtime rt;
  const auto start = rt.now();
  int user = 0;
  int house = 0;
  alarm_clock u([&] { ++user; });
  alarm_clock h([&] { ++house; });
  rt.timers(clock_domain::user).arm(u, start + 10ms);
  rt.timers(clock_domain::housekeeping).arm(h, start + 10ms);
  rt.freeze(clock_domain::user);
  rt.advance(1s);
  CHECK(user == 0);
  CHECK(house == 1);
  CHECK(rt.now() == start);
  CHECK(rt.now(clock_domain::housekeeping) == start + 1s);
  rt.advance(5ms, clock_domain::user);
  CHECK(rt.now() == start + 5ms);
  CHECK(rt.now(clock_domain::housekeeping) == start + 1s);
  rt.thaw(clock_domain::user);
  rt.advance(5ms);
  CHECK(user == 1);
}

TEST_CASE("the wall clock goes with the user's clock, from where it is told") {
  const wall_time begins = wall_time(1'000'000s);
  simulated_runtime rt({.starts_at = begins});
  CHECK(rt.wall_now() == begins);
  rt.advance(90s);
  CHECK(rt.wall_now() == begins + 90s);
}

TEST_CASE("settle ends with an error when the work never ends") {
  simulated_runtime rt;
  auto ex = rt.make_executor({});
  job endless([&] { ex->submit(endless); });
  ex->submit(endless);
  CHECK(code_of([&] { rt.settle(1000); }) == errc::limit_exceeded);
  endless.what = [] {};
  rt.settle();
}

TEST_CASE("a wait runs what is ready, then moves time, until the word changes") {
  simulated_runtime rt;
  const auto start = rt.now();
  std::atomic<std::uint32_t> word{0};
  alarm_clock a([&] { word.store(1); });
  rt.timers(clock_domain::user).arm(a, start + 3s);
  CHECK(rt.wait(word, 0, time_point::max()));
  CHECK(rt.now() == start + 3s);
  CHECK(rt.wait(word, 0, time_point::max()));
  CHECK(rt.now() == start + 3s);
}

TEST_CASE("a wait ends at its deadline, with the clocks there") {
  simulated_runtime rt;
  const auto start = rt.now(clock_domain::housekeeping);
  std::atomic<std::uint32_t> word{0};
  CHECK(!rt.wait(word, 0, start + 2s));
  CHECK(rt.now(clock_domain::housekeeping) == start + 2s);
  int rung = 0;
  alarm_clock a([&] { ++rung; });
  rt.timers(clock_domain::user).arm(a, rt.now() + 5s);
  CHECK(!rt.wait(word, 0, start + 4s));
  CHECK(rung == 0);
  CHECK(rt.now(clock_domain::housekeeping) == start + 4s);
  rt.advance(10s);
  CHECK(rung == 1);
}

TEST_CASE("a wait that nothing can end throws rather than hang") {
  std::atomic<std::uint32_t> word{0};
  simulated_runtime rt;
  CHECK(code_of([&] { rt.wait(word, 0, time_point::max()); }) == errc::would_block);
  simulated_runtime manual({.advance_when_idle = false});
  alarm_clock a([&] { word.store(1); });
  manual.timers(clock_domain::user).arm(a, manual.now() + 1ms);
  CHECK(code_of([&] { manual.wait(word, 0, time_point::max()); }) == errc::would_block);
  manual.advance(1ms);
  CHECK(manual.wait(word, 0, time_point::max()));
}

TEST_CASE("an executor knows its own work, and whether it may block") {
  simulated_runtime rt;
  auto plain = rt.make_executor({});
  auto blocking = rt.make_executor({.kind = executor_kind::blocking});
  std::vector<bool> seen;
  job a([&] {
    seen = {plain->is_current(), blocking->is_current(), plain->may_block(), blocking->may_block()};
  });
  plain->submit(a);
  rt.settle();
  CHECK(seen == std::vector{true, false, false, true});
  CHECK(!plain->is_current());
}

TEST_CASE("an executor that goes runs what is queued, and what that submits") {
  simulated_runtime rt;
  auto stays = rt.make_executor({});
  auto goes = rt.make_executor({});
  executor* raw = goes.get();
  int ran = 0;
  job second([&] { ran += 10; });
  job first([&] {
    ++ran;
    raw->submit(second);  // it is going, and still takes work of its own
  });
  job other([&] { ran += 100; });
  goes->submit(first);
  stays->submit(other);
  goes.reset();
  CHECK(ran == 11);
  rt.settle();
  CHECK(ran == 111);
}

TEST_CASE("a serial executor runs its functions one at a time in order, among other work") {
  simulated_runtime rt;
  std::vector<int> order;
  {
    auto serial = rt.make_serial("s");
    for (int i = 0; i < 5; ++i) serial->post([&order, i] { order.push_back(i); });
    rt.settle();
    CHECK(order == std::vector{0, 1, 2, 3, 4});
    serial->post([&] { order.push_back(5); });
    serial->post([&] { order.push_back(6); });
  }
  CHECK(order.back() == 6);
}

TEST_CASE("steps are counted") {
  simulated_runtime rt;
  auto ex = rt.make_executor({});
  job a([] {});
  CHECK(rt.steps() == 0);
  CHECK(!rt.step());
  ex->submit(a);
  CHECK(rt.step());
  CHECK(rt.steps() == 1);
  CHECK(rt.is_simulated());
}
