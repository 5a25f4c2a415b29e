#include <odeon/testkit/testkit.hpp>
#include <odeon/workflow/state.hpp>
#include <odeon/workflow/workflow.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

struct get_price {
  using reply = int;
  std::string item;
};
class catalogue : public actor<get_price> {
 public:
  result<int> on(const get_price& m) {
    if (m.item == "none") return fail(errc::refused, "not sold");
    return static_cast<int>(m.item.size()) + asked_++;
  }

 private:
  int asked_ = 0;
};
class deaf : public actor<get_price> {
 public:
  void on(get_price, reply_to<int> to) { kept_.push_back(std::move(to)); }

 private:
  std::vector<reply_to<int>> kept_;
};

/// What steps did, in order. Tests of the simulation use one thread.
struct journal_of_steps {
  std::shared_ptr<strings> lines = std::make_shared<strings>();
  auto note(const std::string& name) const {
    return step(name, [l = lines, name](int n) {
      l->push_back(name);
      return n;
    });
  }
};

task<int> never(int n) {
  co_await sleep(24h * 365);
  co_return n;
}

struct go {
  using reply = int;
};
class boss : public actor<go> {
 public:
  explicit boss(odeon::workflow<int, int> w) : w_(std::move(w)) {}
  task<int> on(go) { co_return co_await w_.run(1, ctx().system()); }

 private:
  odeon::workflow<int, int> w_;
};

}  // namespace

TEST_CASE("all edges whose conditions hold fire, by priority and then by age") {
  testkit::kit k;
  const journal_of_steps j;
  odeon::workflow<int, int> w("fire");
  auto start = w.add(j.note("start"));
  auto a = w.add(j.note("a")), b = w.add(j.note("b")), c = w.add(j.note("c")),
       d = w.add(j.note("d"));
  w.start(start).end(d);
  w.edge(start, a, {.when = [](int n) { return n > 0; }, .priority = 1});
  w.edge(start, b, {.when = [](int n) { return n > 100; }, .priority = 9});
  w.edge(start, c, {.priority = 5});
  w.edge(start, d, {.priority = 1});
  CHECK(w.run(7, k.system()).get() == 7);
  CHECK(*j.lines == strings{"start", "c", "a", "d"});
}

