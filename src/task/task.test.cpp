// Tasks driven by a thread: values, errors, nesting, destruction, and futures between them.

#include <odeon/runtime/simulated.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct noted {
  std::vector<std::string>* said;
  std::string name;
  noted(std::vector<std::string>& s, std::string n) : said(&s), name(std::move(n)) {}
  noted(const noted&) = delete;
  ~noted() { said->push_back("~" + name); }
};

task<int> plain(int n) { co_return n; }
task<void> nothing() { co_return; }
task<std::unique_ptr<int>> move_only(int n) { co_return std::make_unique<int>(n); }
task<int> thrower(const char* text) {
  throw std::runtime_error(text);
  co_return 0;
}
task<int> sum(int n) {
  if (n == 0) co_return 0;
  co_return n + co_await sum(n - 1);
}
task<int> loop(int n) {
  int total = 0;
  for (int i = 0; i < n; ++i) total += co_await plain(1);
  co_return total;
}
task<int> catches() {
  try {
    co_await thrower("inside");
  } catch (const std::runtime_error& e) {
    co_return std::string(e.what()) == "inside" ? 1 : 2;
  }
  co_return 3;
}
task<int> awaits(future<int> f) { co_return co_await std::move(f); }
task<std::string> awaits_result(future<int> f) {
  auto r = co_await std::move(f).as_result();
  co_return r ? std::to_string(*r) : r.error().to_string();
}

}  // namespace

TEST_CASE("a task does nothing until it is driven") {
  std::vector<std::string> said;
  auto make = [&](const char* name) -> task<int> {
    noted inside(said, name);
    co_return 1;
  };
  {
    auto t = make("never run");
    CHECK(!t.done());
  }
  CHECK(said.empty());
  simulated_runtime rt;
  CHECK(run(rt, make("run")) == 1);
  CHECK(said == std::vector<std::string>{"~run"});
}

TEST_CASE("a task gives a value of any movable type, or nothing") {
  simulated_runtime rt;
  CHECK(run(rt, plain(4)) == 4);
  CHECK(*run(rt, move_only(5)) == 5);
  run(rt, nothing());
  auto reference_to = [](const std::string& s) -> task<std::size_t> { co_return s.size(); };
  const std::string text(100, 'x');
  CHECK(run(rt, reference_to(text)) == 100);
}

TEST_CASE("an exception goes to who awaits, and out of run") {
  simulated_runtime rt;
  CHECK(run(rt, catches()) == 1);
  CHECK_THROWS_WITH_AS(run(rt, thrower("outside")), "outside", std::runtime_error);
}

