#include "sqlite_support.test.hpp"
#include <odeon/pattern/cron.hpp>
#include <odeon/persistence/durable_timers.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/install.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/persistence/receivers.hpp>
#include <odeon/persistence/sqlite_journal.hpp>
#include <odeon/runtime/serial_executor.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace odeon {
namespace {

using namespace std::chrono_literals;

struct ring {
  static constexpr auto manifest = "test.ring";
  int number = 0;
};

/// What a bell has heard, and what it is to do.
struct heard {
  std::vector<int> rings;
  int failures = 0;  // so many rings fail
  std::size_t most_at_once = 0;
};

class bell : public actor<ring> {
 public:
  bell(std::shared_ptr<heard> h, std::shared_ptr<durable_timers> t) : heard_(h), timers_(t) {}
  void on(const ring& r) {
    if (timers_) heard_->most_at_once = std::max(heard_->most_at_once, timers_->stats().under_way);
    heard_->rings.push_back(r.number);
    if (heard_->failures > 0) {
      --heard_->failures;
      throw std::runtime_error("the bell is cracked");
    }
  }

 private:
  std::shared_ptr<heard> heard_;
  std::shared_ptr<durable_timers> timers_;
};

/// A runtime whose wall clock may jump.
class jumping_runtime final : public runtime {
 public:
  simulated_runtime real;
  duration jump{0};

  time_point now(clock_domain d) const noexcept override { return real.now(d); }
  wall_time wall_now() const noexcept override { return real.wall_now() + jump; }
  void random(std::span<std::byte> out) noexcept override { real.random(out); }
  timer_queue& timers(clock_domain d) noexcept override { return real.timers(d); }
  std::unique_ptr<executor> make_executor(executor_options o) override {
    return real.make_executor(std::move(o));
  }
  std::unique_ptr<serial_executor> make_serial(std::string n) override {
    return real.make_serial(std::move(n));
  }
  bool wait(const std::atomic<std::uint32_t>& word, std::uint32_t value,
            time_point deadline) override {
    return real.wait(word, value, deadline);
  }
  void wake(const std::atomic<std::uint32_t>& word) noexcept override { real.wake(word); }
  bool is_simulated() const noexcept override { return true; }
};

/// A simulated system on a store that outlives it.
struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  jumping_runtime rt;
  std::shared_ptr<heard> h = std::make_shared<heard>();
  std::unique_ptr<actor_system> system;
  std::shared_ptr<durable_timers> timers;
  durable_timers_options options;

  explicit world(durable_timers_options o = {}) : options(o) { restart(); }
  ~world() { end(); }
  void end() {
    timers.reset();
    system.reset();
  }
  void restart() {
    end();
    system = std::make_unique<actor_system>("timers", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store));
    timers = std::make_shared<durable_timers>(persistence::start_timers(*system, options));
  }
  actor_ref<ring> hang(const std::string& name = "bell") {
    auto ref = system->spawn<bell>({.supervision = {.otherwise = directive::resume}}, h, timers);
    persistence::receive(*system, name, ref);
    return ref;
  }
  void set(const durable_timer& t, const std::string& owner = "bell") {
    timers->set(owner, t).get();
  }
  /// All timers that the store has, of any owner.
  std::size_t stored() { return timers->list().get().size(); }
  std::vector<int> after(duration d) {
    rt.real.advance(d);
    return std::exchange(h->rings, {});
  }
  using rings = std::vector<int>;
};
using rings = std::vector<int>;

TEST_CASE("a durable timer comes when it is due, once, and is gone then") {
  world w;
  w.hang();
  w.set(durable_timer::after("a", 10s, ring{1}));
  w.set(durable_timer::at("b", w.rt.wall_now() + 5s, ring{2}));
  w.set(durable_timer::at("c", w.rt.wall_now() - 5s, ring{3}));
  CHECK(w.after(1s) == rings{3});
  CHECK(w.after(3900ms).empty());
  CHECK(w.after(101ms) == rings{2});
  CHECK(w.after(4998ms).empty());
  CHECK(w.stored() == 1);
  CHECK(w.after(2ms) == rings{1});
  CHECK(w.stored() == 0);
  CHECK(w.after(10min).empty());
  CHECK(w.timers->stats().fired == 3);
  CHECK(w.timers->stats().under_way == 0);
}