TEST_CASE("a list joins what came along its edges, in their order, and waits for the slow ones") {
  testkit::kit k;
  odeon::workflow<int, int> w("list");
  auto start = w.add(step("start", [](int n) { return n; }));
  auto slow = w.add(step("slow", [](int n) -> task<int> {
    co_await sleep(1s);
    co_return n * 100;
  }));
  auto far = w.add(step("far", [](int n) { return n + 1; }));
  auto fast = w.add(step("fast", [](int n) { return n * 10; }));
  auto never_taken = w.add(step("never", [](int n) { return n * 7; }));
  auto join = w.add(step("join", [](const std::vector<int>& all) {
    int out = 0;
    for (int n : all) out = out * 1000 + n;
    return out;
  }));
  w.start(start).edge(start, slow).edge(start, fast);
  w.edge(start, never_taken, {.when = [](int n) { return n < 0; }});
  w.edge(slow, far);
  w.edge(far, join).edge(fast, join).edge(never_taken, join);
  CHECK(w.run(2, k.system()).get() == 201'020);
}

TEST_CASE("a join without one of its inputs fails with the edge that brought nothing") {
  testkit::kit k;
  odeon::workflow<int, int> w("join");
  auto start = w.add(step("start", [](int n) { return n; }));
  auto a = w.add(step("a", [](int n) { return n; }));
  auto b = w.add(step("b", [](int n) { return n; }));
  auto both = w.add(step("both", [](int x, int y) { return x + y; }));
  w.start(start).edge(start, a).edge(a, both).edge(b, both);
  w.edge(start, b, {.when = [](int n) { return n > 10; }});
  CHECK(w.run(11, k.system()).get() == 22);
  auto r = w.run(1, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::missing_field);
  CHECK(std::string(r.error().text()).find("'both' lacks its input 2") != std::string::npos);
  CHECK(std::string(r.error().text()).find("'b' -> 'both'") != std::string::npos);
}

TEST_CASE("actors are steps: those that are there, and those of the run") {
  testkit::kit k;
  auto ref = k.system().spawn<catalogue>();
  const auto ask = step("ask", [](std::string s) { return get_price{std::move(s)}; });
  odeon::workflow w = ask >> step("price", ref);
  CHECK(w.run("abc", k.system()).get() == 3);
  CHECK(w.run("abc", k.system()).get() == 4);  // the same actor
  odeon::workflow own = ask >> spawned<catalogue>("own");
  CHECK(own.run("abc", k.system()).get() == 3);
  CHECK(own.run("abc", k.system()).get() == 3);  // another one
  k.settle();
  CHECK(k.system().snapshot().actors == 1);  // runs leave nothing behind
  auto r = w.run("none", k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::refused);
  CHECK(r.error().text() == "the step 'price' failed: not sold");
}

TEST_CASE("an actor of another system is a foreign node") {
  testkit::kit k, other;
  odeon::workflow w = step("price", other.system().spawn<catalogue>());
  auto r = w.run(get_price{"a"}, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::invalid_argument);
  CHECK(std::string(r.error().text()).find("'price'") != std::string::npos);
  CHECK(std::string(r.error().text()).find("another actor system") != std::string::npos);
}

TEST_CASE("a step that throws fails the run with its name and text") {
  testkit::kit k;
  odeon::workflow w = step("good", [](int n) { return n; }) >> step("bad", [](int n) -> int {
                        throw std::runtime_error("boom " + std::to_string(n));
                      });
  auto r = w.run(3, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::handler_failed);
  CHECK(r.error().text() == "the step 'bad' failed: boom 3");
  odeon::workflow late = step("late", [](int) -> task<int> {
    co_await sleep(1s);
    throw actor_error(errc::not_found, "gone");
  });
  auto l = late.run(3, k.system()).result();
  REQUIRE_FALSE(l);
  CHECK(l.error() == errc::not_found);
  odeon::workflow<int, int> cond("cond");
  auto a = cond.add(step("a", [](int n) { return n; })),
       b = cond.add(step("b", [](int n) { return n; }));
  cond.start(a).edge(a, b, {.when = [](int) -> bool { throw std::runtime_error("no idea"); }});
  auto c = cond.run(1, k.system()).result();
  REQUIRE_FALSE(c);
  CHECK(c.error().text() == "the condition of the edge 'a' -> 'b' threw: no idea");
}

TEST_CASE("a step is tried again after a growing pause, and a refusal is final") {
  testkit::kit k;
  auto times = std::make_shared<std::vector<time_point>>();
  const auto flaky = [&](int good) {
    return step("flaky",
                [times, good, &k](int n, step_context ctx) -> result<int> {
                  times->push_back(k.now());
                  CHECK(ctx.attempt() == times->size());
                  if (static_cast<int>(times->size()) < good) return fail(errc::io_failed, "line");
                  return n;
                },
                {.retry = {.attempts = 4, .min = 1s, .max = 3s}});
  };
  odeon::workflow w = flaky(4);
  CHECK(w.run(5, k.system()).get() == 5);
  REQUIRE(times->size() == 4);
  CHECK((*times)[1] - (*times)[0] >= 1s);
  CHECK((*times)[2] - (*times)[1] >= 2s);
  CHECK((*times)[3] - (*times)[2] >= 3s);
  CHECK((*times)[3] - (*times)[2] < 4s);
  times->clear();
  odeon::workflow lost = flaky(5);
  auto r = lost.run(5, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error().text() == "the step 'flaky' failed after 4 attempts: line");
  int calls = 0;
  odeon::workflow no = step("no",
                            [&](int) -> result<int> {
                              ++calls;
                              return fail(errc::refused, "no");
                            },
                            {.retry = {.attempts = 4}});
  CHECK_FALSE(no.run(1, k.system()).result());
  CHECK(calls == 1);
}

TEST_CASE("a step that never answers ends with its timeout, and its frame is destroyed") {
  testkit::kit k;
  struct mark {
    std::shared_ptr<int> p;
  };
  auto alive = std::make_shared<int>(0);
  odeon::workflow w = step("never",
                           [alive](int n) -> task<int> {
                             const mark held{alive};
                             co_await sleep(24h);
                             co_return n;
                           },
                           {.retry = {.attempts = 2, .min = 1s}, .timeout = 5s});
  auto f = w.run(1, k.system());
  k.settle();
  CHECK(alive.use_count() > 2);
  const auto before = alive.use_count();
  k.advance(20s);
  CHECK(alive.use_count() < before);
  auto r = f.result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::ask_timeout);
  CHECK(r.error().text() == "the step 'never' failed after 2 attempts: no end within 5 s");
  odeon::workflow silent = step("silent", k.system().spawn<deaf>(), {.timeout = 2s});
  auto s = silent.run(get_price{"x"}, k.system()).result();
  REQUIRE_FALSE(s);
  CHECK(s.error() == errc::ask_timeout);
}

TEST_CASE("a run that nobody waits for any more is given up, and nothing is compensated") {
  testkit::kit k;
  int undone = 0;
  odeon::workflow w = step("first", [](int n) { return n; }).compensated_by([&](int) {
    ++undone;
  }) >> step("never", never);
  SUBCASE("its future is dropped") {
    {
      auto f = w.run(1, k.system());
      k.settle();
      CHECK(k.system().snapshot().actors == 2);
    }
    k.settle();
  }
  SUBCASE("its time is over") {
    auto r = w.run(1, k.system()).within(3s).result();
    REQUIRE_FALSE(r);
    CHECK(r.error() == errc::ask_timeout);
    k.settle();
  }
  CHECK(k.system().snapshot().actors == 0);
  CHECK(undone == 0);
}

