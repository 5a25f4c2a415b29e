#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/task/run.hpp>
#include <odeon/workflow/workflow.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::workflows;
using namespace std::chrono_literals;

namespace {

using strings = std::vector<std::string>;

/// A simulated system on a store that outlives it: `restart` is what a crash leaves behind.
struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  simulated_runtime rt;
  std::unique_ptr<actor_system> system;
  strings did;

  world() { restart(); }
  ~world() { system.reset(); }
  void restart() {
    system.reset();
    system = std::make_unique<actor_system>("flows", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store));
  }
  auto note(const std::string& name) {
    return step(name, [this, name](int n) {
      did.push_back(name);
      return n + 1;
    });
  }
  /// Fails for good while `broken`.
  bool broken = true;
  auto gate() {
    return step("gate", [this](int n) -> task<int> {
      did.push_back("gate");
      if (broken) co_await sleep(24h * 365);
      co_return n * 10;
    });
  }
  /// Starts a run, lets it get as far as it can, and lets the system crash.
  template <class W>
  void run_until_crash(const W& w, const std::string& id, int in) {
    auto f = w.durable(id).run(in, *system);
    rt.settle();
    CHECK_FALSE(f.is_ready());
    f.cancel();
    restart();
  }
};

struct no_codec_value {
  void* p = nullptr;
};

std::string text(const result<int>& r) {
  REQUIRE_FALSE(r);
  return std::string(r.error().text());
}

}  // namespace

TEST_CASE("a durable run goes on behind the last recorded step") {
  world w;
  odeon::workflow f = w.note("a") >> w.note("b") >> w.gate() >> w.note("c");
  w.run_until_crash(f, "order-1", 1);
  CHECK(w.did == strings{"a", "b", "gate"});
  w.broken = false;
  // The recorded input counts, not this one.
  CHECK(f.durable("order-1").run(999, *w.system).get() == 31);
  CHECK(w.did == strings{"a", "b", "gate", "gate", "c"});
}

TEST_CASE("a run that has ended gives its recorded answer, and its recorded error") {
  world w;
  odeon::workflow f = w.note("a") >> step("bad", [](int n) -> result<int> {
                        if (n > 5) return fail(errc::refused, "too much");
                        return n;
                      });
  CHECK(f.durable("good").run(1, *w.system).get() == 2);
  CHECK(text(f.durable("wrong").run(7, *w.system).result()) == "the step 'bad' failed: too much");
  CHECK(w.did.size() == 2);
  w.restart();
  CHECK(f.durable("good").run(1, *w.system).get() == 2);
  auto again = f.durable("wrong").run(7, *w.system).result();
  CHECK(text(again) == "the step 'bad' failed: too much");
  CHECK(again.error() == errc::refused);
  CHECK(w.did.size() == 2);
}

TEST_CASE("two runs of one id at once are refused, and one after the other are not") {
  world w;
  odeon::workflow f = w.note("a") >> w.gate();
  auto first = f.durable("x").run(1, *w.system);
  w.rt.settle();
  auto second = f.durable("x").run(1, *w.system).result();
  CHECK(text(second) == "the run 'x' is under way already");
  CHECK(second.error() == errc::name_taken);
  first.cancel();
  w.rt.settle();
  w.broken = false;
  CHECK(f.durable("x").run(1, *w.system).get() == 20);
  CHECK(w.did == strings{"a", "gate", "gate"});
}

TEST_CASE("a run whose id another program took over ends as fenced") {
  world w;
  auto j = persistence::installed(*w.system);
  odeon::workflow f = w.note("a") >> delayed(1h, w.note("b"));
  auto run = f.durable("x").run(1, *w.system);
  w.rt.settle();
  REQUIRE(wait_for<std::uint64_t>(w.rt, [&](auto done) { j->open_writer("workflow:x", done); }));
  w.rt.advance(2h);
  auto r = run.result();
  CHECK(text(r).find("could not be recorded") != std::string::npos);
  CHECK(r.error() == errc::fenced);
}

TEST_CASE("what a step gave is recorded before the next one starts") {
  world w;
  odeon::workflow f = w.note("a") >> w.note("b");
  auto begin = f.durable("x").run(1, *w.system);
  CHECK(begin.get() == 3);
  w.store->hold_commits();
  auto run = f.durable("y").run(1, *w.system);
  w.rt.settle();
  CHECK(w.did == strings{"a", "b"});  // not even the start is recorded
  w.store->release_commits();
  CHECK(run.get() == 3);
  // A journal that refuses ends the run; it can be taken up again.
  w.did.clear();
  odeon::workflow g = w.note("a") >>
                      step("then",
                           [&](int n) {
                             w.store->fail_next_commits(1, error(errc::store_full, "no space"));
                             return n;
                           }) >>
                      w.note("c");
  auto r = g.durable("z").run(1, *w.system).result();
  CHECK(text(r).find("no space") != std::string::npos);
  CHECK(r.error() == errc::store_full);
  CHECK(w.did == strings{"a"});
  odeon::workflow again = w.note("a") >> step("then", [](int n) { return n; }) >> w.note("c");
  CHECK(again.durable("z").run(1, *w.system).get() == 3);
  CHECK(w.did == strings{"a", "c"});
}