TEST_CASE("timers are listed, replaced, edited and cancelled, for every owner") {
  world w;
  w.hang();
  w.set(durable_timer::after("a", 10s, ring{1}));
  w.set(durable_timer::after("b", 20s, ring{2}));
  w.set(durable_timer::after("x", 15s, ring{9}), "nobody");
  auto of = w.timers->of("bell").get();
  REQUIRE(of.size() == 2);
  CHECK(of[0].id() == "a");
  CHECK(of[1].id() == "b");
  CHECK(of[0].manifest() == "test.ring");
  auto page = w.timers->list({}, 2).get();
  REQUIRE(page.size() == 2);
  CHECK(page[1].persistence_id == "nobody");

  CHECK(w.timers->edit("bell", durable_timer::after("b", 5s, ring{3})).get());
  CHECK_FALSE(w.timers->edit("bell", durable_timer::after("c", 5s, ring{3})).get());
  CHECK(w.timers->cancel("bell", "a").get());
  CHECK_FALSE(w.timers->cancel("bell", "a").get());
  CHECK(w.after(30s) == rings{3});
  w.set(durable_timer::after("x", 1h, ring{9}), "nobody");  // the same id: replaced
  CHECK(w.timers->of("nobody").get().size() == 1);
  auto bad = w.timers->set("bell", durable_timer::after("", 1s, ring{})).result();
  REQUIRE_FALSE(bad);
  CHECK(bad.error().code() == errc::invalid_argument);
}

TEST_CASE("a timer repeats by interval and by cron until it is cancelled") {
  world w;
  w.hang();
  w.set(durable_timer::every("i", 10s, ring{1}));
  w.set(durable_timer::on("c", *cron::parse("*/20 * * * * *"), ring{2}));  // the clock is at :00
  CHECK(w.after(39s) == rings{1, 2, 1, 1});                                // at 20 s by the ids
  CHECK(w.stored() == 2);
  CHECK(w.timers->cancel("bell", "i").get());
  CHECK(w.after(40s) == rings{2, 2});
}

TEST_CASE("a handler that fails gets its timer again, later each time, and it stays stored") {
  world w({.min_backoff = 1s, .max_backoff = 4s});
  w.hang();
  std::vector<durable_timer_failed> failures;
  auto listening = w.system->events().on<durable_timer_failed>(
      [&](const durable_timer_failed& f) { failures.push_back(f); });
  w.h->failures = 4;
  w.set(durable_timer::after("a", 1s, ring{1}));
  w.set(durable_timer::after("b", 1500ms, ring{2}));
  CHECK(w.after(1100ms) == rings{1});
  CHECK(w.stored() == 2);
  w.h->failures = 0;
  CHECK(w.after(500ms) == rings{2});  // one that fails does not hold up another one
  w.h->failures = 3;
  CHECK(w.after(500ms) == rings{1});  // 1 s after the first
  CHECK(w.after(2s) == rings{1});
  CHECK(w.after(3800ms).empty());
  CHECK(w.after(300ms) == rings{1});
  CHECK(w.stored() == 1);
  CHECK(w.after(4100ms) == rings{1});
  CHECK(w.stored() == 0);
  REQUIRE(failures.size() == 4);
  CHECK(failures[3].attempts == 4);
  CHECK(failures[3].owner == "bell");
  CHECK(failures[3].why.text().find("cracked") != std::string_view::npos);
}

TEST_CASE("what is for nobody waits without holding up others, and comes when its owner appears") {
  world w;
  w.hang();
  for (int i = 0; i < 50; ++i)
    w.set(durable_timer::after("a" + std::to_string(i), 1s + i * 1ms, ring{i}), "late");
  w.set(durable_timer::after("b", 2s, ring{100}));
  CHECK(w.after(10s) == rings{100});
  CHECK(w.stored() == 50);
  w.hang("late");
  auto got = w.after(1ms);
  CHECK(got.size() == 50);
  CHECK(std::ranges::is_sorted(got));  // in the order of their due times
  CHECK(w.stored() == 0);
}

TEST_CASE("an activator brings the owner of a due timer") {
  world w;
  int called = 0;
  persistence::receivers_of(*w.system)->activate_with("lazy-", [&](const std::string& name) {
    ++called;
    w.hang(name);
  });
  w.set(durable_timer::after("a", 1s, ring{1}), "lazy-7");
  CHECK(w.after(900ms).empty());
  CHECK(called == 0);
  CHECK(w.after(200ms) == rings{1});
  CHECK(called == 1);
  CHECK(w.stored() == 0);
}

