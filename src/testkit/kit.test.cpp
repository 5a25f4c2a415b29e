#include <odeon/testkit/assertion_error.hpp>
#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct tick {
  int n = 0;
};
struct arm {
  duration after;
  int n;
};
struct count {
  using reply = int;
};
struct note {
  int n = 0;
};

class clockwork : public actor<arm, tick, count> {
 public:
  explicit clockwork(actor_ref<tick> to) : to_(to) {}
  void on(arm a) { ctx().send_after(a.after, tick{a.n}); }
  void on(tick t) {
    ++ticks_;
    to_.tell(t);
  }
  int on(count) { return ticks_; }

 private:
  actor_ref<tick> to_;
  int ticks_ = 0;
};

std::string failure_of(auto&& expectation) {
  try {
    expectation();
  } catch (const testkit::assertion_error& e) {
    return e.what();
  }
  return {};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("time moves only as far as the test advances it") {
  testkit::kit k;
  auto p = k.probe<tick>();
  auto a = k.system().spawn<clockwork>(p.ref());
  a.tell<arm>(10s, 1);
  k.advance(9999ms);
  CHECK(p.pending() == 0);
  k.advance(1ms);
  CHECK(p.pending() == 1);
}

TEST_CASE("settle runs what is ready without moving time") {
  testkit::kit k;
  auto p = k.probe<tick>();
  auto a = k.system().spawn<clockwork>(p.ref());
  const auto before = k.now();
  a.tell<tick>(1);
  CHECK(k.settle() > 0);
  CHECK(p.pending() == 1);
  CHECK(k.now() == before);
  CHECK(k.settle() == 0);
}

TEST_CASE("a frozen domain's clock stands while the other one goes on") {
  testkit::kit k;
  auto p = k.probe<tick, count>();
  auto a = k.system().spawn<clockwork>(p.ref());
  a.tell<arm>(1s, 1);
  k.settle();

  SUBCASE("user timers wait while an ask times out") {
    k.freeze(clock_domain::user);
    auto answer = p.ref().ask<count>().within(2s).result();
    CHECK(answer.error() == errc::ask_timeout);
    p.clear();
    p.expect_no_mail(10s);
    k.thaw(clock_domain::user);
    CHECK(p.expect<tick>().n == 1);
  }
  SUBCASE("asks wait while user timers fire") {
    k.freeze(clock_domain::housekeeping);
    p.expect<tick>(1s);
    CHECK(contains(failure_of([&] { p.expect<tick>(3s); }), "nothing came"));
  }
  SUBCASE("one domain is advanced alone") {
    k.advance(1h, clock_domain::housekeeping);
    CHECK(p.pending() == 0);
    k.advance(1s, clock_domain::user);
    CHECK(p.pending() == 1);
  }
}

TEST_CASE("with manual time an expectation fails at once rather than move it") {
  testkit::kit k({.moves_time = false});
  auto p = k.probe<tick>();
  auto a = k.system().spawn<clockwork>(p.ref());
  a.tell<arm>(1s, 1);
  const auto before = k.now();
  CHECK(contains(failure_of([&] { p.expect<tick>(10s); }), "nothing came"));
  CHECK(k.now() == before);
  k.advance(1s);
  p.expect<tick>();
}

TEST_CASE("a block that takes longer than allowed fails, and bounds the waits inside") {
  testkit::kit k;
  auto p = k.probe<tick>();
  auto a = k.system().spawn<clockwork>(p.ref());
  a.tell<arm>(2s, 1);
  CHECK(k.within(3s, [&] { return p.expect<tick>(3s).n; }) == 1);
  CHECK(contains(failure_of([&] { k.within(1s, [&] { k.advance(2s); }); }),
                 "was to take at most 1 s, and took 2 s"));
  const auto before = k.now();
  CHECK(failure_of([&] { k.within(1s, [&] { p.expect<tick>(1h); }); }) != "");
  CHECK(k.now() - before == 1s);
  CHECK(failure_of([&] { k.within(1h, [&] { k.within(1s, [&] { p.expect<tick>(2h); }); }); }) !=
        "");
  CHECK(k.now() - before == 2s);
}

TEST_CASE("a condition is waited for step by step, with a bound") {
  testkit::kit k;
  auto p = k.probe<tick>();
  auto a = k.system().spawn<clockwork>(p.ref());
  a.tell<arm>(500ms, 1);
  const auto before = k.now();
  k.eventually([&] { return p.pending() == 1; });
  CHECK(k.now() - before == 500ms);
  CHECK(contains(failure_of([&] { k.eventually([] { return false; }, 2s, "the impossible"); }),
                 "the impossible did not come about within 2 s"));
}

TEST_CASE("an event log collects the events it accepts, until it goes") {
  testkit::kit k;
  auto& events = k.system().events();
  {
    auto odd = k.events<note>([](const note& n) { return n.n % 2 == 1; });
    for (int i = 0; i < 6; ++i) events.publish(note{i});
    CHECK(odd.count() == 3);
    CHECK(odd.await_one().n == 1);
    CHECK(odd.await(2).back().n == 5);
    odd.expect_none();
    CHECK(contains(failure_of([&] { odd.await(1, 5ms); }), "expected 1 events"));
    events.publish(note{7});
    CHECK(contains(failure_of([&] { odd.expect_none(); }), "but one came"));
  }
  CHECK(!events.wanted<note>());
}

TEST_CASE("the same seed gives the same run, and other seeds give other interleavings") {
  auto run = [](std::uint64_t seed) {
    testkit::kit k({.seed = seed});
    auto p = k.probe<tick>();
    std::vector<actor_ref<arm, tick, count>> actors;
    for (int i = 0; i < 8; ++i) actors.push_back(k.system().spawn<clockwork>(p.ref()));
    for (int i = 0; i < 8; ++i) actors[static_cast<std::size_t>(i)].tell<tick>(i);
    k.settle();
    std::vector<int> order;
    while (p.pending() > 0) order.push_back(p.expect<tick>().n);
    return std::pair(order, k.simulation().steps());
  };
  CHECK(run(3) == run(3));
  int different = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) different += run(seed) != run(seed + 1);
  CHECK(different >= 8);
}

TEST_CASE("a kit looks at a system that is there, and leaves it alive") {
  simulated_runtime rt;
  actor_system system("mine", {.runtime = &rt});
  {
    testkit::kit k(system);
    auto p = k.probe<tick>();
    p.ref().tell<tick>(4);
    CHECK(p.expect<tick>().n == 4);
    CHECK(k.is_simulated());
  }
  CHECK(!system.is_terminating());
}