TEST_CASE("the time of a delay goes on while the program is down") {
  world w;
  odeon::workflow f = w.note("a") >> delayed(10h, w.note("b"));
  w.run_until_crash(f, "x", 1);
  w.rt.advance(9h);
  auto run = f.durable("x").run(1, *w.system);
  w.rt.advance(30min);
  CHECK(w.did == strings{"a"});
  w.rt.advance(31min);
  CHECK(w.did == strings{"a", "b"});
  CHECK(run.get() == 3);
}

TEST_CASE("attempts and their pauses are counted across a restart") {
  world w;
  int calls = 0;
  odeon::workflow f = step("flaky",
                           [&](int, step_context ctx) -> result<int> {
                             ++calls;
                             CHECK(ctx.attempt() == static_cast<unsigned>(calls));
                             CHECK(ctx.key() == "x/flaky/1");
                             return fail(errc::io_failed, "line");
                           },
                           {.retry = {.attempts = 3, .min = 1h, .max = 1h}});
  w.run_until_crash(f, "x", 1);
  CHECK(calls == 1);
  auto run = f.durable("x").run(1, *w.system);
  w.rt.advance(59min);
  CHECK(calls == 1);
  CHECK(text(run.result()) == "the step 'flaky' failed after 3 attempts: line");
  CHECK(calls == 3);
}

TEST_CASE("fan-outs and joins resume with what their branches had given") {
  world w;
  odeon::workflow f =
      w.note("start") >>
      fan_out(w.note("a"), w.gate(), when([](int n) { return n > 100; }, w.note("c"))) >>
      step("sum", [](int a, int b, std::optional<int> c) { return a * 1000 + b + c.value_or(0); });
  w.run_until_crash(f, "x", 1);
  w.run_until_crash(f, "x", 1);
  w.broken = false;
  CHECK(f.durable("x").run(1, *w.system).get() == 3020);
  CHECK(w.did == strings{"start", "a", "gate", "gate", "gate"});
}

TEST_CASE("a cycle's visits are counted across a restart") {
  world w;
  odeon::workflow<int, int> f("loop");
  int visits = 0;
  auto grow = f.add(step("grow",
                         [&](int n) -> task<int> {
                           if (++visits == 3) co_await sleep(24h * 365);
                           co_return n + 1;
                         },
                         {.max_visits = 4}));
  f.start(grow).end(grow).edge(grow, grow, {.when = [](int n) { return n < 100; }});
  w.run_until_crash(f, "x", 0);
  auto r = f.durable("x").run(0, *w.system).result();
  CHECK(text(r).find("'grow' would run more than 4 times") != std::string::npos);
  CHECK(visits == 5);  // the third one twice
}

TEST_CASE("compensations are recorded: a crash in the middle goes on with those that are left") {
  world w;
  const auto book = [&](const std::string& name) {
    return w.note(name).compensated_by([&w, name](int out) -> task<void> {
      w.did.push_back("undo " + name + " " + std::to_string(out));
      if (name == "b" && w.broken) co_await sleep(24h * 365);
    });
  };
  odeon::workflow f = book("a") >> book("b") >> book("c") >> step("bad", [&](int) -> result<int> {
                        w.did.push_back("bad");
                        return fail(errc::refused, "no");
                      });
  w.run_until_crash(f, "x", 1);
  CHECK(w.did == strings{"a", "b", "c", "bad", "undo c 4", "undo b 3"});
  w.did.clear();
  w.broken = false;
  CHECK(text(f.durable("x").run(1, *w.system).result()) == "the step 'bad' failed: no");
  CHECK(w.did == strings{"undo b 3", "undo a 2"});
  w.did.clear();
  CHECK(text(f.durable("x").run(1, *w.system).result()) == "the step 'bad' failed: no");
  CHECK(w.did.empty());
}