TEST_CASE("after a restart missed timers come as each one says") {
  world w;
  w.set(durable_timer::after("single", 10s, ring{1}));
  w.set(durable_timer::after("dropped", 10s, ring{2}).missed(catch_up::skip));
  w.set(durable_timer::every("once", 1min, ring{3}));
  w.set(durable_timer::every("all", 1min, ring{4}).missed(catch_up::all, 3));
  w.set(durable_timer::every("skip", 1min, ring{5}).missed(catch_up::skip));
  w.set(durable_timer::after("later", 1h, ring{6}));
  w.end();
  w.rt.real.advance(5min + 30s);
  w.restart();
  w.hang();
  auto got = w.after(1ms);
  std::ranges::sort(got);
  CHECK(got == rings{1, 3, 4, 4, 4});
  CHECK(w.timers->stats().skipped == 2);
  CHECK(w.stored() == 4);
  got = w.after(30s);  // the rate is as before
  std::ranges::sort(got);
  CHECK(got == rings{3, 4, 5});
}

TEST_CASE("a timer whose removal was not stored comes again") {
  world w({.min_backoff = 1s});
  w.hang();
  w.set(durable_timer::after("a", 1s, ring{1}));
  w.store->fail_next_commits(1, error(errc::store_full, "no space"));
  CHECK(w.after(1100ms) == rings{1});
  CHECK(w.stored() == 1);
  CHECK(w.after(1s) == rings{1});
  CHECK(w.stored() == 0);
}

TEST_CASE("the wall clock may jump") {
  world w({.recheck = 5s});
  w.hang();
  w.set(durable_timer::after("a", 1h, ring{1}));
  w.set(durable_timer::after("b", 2h, ring{2}));
  CHECK(w.after(1s).empty());
  w.rt.jump = 1h;  // forward: seen within `recheck`
  CHECK(w.after(5s) == rings{1});
  w.rt.jump = 0s;  // and back again
  CHECK(w.after(1h).empty());
  w.set(durable_timer::after("c", 1s, ring{3}));  // due before what had been looked at
  CHECK(w.after(2s) == rings{3});
  CHECK(w.after(1h) == rings{2});
}

TEST_CASE("many timers due at once come all, with a bounded number under way") {
  world w({.page = 16, .window = 64});
  w.hang();
  for (int i = 0; i < 1000; ++i) w.set(durable_timer::after("t" + std::to_string(i), 10s, ring{i}));
  auto got = w.after(11s);
  CHECK(got.size() == 1000);
  CHECK(w.h->most_at_once <= 64 + 16);
  CHECK(w.h->most_at_once > 16);
  std::ranges::sort(got);
  CHECK(std::ranges::adjacent_find(got) == got.end());
  CHECK(w.stored() == 0);
}

TEST_CASE("damaged timers are told of with their place, and hold up no others") {
  jumping_runtime rt;
  scratch_folder folder;
  const std::string path = folder.file("journal.db");
  auto opened = open_sqlite_journal(rt, {.path = path});
  REQUIRE(opened);
  actor_system system("timers", {.runtime = &rt});
  persistence::install(system, std::move(*opened));
  auto h = std::make_shared<heard>();
  persistence::receive(system, "bell", system.spawn<bell>(h, nullptr));
  durable_timers timers(system);
  const wall_time now = rt.wall_now();
  std::vector<int> whole;
  for (int i = 0; i < 60; ++i) {
    timers.set("bell", durable_timer::at("t" + std::to_string(i), now + i * 1s, ring{i})).get();
    if (i != 20 && i != 21 && i != 40) whole.push_back(i);
  }
  {
    raw_sqlite raw(path);
    raw.run("UPDATE timers SET payload = x'00' WHERE id IN ('t20', 't21', 't40')");
  }
  std::vector<durable_timer_failed> told;
  auto listening = system.events().on<durable_timer_failed>(
      [&](const durable_timer_failed& f) { told.push_back(f); });
  (void)persistence::start_timers(system, {.page = 16});
  rt.real.advance(90s);
  CHECK(h->rings == whole);
  REQUIRE(told.size() == 3);
  CHECK(told[2].why == errc::corrupt_record);
  CHECK(told[2].why.text().find("t40") != std::string_view::npos);
  CHECK(timers.stats().fired == 57);
}

// -- owners that keep a state --------------------------------------------------------------------