TEST_CASE("tasks nest deeply, and loop long, without growing the stack") {
  simulated_runtime rt;
  CHECK(run(rt, sum(20'000)) == 200'010'000);
  CHECK(run(rt, loop(200'000)) == 200'000);
}

TEST_CASE("a task waits for a promise that is kept elsewhere") {
  simulated_runtime rt;
  auto ex = rt.make_executor({});
  auto [p, f] = promise<int>::make(rt);
  struct keeper final : runnable {
    explicit keeper(promise<int> q) : runnable(&go), kept(std::move(q)) {}
    static void go(runnable& r) noexcept { static_cast<keeper&>(r).kept.set(9); }
    promise<int> kept;
  } k(std::move(p));
  ex->submit(k);
  CHECK(run(rt, awaits(std::move(f))) == 9);
}

TEST_CASE("a promise that was kept before is there at once") {
  simulated_runtime rt;
  auto [p, f] = promise<int>::make(rt);
  CHECK(!f.is_ready());
  CHECK(p.set(3));
  CHECK(f.is_ready());
  CHECK(run(rt, awaits(std::move(f))) == 3);
}

TEST_CASE("a failed promise throws its error, or gives it as a value") {
  simulated_runtime rt;
  auto [p, f] = promise<int>::make(rt);
  p.fail({errc::refused, "no"});
  CHECK_THROWS_AS(run(rt, awaits(std::move(f))), actor_error);
  auto [q, g] = promise<int>::make(rt);
  q.fail({errc::refused, "no"});
  CHECK(run(rt, awaits_result(std::move(g))) == "refused: no");
  auto [r, h] = promise<int>::make(rt);
  r.set_result(fail(errc::not_found, "nowhere"));
  CHECK(h.result().error() == error(errc::not_found, "nowhere"));
  auto [s, i] = promise<void>::make(rt);
  s.set_result({});
  CHECK(i.result().has_value());
}

TEST_CASE("a promise that is dropped fails its future with no_reply") {
  simulated_runtime rt;
  std::optional<future<int>> left;
  {
    auto [p, f] = promise<int>::make(rt);
    left.emplace(std::move(f));
  }
  CHECK(left->result().error() == errc::no_reply);
  auto [a, fa] = promise<int>::make(rt);
  auto [b, fb] = promise<int>::make(rt);
  a = std::move(b);
  CHECK(fa.result().error() == errc::no_reply);
  a.set(1);
  CHECK(fb.get() == 1);
}

TEST_CASE("a promise learns that nobody waits any more") {
  simulated_runtime rt;
  auto [p, f] = promise<std::string>::make(rt);
  f.cancel();
  CHECK(!f.valid());
  CHECK(!p.set("too late"));
  auto [q, g] = promise<int>::make(rt);
  {
    auto dropped = std::move(g);
  }
  CHECK(!q.fail(errc::refused) == false);
}

TEST_CASE("a value that nobody takes is destroyed") {
  simulated_runtime rt;
  auto shared = std::make_shared<int>(1);
  {
    auto [p, f] = promise<std::shared_ptr<int>>::make(rt);
    p.set(shared);
  }
  {
    auto [p, f] = promise<std::shared_ptr<int>>::make(rt);
    f.cancel();
    p.set(shared);
  }
  CHECK(shared.use_count() == 1);
}

TEST_CASE("a future gives up after its limit, and the value comes too late") {
  simulated_runtime rt;
  auto [p, f] = promise<int>::make(rt);
  const auto before = rt.now(clock_domain::housekeeping);
  const auto r = std::move(f).within(250ms).result();
  CHECK(r.error() == errc::ask_timeout);
  CHECK(rt.now(clock_domain::housekeeping) - before == 250ms);
  CHECK(!p.set(1));

  auto [q, g] = promise<int>::make(rt);
  const auto text = run(rt, awaits_result(std::move(g).within(100ms)));
  CHECK(text.starts_with("ask_timeout: nothing came within 100 ms"));
  CHECK(!q.set(1));
}

TEST_CASE("a limit that is not reached leaves no timer behind") {
  simulated_runtime rt;
  auto ex = rt.make_executor({});
  auto [p, f] = promise<int>::make(rt);
  struct keeper final : runnable {
    explicit keeper(promise<int> q) : runnable(&go), kept(std::move(q)) {}
    static void go(runnable& r) noexcept { static_cast<keeper&>(r).kept.set(9); }
    promise<int> kept;
  } k(std::move(p));
  ex->submit(k);
  CHECK(run(rt, awaits(std::move(f).within(1h))) == 9);
  CHECK(rt.timers(clock_domain::housekeeping).size() == 0);
}

TEST_CASE("sleeping suspends for the user's time") {
  simulated_runtime rt;
  auto nap = [](duration d) -> task<int> {
    co_await sleep(d);
    co_return 1;
  };
  const auto before = rt.now();
  CHECK(run(rt, nap(90s)) == 1);
  CHECK(rt.now() - before == 90s);
  CHECK(run(rt, nap(0s)) == 1);
  CHECK(rt.timers(clock_domain::user).size() == 0);
}

TEST_CASE("a suspended task that is destroyed destroys what it holds, innermost first") {
  simulated_runtime rt;
  std::vector<std::string> said;
  auto inner = [&]() -> task<void> {
    noted n(said, "inner");
    co_await sleep(1h);
  };
  auto outer = [&]() -> task<void> {
    noted n(said, "outer");
    co_await inner();
  };
  {
    // A driver that gives up: the root is resumed once, then dropped.
    struct once final : task_driver {
      explicit once(runtime& r) : rt(r) {}
      void post(driver_node&) noexcept override {}
      void expect_late_node() noexcept override {}
      [[nodiscard]] bool stop_requested() const noexcept override { return false; }
      [[nodiscard]] std::stop_token stop_token() override { return {}; }
      [[nodiscard]] runtime& get_runtime() const noexcept override { return rt; }
      runtime& rt;
    } driver(rt);
    auto t = outer();
    t.handle().promise().set_driver(&driver);
    t.handle().resume();
    CHECK(!t.done());
    CHECK(rt.timers(clock_domain::user).size() == 1);
  }
  CHECK(said == std::vector<std::string>{"~inner", "~outer"});
  CHECK(rt.timers(clock_domain::user).size() == 0);
}

TEST_CASE("a callback runs when the value comes, or its error") {
  simulated_runtime rt;
  std::vector<std::string> said;
  auto note = [&](result<int> r) {
    said.push_back(r ? std::to_string(*r) : std::string(to_string(r.error().code())));
  };
  auto [p, f] = promise<int>::make(rt);
  std::move(f).then(note);
  CHECK(said.empty());
  p.set(5);
  CHECK(said == std::vector<std::string>{"5"});
  {
    auto [q, g] = promise<int>::make(rt);
    std::move(g).then(note);
  }
  CHECK(said.back() == "no_reply");
  auto [r, h] = promise<int>::make(rt);
  r.set(7);
  std::move(h).then(note);
  CHECK(said.back() == "7");
}

TEST_CASE("outside of actors no work is asked to stop") {
  simulated_runtime rt;
  auto asks = []() -> task<bool> {
    auto token = co_await this_stop_token();
    co_return co_await stop_requested() || token.stop_requested();
  };
  CHECK(!run(rt, asks()));
}

TEST_CASE("a wait that nothing can end throws rather than hang") {
  simulated_runtime rt;
  auto [p, f] = promise<int>::make(rt);
  CHECK_THROWS_AS((void)f.get(), actor_error);
  p.set(1);
  CHECK(f.get() == 1);
}