TEST_CASE("a run ends with the actor that waits for it, and when that one's asker gives up") {
  testkit::kit k;
  const auto b = k.system().spawn<boss>(odeon::workflow(step("never", never)));
  SUBCASE("the actor is killed") {
    auto f = b.ask<go>().within(24h);
    k.settle();
    CHECK(k.system().snapshot().actors == 3);
    k.system().kill(b);
    k.settle();
    CHECK(k.system().snapshot().actors == 0);
    CHECK_FALSE(f.result());
  }
  SUBCASE("the time of its asker is over") {
    auto r = b.ask<go>().within(10s).result();
    CHECK_FALSE(r);
    k.advance(1s);
    CHECK(k.system().snapshot().actors == 1);
  }
}

TEST_CASE("compensations run in reverse order of completion, and their failures are told") {
  testkit::kit k;
  strings did;
  const auto book = [&](const std::string& name, bool undoes = true) {
    return step(name,
                [&did, name](int n) {
                  did.push_back(name);
                  return n + 1;
                },
                {.retry = {.attempts = 2, .min = 1s}})
        .compensated_by([&did, name, undoes](int in, int out) -> task<result<void>> {
          co_await sleep(10ms);
          did.push_back("undo " + name + " " + std::to_string(in) + ">" + std::to_string(out));
          if (!undoes) co_return fail(errc::io_failed, "line dead");
          co_return result<void>();
        });
  };
  odeon::workflow w =
      book("hotel") >> book("flight", false) >> book("car") >>
      step("pay", [](int) -> result<int> { return fail(errc::refused, "no money"); });
  auto r = w.run(1, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::refused);
  CHECK(r.error().text() ==
        "the step 'pay' failed: no money; the compensation of 'flight' failed: line dead");
  CHECK(did == strings{"hotel", "flight", "car", "undo car 3>4", "undo flight 2>3",
                       "undo flight 2>3", "undo hotel 1>2"});
}

TEST_CASE(
    "a step with a compensation that is under way when another fails is waited for and undone") {
  testkit::kit k;
  strings did;
  auto slow = step("slow", [&](int n) -> task<int> {
                co_await sleep(5s);
                did.push_back("slow");
                co_return n;
              }).compensated_by([&](int) { did.push_back("undo slow"); });
  auto bad = step("bad", [](int n) -> task<int> {
    co_await sleep(1s);
    if (n == 1) throw std::runtime_error("boom");
    co_return n;
  });
  odeon::workflow w = fan_out(slow, bad, step("never", never)) >>
                      step("sum", [](int a, int b, int c) { return a + b + c; });
  auto r = w.run(1, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error().text() == "the step 'bad' failed: boom");
  CHECK(did == strings{"slow", "undo slow"});
  k.settle();
  CHECK(k.system().snapshot().actors == 0);
}

TEST_CASE("side branches are not cut off by the answer") {
  testkit::kit k;
  strings did;
  odeon::workflow<int, int> w("side");
  auto a = w.add(step("a", [](int n) { return n; }));
  auto audit = w.add(step("audit", [&](int) -> task<void> {
    co_await sleep(1min);
    did.push_back("audit");
  }));
  auto b = w.add(step("b", [](int n) { return n + 1; }));
  w.start(a).end(b).edge(a, audit).edge(a, b);
  CHECK(w.run(1, k.system()).get() == 2);
  CHECK(did == strings{"audit"});
}

TEST_CASE("many runs of one workflow go on beside each other") {
  testkit::kit k;
  odeon::workflow w = step("a",
                           [](int n) -> task<int> {
                             co_await sleep(std::chrono::milliseconds(n));
                             co_return n;
                           }) >>
                      step("b", [](int n) { return n * 2; });
  std::vector<future<int>> all;
  for (int i = 0; i < 100; ++i) all.push_back(w.run(100 - i, k.system()));
  for (int i = 0; i < 100; ++i) CHECK(all[static_cast<std::size_t>(i)].get() == (100 - i) * 2);
}

TEST_CASE("steps share the state of their run and read what it is called") {
  testkit::kit k;
  auto store = make_memory_state(k.get_runtime());
  odeon::workflow w = step("count", [](int n, step_context ctx) -> task<int> {
    auto t = ctx.state().begin();
    const int before = t.get<int>("count").value_or(0);
    t.put("count", before + n);
    co_await t.commit();
    CHECK(ctx.key() == ctx.run_id() + "/count/1");
    co_return before + n;
  });
  CHECK(w.run(2, k.system(), {.state = store, .name = "counting"}).get() == 2);
  CHECK(w.run(3, k.system(), {.state = store}).get() == 5);
  CHECK(w.run(3, k.system()).get() == 3);  // a state of its own
  CHECK(store->get<int>("count") == 5);
}

TEST_CASE("a system that ends ends its runs, and no new one starts") {
  odeon::workflow w = step("never", never);
  testkit::kit k;
  auto f = w.run(1, k.system());
  k.settle();
  k.system().terminate();
  k.settle();
  CHECK(f.is_ready());
  CHECK_FALSE(f.result());
  auto r = w.run(1, k.system()).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::system_stopped);
}
