/// @file Workflows on real threads: many runs at once, given up at any moment, and durable ones on
/// one SQLite file.

#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/testkit/testkit.hpp>
#include <odeon/workflow/state.hpp>
#include <odeon/workflow/workflow.hpp>

#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;
using namespace std::chrono_literals;

namespace {

struct twice {
  using reply = int;
  int n = 0;
};
class doubler : public actor<twice> {
 public:
  int on(twice m) { return m.n * 2; }
};

/// Uses every kind of step, a fan-out, a delay and a route.
auto busy(actor_system& system) {
  const auto nap = step("nap", [](int n) -> task<int> {
    co_await sleep(std::chrono::milliseconds(n % 3));
    co_return n + 1;
  });
  const auto ask = step("ask", [](int n) { return twice{n}; });
  const auto shared = ask >> step("shared", system.spawn<doubler>());
  const auto own = step("ask own", [](int n) { return twice{n}; }) >> spawned<doubler>("own");
  return step("begin", [](int n) { return n; }) >> fan_out(nap, shared, own) >>
         step("add", [](int a, int b, int c) { return a + b + c; }) >>
         delayed(1ms, route(when([](int n) { return n % 2 == 0; },
                                 step("even", [](int n) { return n; })),
                            otherwise(step("odd", [](int n) { return -n; }))));
}

int expected(int n) {
  const int sum = n + 1 + n * 2 + n * 2;
  return sum % 2 == 0 ? sum : -sum;
}

}  // namespace

TEST_CASE("hundreds of runs on real threads give each its answer and leave nothing behind") {
  testkit::kit k({.threaded = true, .patience = 20s});
  odeon::workflow w = busy(k.system());
  CHECK(w.run(0, k.system()).get() == expected(0));
  std::vector<future<int>> all;
  for (int i = 0; i < 400; ++i) all.push_back(w.run(i, k.system()));
  for (int i = 0; i < 400; ++i) CHECK(all[static_cast<std::size_t>(i)].get() == expected(i));
  k.eventually([&] { return k.system().snapshot().actors == 1; }, "only the shared actor is left");
}

TEST_CASE("runs that are given up at any moment end, and so do their steps") {
  testkit::kit k({.threaded = true, .patience = 20s});
  odeon::workflow w = busy(k.system()) >> step("long", [](int n) -> task<int> {
                        co_await sleep(10min);
                        co_return n;
                      });
  std::vector<future<int>> all;
  for (int i = 0; i < 300; ++i) {
    all.push_back(w.run(i, k.system()));
    if (i % 3 == 0) all.back().cancel();
    if (i % 7 == 0) all[static_cast<std::size_t>(i / 2)].cancel();
  }
  for (int i = 0; i < 20; ++i) {
    auto r = w.run(i, k.system()).within(std::chrono::milliseconds(1 + i)).result();
    REQUIRE_FALSE(r);
    // The run is told to stop a moment before its asker is: its own answer may come first.
    CHECK((r.error() == errc::ask_timeout || r.error() == errc::cancelled));
  }
  all.clear();
  k.eventually([&] { return k.system().snapshot().actors == 1; }, "only the shared actor is left");
}

TEST_CASE("durable runs share one journal, and given up at any moment they end as they should") {
  std::string folder = (std::filesystem::temp_directory_path() / "odeon-flows-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  {
    const auto rt = make_threaded_runtime();
    sqlite_journal_options options;
    options.path = folder + "/journal.db";
    auto opened = open_sqlite_journal(*rt, options);
    REQUIRE(opened.has_value());
    actor_system system{"flows", {.runtime = rt.get()}};
    persistence::install(system, std::move(*opened));
    odeon::workflow w = busy(system);
    std::vector<future<int>> all;
    for (int i = 0; i < 60; ++i) {
      all.push_back(w.durable("run-" + std::to_string(i)).run(i, system));
      if (i % 4 == 0) all.back().cancel();
    }
    for (int i = 0; i < 60; ++i)
      if (i % 4 != 0) CHECK(all[static_cast<std::size_t>(i)].get() == expected(i));
    // The given-up ones: as soon as their id is free again they go on.
    for (int i = 0; i < 60; i += 4) {
      for (;;) {
        auto r = w.durable("run-" + std::to_string(i)).run(i, system).result();
        if (!r && r.error() == errc::name_taken) continue;
        REQUIRE_MESSAGE(r.has_value(), (r ? "" : r.error().to_string()));
        CHECK(*r == expected(i));
        break;
      }
    }
  }
  std::filesystem::remove_all(folder);
}

TEST_CASE("a state on a file loses no update of steps that hold its lock, or try again") {
  std::string folder = (std::filesystem::temp_directory_path() / "odeon-state-XXXXXX").string();
  REQUIRE(::mkdtemp(folder.data()) != nullptr);
  {
    testkit::kit k({.threaded = true, .patience = 20s});
    auto store = open_sqlite_state(k.get_runtime(), folder + "/state.db");
    REQUIRE(store.has_value());
    const auto locked = step("locked", [](int n, step_context ctx) -> task<int> {
      auto held = co_await ctx.state().lock("sum");
      auto t = ctx.state().begin();
      t.put("locked", t.get<int>("locked").value_or(0) + n);
      co_await t.commit();
      co_return n;
    });
    const auto retried = step("retried", [](int n, step_context ctx) -> task<int> {
      for (;;) {
        auto t = ctx.state().begin();
        t.put("retried", t.get<int>("retried").value_or(0) + n);
        auto r = co_await t.commit().as_result();
        if (r) co_return n;
        if (!(r.error() == errc::version_conflict)) throw actor_error(r.error());
      }
    });
    odeon::workflow w = fan_out(locked, retried) >> step("sum", [](int a, int b) { return a + b; });
    std::vector<future<int>> all;
    for (int i = 1; i <= 60; ++i) all.push_back(w.run(i, k.system(), {.state = *store}));
    for (auto& f : all) static_cast<void>(f.get());
    CHECK((*store)->get<int>("locked") == 60 * 61 / 2);
    CHECK((*store)->get<int>("retried") == 60 * 61 / 2);
  }
  std::filesystem::remove_all(folder);
}