struct count_state {
  int rings = 0;
};
struct rang {
  static constexpr auto manifest = "test.rang";
  int number = 0;
};
struct how_many {
  using reply = int;
};
/// Sets a timer with an event, or cancels one.
struct plan {
  int number = 0;
  using reply = void;
};
struct forget {
  using reply = void;
};
class counter : public event_sourced<count_state, events<rang>, ring, how_many, plan, forget> {
 public:
  explicit counter(std::string id) : event_sourced(std::move(id)) {}
  effect on(ring r) {
    if (r.number == 7)  // once more, by its own decision
      return persist(rang{r.number}).then_schedule(durable_timer::after("own", 2s, ring{8}));
    return persist(rang{r.number});
  }
  effect on(plan p) {
    return persist(rang{0}).then_schedule(durable_timer::after("own", 100ms, ring{p.number}));
  }
  effect on(forget) { return none().then_cancel("own"); }
  int on(how_many) { return state().rings; }
  static void apply(count_state& s, const rang&) { ++s.rings; }
};

TEST_CASE("a durable owner's effects and the end of its timer are one commit") {
  world w;
  auto c = w.system->spawn<counter>(std::string("c-1"));
  CHECK(c.ask<how_many>().get() == 0);
  w.set(durable_timer::after("a", 1s, ring{1}), "c-1");
  w.set(durable_timer::every("b", 1s, ring{2}), "c-1");
  w.store->hold_commits();
  w.rt.real.advance(1100ms);
  CHECK(w.stored() == 2);  // handed over, and not yet committed
  CHECK(w.timers->stats().fired == 0);
  w.store->release_commits();
  w.rt.real.settle();
  CHECK(c.ask<how_many>().get() == 2);
  CHECK(w.stored() == 1);
  w.rt.real.advance(1s);
  CHECK(c.ask<how_many>().get() == 3);
}

TEST_CASE("a timer that a commit sets is heard of at once, and one that it cancels does not come") {
  world w({.recheck = 1h});
  auto c = w.system->spawn<counter>(std::string("c-1"));
  w.rt.real.advance(1s);
  c.ask<plan>(1).get();
  CHECK(w.stored() == 1);
  w.rt.real.advance(101ms);
  CHECK(c.ask<how_many>().get() == 2);
  CHECK(w.stored() == 0);
  c.ask<plan>(2).get();
  c.ask<forget>().get();
  CHECK(w.stored() == 0);
  w.rt.real.advance(1min);
  CHECK(c.ask<how_many>().get() == 3);
  c.ask<plan>(7).get();  // its handler sets it anew, which is the last word
  w.rt.real.advance(200ms);
  CHECK(c.ask<how_many>().get() == 5);
  CHECK(w.stored() == 1);
  w.rt.real.advance(2s);
  CHECK(c.ask<how_many>().get() == 6);
  CHECK(w.stored() == 0);
}

TEST_CASE("a timer whose effects were committed does not come again, though nobody was told") {
  world w({.min_backoff = 100ms});
  auto c = w.system->spawn<counter>(std::string("c-1"));
  CHECK(c.ask<how_many>().get() == 0);
  w.set(durable_timer::after("a", 1s, ring{1}), "c-1");
  w.store->hold_commits();
  w.rt.real.advance(1100ms);
  w.system->kill(c);
  w.rt.real.settle();
  CHECK(w.timers->stats().failed == 1);
  w.store->release_commits();
  c = w.system->spawn<counter>(std::string("c-1"));
  w.rt.real.advance(10s);
  CHECK(c.ask<how_many>().get() == 1);
  CHECK(w.stored() == 0);
}

TEST_CASE("a durable owner whose commit fails keeps its timer") {
  world w({.min_backoff = 1s});
  auto c = w.system->spawn<counter>(std::string("c-1"));
  CHECK(c.ask<how_many>().get() == 0);
  w.set(durable_timer::after("a", 1s, ring{1}), "c-1");
  w.store->fail_next_commits(1, error(errc::store_full, "no space"));
  w.rt.real.advance(1100ms);
  CHECK(w.stored() == 1);
  w.rt.real.advance(1100ms);
  CHECK(w.stored() == 0);
  CHECK(c.ask<how_many>().get() == 1);
}

TEST_CASE("the service starts once, and needs a journal") {
  world w;
  CHECK_THROWS_AS((void)persistence::start_timers(*w.system), actor_error);
  simulated_runtime rt;
  actor_system none("none", {.runtime = &rt});
  CHECK_THROWS_AS((void)persistence::start_timers(none), actor_error);
}

}  // namespace
}  // namespace odeon
