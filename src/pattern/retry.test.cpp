#include "common.test.hpp"
#include <odeon/pattern/circuit_breaker.hpp>
#include <odeon/pattern/retry.hpp>
#include <odeon/pattern/schedule.hpp>
#include <odeon/task/run.hpp>

#include <memory>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

struct lost : std::runtime_error {
  lost() : runtime_error("the line is down") {}
};

/// A service that fails so often, then works; it notes when it was called.
struct service {
  testkit::kit& k;
  int failures;
  std::vector<duration> at = {};
  time_point began = k.now();

  task<int> call() {
    at.push_back(k.now() - began);
    if (failures-- > 0) throw lost();
    co_return 42;
  }
};

task<int> slow(duration d) {
  co_await sleep(d);
  co_return 1;
}

struct fetch {
  using reply = int;
};
struct fetcher : actor<fetch> {
  explicit fetcher(std::shared_ptr<service> s) : s_(std::move(s)) {}
  task<int> on(fetch) {
    return retry([s = s_] { return s->call(); }, 5, schedule::fixed(1min));
  }
  std::shared_ptr<service> s_;
};

}  // namespace

TEST_CASE("an exponential schedule doubles from its minimum up to its cap") {
  const auto s = schedule::exponential(100ms, 1s, 0);
  CHECK(s.delay_for(0) == 0s);
  CHECK(s.delay_for(1) == 100ms);
  CHECK(s.delay_for(2) == 200ms);
  CHECK(s.delay_for(4) == 800ms);
  CHECK(s.delay_for(5) == 1s);
  CHECK(s.delay_for(4'000'000'000U) == 1s);
  CHECK(schedule::exponential(1ns, duration::max(), 0).delay_for(100) == duration::max());
  CHECK(schedule::fixed(3s).delay_for(7) == 3s);
  CHECK(schedule::immediate().delay_for(7) == 0s);
}

TEST_CASE("a jitter spreads a pause around itself and stays within its part") {
  testkit::kit k;
  const auto s = schedule::exponential(100ms, 1s, 0.5);
  duration least = 1h, most = 0s;
  for (int i = 0; i < 200; ++i) {
    const duration d = s.delay_for(2, k.get_runtime());
    least = std::min(least, d);
    most = std::max(most, d);
  }
  CHECK(least >= 100ms);
  CHECK(least < 130ms);
  CHECK(most <= 300ms);
  CHECK(most > 270ms);
}

TEST_CASE("a schedule that makes no sense is refused with a reason") {
  CHECK(thrown_by([] { (void)schedule::fixed(-1s); }) == errc::invalid_argument);
  CHECK(contains(text_by([] { (void)schedule::exponential(2s, 1s); }), "shorter than the first"));
  CHECK(contains(text_by([] { (void)schedule::fixed(1s, 1.5); }), "not between 0 and 1"));
}

TEST_CASE("a retry waits as its schedule says and gives the first good value") {
  testkit::kit k;
  service s{k, 3};
  CHECK(run(k.get_runtime(),
            retry([&] { return s.call(); }, 5, schedule::exponential(1s, 1min, 0))) == 42);
  CHECK(s.at == std::vector<duration>{0s, 1s, 3s, 7s});
}

TEST_CASE("the last error of a retry comes out as it was thrown") {
  testkit::kit k;
  service s{k, 100};
  auto work = [&] { return retry([&] { return s.call(); }, 3, schedule::fixed(1s)); };
  CHECK_THROWS_AS(run(k.get_runtime(), work()), lost);
  CHECK(s.at.size() == 3);
}

TEST_CASE("a retry stops at an error that is not worth another attempt") {
  testkit::kit k;
  service s{k, 100};
  auto only = [&](retry_filter f) {
    s.at.clear();
    CHECK_THROWS_AS(
        run(k.get_runtime(), retry([&] { return s.call(); }, 4, schedule::immediate(), f)), lost);
    return s.at.size();
  };
  CHECK(only(retry_if_thrown<std::logic_error>()) == 1);
  CHECK(only(retry_if_thrown<std::logic_error, std::runtime_error>()) == 4);
  CHECK(only(retry_if({errc::ask_timeout})) == 1);
  CHECK(only(retry_if({errc::handler_failed})) == 4);
}

TEST_CASE("plain values, results, void and factories that throw can be retried") {
  testkit::kit k;
  int calls = 0;
  auto& rt = k.get_runtime();
  CHECK(run(rt, retry([&] { return ++calls; }, 3, schedule::immediate())) == 1);
  auto refused = [&]() -> result<int> {
    if (++calls < 4) return fail(errc::refused, "not yet");
    return calls;
  };
  CHECK(run(rt, retry(refused, 3, schedule::immediate())) == 4);
  calls = 0;
  CHECK(thrown_by([&] { run(rt, retry(refused, 2, schedule::immediate())); }) == errc::refused);
  int thrown = 0;
  auto factory = [&]() -> task<void> {
    if (++thrown < 3) throw lost();
    return sleep(1s);
  };
  run(rt, retry(factory, 3, schedule::immediate()));
  CHECK(thrown == 3);
  CHECK(thrown_by([&] { run(rt, retry(refused, 0, schedule::immediate())); }) ==
        errc::invalid_argument);
}

namespace {

task<std::string> aborted_retry(service& s) {
  auto f = co_await fork(retry([&] { return s.call(); }, 5, schedule::fixed(1min)));
  co_await sleep(90s);
  f.abort(std::logic_error("enough"));
  try {
    co_await f.join();
  } catch (const std::logic_error& e) {
    co_return e.what();
  }
  co_return "it went on";
}
task<int> slow_and_noted(bool& ended) {
  struct note {
    bool& to;
    ~note() { to = true; }
  } n{ended};
  co_await sleep(1h);
  co_return 1;
}

}  // namespace

TEST_CASE("an aborted retry makes no further attempt") {
  testkit::kit k;
  service s{k, 100};
  CHECK(run(k.get_runtime(), aborted_retry(s)) == "enough");
  CHECK(s.at.size() == 2);
}

TEST_CASE("stopping an actor ends its retry in the middle of a pause") {
  testkit::kit k;
  auto s = std::make_shared<service>(k, 100);
  auto a = k.system().spawn<fetcher>(s);
  auto answer = a.ask<fetch>().within(1h);
  k.settle();
  k.advance(90s);
  CHECK(s->at.size() == 2);
  k.system().stop(a);
  k.settle();
  CHECK(a.is_terminated());
  CHECK(answer.is_ready());
  const auto r = answer.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::handler_failed);
  CHECK(contains(r.error().text(), "cancelled: a retry was asked to stop"));
  CHECK(contains(r.error().text(), "after 2 of 5 attempts"));
  CHECK(contains(r.error().text(), "the line is down"));
}

// -- circuit breaker ------------------------------------------------------------------------------

namespace {

struct guarded {
  testkit::kit k;
  std::vector<std::string> seen;
  circuit_breaker b;
  explicit guarded(breaker_options o = {}) : b(k.get_runtime(), std::move(o), "shop") {
    b.on_transition([this](const breaker_transition& t) {
      seen.push_back(std::string(to_string(t.from)) + " > " + std::string(to_string(t.to)));
    });
  }
  int good() {
    return run(k.get_runtime(), b.call([] { return 7; }));
  }
  void bad() {
    CHECK_THROWS_AS(run(k.get_runtime(), b.call([]() -> int { throw lost(); })), lost);
  }
  void open() {
    while (b.state() == breaker_state::closed) bad();
  }
};

}  // namespace

TEST_CASE("a circuit breaker opens after failures in a row and then calls nobody") {
  guarded g({.max_failures = 3});
  g.bad();
  g.bad();
  CHECK(g.good() == 7);
  g.bad();
  g.bad();
  CHECK(g.b.state() == breaker_state::closed);
  g.bad();
  CHECK(g.b.state() == breaker_state::open);
  int called = 0;
  g.k.advance(4s);
  try {
    run(g.k.get_runtime(), g.b.call([&] { return ++called; }));
    FAIL("an open breaker let a call through");
  } catch (const circuit_open& e) {
    CHECK(e.remaining() == 6s);
    CHECK(e.which() == errc::refused);
    CHECK(contains(e.what(), "'shop' is open after: handler_failed: the line is down"));
    CHECK(contains(e.what(), "for another 6 s"));
  }
  CHECK(called == 0);
  const auto n = g.b.counters();
  CHECK(n.failed == 5);
  CHECK(n.succeeded == 1);
  CHECK(n.rejected == 1);
  CHECK(n.opened == 1);
}

TEST_CASE("half open, a circuit breaker admits exactly one trial, which closes it") {
  guarded g({.max_failures = 1, .call_timeout = 0s});
  g.open();
  g.k.advance(10s);
  CHECK(g.b.state() == breaker_state::half_open);
  auto trial = g.b.enter();
  for (int i = 0; i < 3; ++i) {
    auto refused = g.b.try_enter();
    REQUIRE(!refused);
    CHECK(contains(refused.error().text(), "half open"));
    CHECK(contains(refused.error().text(), "until the trial under way has ended"));
  }
  trial.success();
  CHECK(g.b.state() == breaker_state::closed);
  CHECK(g.good() == 7);
  CHECK(g.seen ==
        std::vector<std::string>{"closed > open", "open > half open", "half open > closed"});
}

TEST_CASE("a failed trial opens a circuit breaker again, for longer where told so") {
  guarded g({.max_failures = 1, .reset_timeout = 1s, .growth = 2, .max_reset_timeout = 3s});
  g.open();
  for (duration wait : {1s, 2s, 3s, 3s}) {
    g.k.advance(wait - 1ms);
    CHECK(g.b.state() == breaker_state::open);
    g.k.advance(1ms);
    CHECK(g.b.state() == breaker_state::half_open);
    g.bad();
    CHECK(g.b.state() == breaker_state::open);
  }
  g.k.advance(3s);
  CHECK(g.good() == 7);
  g.open();
  g.k.advance(1s);
  CHECK(g.b.state() == breaker_state::half_open);
}

TEST_CASE("a trial that is given up leaves the place to the next one") {
  guarded g({.max_failures = 1});
  g.open();
  g.k.advance(10s);
  {
    auto dropped = g.b.enter();
  }
  CHECK(g.b.state() == breaker_state::half_open);
  CHECK(g.good() == 7);
  CHECK(g.b.state() == breaker_state::closed);
}

TEST_CASE("calls that take too long are failures of a circuit breaker") {
  guarded g({.max_failures = 2, .call_timeout = 1s});
  auto& rt = g.k.get_runtime();
  const auto began = g.k.now();
  CHECK(text_by([&] { run(rt, g.b.call([] { return slow(5s); })); }) ==
        "ask_timeout: a call through the circuit breaker 'shop' took longer than 1 s");
  CHECK(g.k.now() - began == 1s);
  CHECK(run(rt, g.b.call([] { return slow(900ms); })) == 1);
  bool ended = false;
  CHECK(thrown_by([&] { run(rt, g.b.call([&] { return slow_and_noted(ended); })); }) ==
        errc::ask_timeout);
  CHECK(ended);
  g.b.reset();
  g.good();
  auto silent = g.k.probe<fetch>();
  for (int i = 0; i < 2; ++i)
    CHECK(thrown_by([&] { run(rt, g.b.call([&] { return silent.ref().ask<fetch>(); })); }) ==
          errc::ask_timeout);
  CHECK(g.b.state() == breaker_state::open);
  CHECK(g.b.counters().timed_out == 4);
}

TEST_CASE("without a limit of calls an ask through a circuit breaker keeps its own") {
  guarded g({.call_timeout = 0s});
  auto silent = g.k.probe<fetch>();
  const auto began = g.k.now();
  CHECK(thrown_by([&] {
          run(g.k.get_runtime(), g.b.call([&] { return silent.ref().ask<fetch>(); }));
        }) == errc::ask_timeout);
  CHECK(g.k.now() - began == 5s);
}

TEST_CASE("a call of before says nothing about a circuit breaker of now") {
  guarded g({.max_failures = 1});
  auto old = g.b.enter();
  g.open();
  g.k.advance(10s);
  auto trial = g.b.enter();
  old.success();
  CHECK(g.b.state() == breaker_state::half_open);
  trial.failure("again");
  CHECK(g.b.state() == breaker_state::open);
}

TEST_CASE("errors that are not the service's fault do not open a circuit breaker") {
  guarded g({.max_failures = 1, .is_failure = [](const std::exception_ptr& why) {
               return detail::error_of(why).code() != errc::refused;
             }});
  auto refused = []() -> result<int> { return fail(errc::refused, "no such article"); };
  CHECK(thrown_by([&] { run(g.k.get_runtime(), g.b.call(refused)); }) == errc::refused);
  CHECK(g.b.state() == breaker_state::closed);
  g.bad();
  CHECK(g.b.state() == breaker_state::open);
}

TEST_CASE("plain functions and manual permits go through a circuit breaker") {
  guarded g({.max_failures = 2, .call_timeout = 1s});
  CHECK(g.b.run([] { return 3; }) == 3);
  CHECK(g.b.run([&]() -> result<int> { return fail(errc::io_failed, "disk"); }).error() ==
        errc::io_failed);
  g.b.run([&] { g.k.advance(2s); });  // too slow
  CHECK(g.b.state() == breaker_state::open);
  CHECK(thrown_by([&] { g.b.run([] { return 3; }); }) == errc::refused);
  g.b.reset();
  CHECK(g.b.run([] { return 3; }) == 3);
  g.b.trip("maintenance");
  CHECK(contains(text_by([&] { g.b.run([] {}); }), "maintenance"));
}

TEST_CASE("a circuit breaker of no failures or no rest is refused") {
  testkit::kit k;
  CHECK(thrown_by([&] { circuit_breaker(k.get_runtime(), {.max_failures = 0}); }) ==
        errc::invalid_argument);
  CHECK(thrown_by([&] { circuit_breaker(k.get_runtime(), {.reset_timeout = 0s}); }) ==
        errc::invalid_argument);
}