TEST_CASE("changed code does not go on with an old run, and the step that differs is named") {
  world w;
  odeon::workflow f = w.note("a") >> w.gate() >> w.note("c");
  w.run_until_crash(f, "x", 1);
  w.did.clear();
  const auto refused = [&](const odeon::workflow<int, int>& g) {
    auto r = g.durable("x").run(1, *w.system).result();
    CHECK(w.did.empty());
    const std::string out = text(r);
    CHECK(r.error() == errc::version_conflict);
    return out;
  };
  const auto has = [](const std::string& all, const std::string& part) {
    CHECK_MESSAGE(all.find(part) != std::string::npos, all);
  };
  has(refused(w.note("a") >> w.gate()), "the step 'c' is not there any more");
  has(refused(w.note("a") >> w.note("new") >> w.gate() >> w.note("c")),
      "the edge 'a -> gate' is not there any more");
  has(refused(w.note("a") >> w.gate() >> step("c", [](int n) { return n; }, {.version = 2})),
      "the step 'c' was 'takes int v1, gives int v1, version 1' and is now 'takes int v1, "
      "gives int v1, version 2'");
  has(refused(w.note("a") >> w.gate() >> step("c", [](int n) { return std::to_string(n); }) >>
              step("d", [](const std::string& s) { return static_cast<int>(s.size()); })),
      "the step 'c' was 'takes int v1, gives int v1");
  odeon::workflow named = f;
  named.named("other");
  has(refused(named), "it was recorded by the workflow 'workflow', and this is 'other'");
  odeon::workflow two = w.note("a") >> w.gate() >> w.note("c");
  two.version(2);
  has(refused(two),
      "it was begun by version 1 of the workflow, and version 2 does not say that it "
      "is compatible");
}

TEST_CASE("a version that says so goes on with the runs of an older one") {
  world w;
  odeon::workflow f = w.note("a") >> w.gate() >> w.note("c");
  w.run_until_crash(f, "x", 1);
  w.run_until_crash(f, "y", 1);
  w.broken = false;
  odeon::workflow two = w.note("a") >> w.gate() >> w.note("c") >> w.note("d");
  two.version(2, {1});
  CHECK(two.durable("x").run(1, *w.system).get() == 22);
  CHECK(w.did.back() == "d");
  // What the record needs must be there.
  odeon::workflow three = w.note("b") >> w.gate() >> w.note("c");
  three.version(3, {1, 2});
  CHECK(text(three.durable("y").run(1, *w.system).result()).find("is not there any more") !=
        std::string::npos);
}

TEST_CASE("what cannot be recorded is refused before anything runs") {
  world w;
  odeon::workflow f = w.note("a") >> step("p", [](int) { return no_codec_value{}; }) >>
                      step("q", [](no_codec_value) { return 1; });
  auto r = f.durable("x").run(1, *w.system).result();
  CHECK(text(r).find("the output of the step 'p'") != std::string::npos);
  CHECK(r.error() == errc::no_codec);
  CHECK(w.did.empty());
  CHECK(f.run(1, *w.system).get() == 1);
  auto nameless = odeon::workflow(w.note("a")).durable("").run(1, *w.system).result();
  CHECK(text(nameless) == "a durable run has an id of its own");
  actor_system bare{"bare", {.runtime = &w.rt}};
  CHECK(text(odeon::workflow(w.note("a")).durable("x").run(1, bare).result())
            .find("needs a journal") != std::string::npos);
}

TEST_CASE("a record that is damaged, or of something else, is refused with its place") {
  world w;
  odeon::workflow f = w.note("a") >> w.gate();
  w.run_until_crash(f, "x", 1);
  REQUIRE(w.store->damage_event("workflow:x", 2));
  auto r = f.durable("x").run(1, *w.system).result();
  CHECK(r.error() == errc::corrupt_record);
  auto j = persistence::installed(*w.system);
  auto epoch =
      wait_for<std::uint64_t>(w.rt, [&](auto done) { j->open_writer("workflow:y", done); });
  append_request other{.persistence_id = "workflow:y", .epoch = *epoch};
  other.events.push_back({.manifest = "bank.deposit"});
  REQUIRE(wait_for<append_ack>(w.rt, [&](auto done) { j->append(std::move(other), done); }));
  auto s = f.durable("y").run(1, *w.system).result();
  CHECK(s.error() == errc::wrong_type);
  CHECK(text(s).find("event 1 of 'bank.deposit' is no record of a workflow") != std::string::npos);
}

TEST_CASE("the runs that have not ended are listed in the order they began") {
  world w;
  odeon::workflow f = w.note("a") >> w.gate();
  f.named("orders");
  const auto unfinished = [&](const std::string& name) {
    return run(w.rt, unfinished_runs(w.rt, persistence::installed(*w.system), name));
  };
  CHECK(unfinished("orders").empty());
  w.run_until_crash(f, "z", 1);
  w.run_until_crash(f, "b", 1);
  w.run_until_crash(f, "m", 1);
  CHECK(unfinished("orders") == strings{"z", "b", "m"});
  CHECK(unfinished("other").empty());
  w.broken = false;
  CHECK(f.durable("b").run({}, *w.system).get() == 20);
  CHECK(unfinished("orders") == strings{"z", "m"});
}
