#include <odeon/persistence/durable_state.hpp>
#include <odeon/persistence/durable_timers.hpp>
#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/task/run.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>

namespace odeon {
namespace {

using namespace std::chrono_literals;

struct beaten {
  static constexpr auto manifest = "test.beaten";
};
struct heart_state {
  long beats = 0;
};
struct beat {
  static constexpr auto manifest = "test.beat";
};
struct start {
  using reply = long;
  bool repeats = false;
};
struct stop_beating {};
struct count {
  using reply = long;
};
struct stumble {};

/// Sets its timers with its commits.
class heart
    : public event_sourced<heart_state, events<beaten>, beat, start, stop_beating, count, stumble> {
 public:
  explicit heart(std::string id) : event_sourced(std::move(id)) {}
  effect on(const start& m) {
    auto t = m.repeats ? durable_timer::every("beat", 1s, beat{})
                       : durable_timer::after("beat", 10s, beat{});
    return schedule(std::move(t)).then_reply([](const heart_state& s) { return s.beats; });
  }
  effect on(beat) {
    if (std::exchange(stumbles_, false)) throw std::runtime_error("a missed beat");
    effect e = persist(beaten{});
    // The third beat of a single timer sets it anew under its own id.
    if (state().beats == 2)
      e = std::move(e).then_schedule(durable_timer::after("beat", 5s, beat{}));
    return e;
  }
  effect on(stop_beating) { return cancel("beat"); }
  long on(count) { return state().beats; }
  void on(stumble) { stumbles_ = true; }
  static void apply(heart_state& s, const beaten&) { ++s.beats; }

 private:
  bool stumbles_ = false;
};

struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  simulated_runtime rt;
  std::unique_ptr<actor_system> system;

  world() { restart(); }
  ~world() { system.reset(); }
  void restart() {
    system.reset();
    system = std::make_unique<actor_system>("hearts", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store));
    persistence::start_timers(*system);
  }
  heart::ref open() {
    return system->spawn<heart>({.supervision = {.otherwise = directive::resume}},
                                std::string("h"));
  }
  std::size_t timers() { return durable_timers(*system).of("h").get().size(); }
};

TEST_CASE("a timer that is set with a commit comes, and goes with the commit of its handler") {
  world w;
  auto h = w.open();
  CHECK(h.ask<start>(false).get() == 0);
  w.rt.advance(9s);
  CHECK(h.ask<count>().get() == 0);
  CHECK(w.timers() == 1);
  w.rt.advance(2s);
  CHECK(h.ask<count>().get() == 1);
  CHECK(w.timers() == 0);
}

TEST_CASE("a timer survives its actor and its system") {
  world w;
  auto h = w.open();
  CHECK(h.ask<start>(false).get() == 0);
  w.restart();
  w.rt.advance(20s);
  CHECK(w.timers() == 1);  // nobody is there for it yet
  h = w.open();
  w.rt.advance(1s);
  CHECK(h.ask<count>().get() == 1);
  CHECK(w.timers() == 0);
}

TEST_CASE("a timer whose handler fails comes again, and one whose commit fails as well") {
  world w;
  auto h = w.open();
  CHECK(h.ask<start>(false).get() == 0);
  h.tell(stumble{});
  w.rt.advance(9s);
  w.store->fail_next_commits(1, error(errc::store_full, "no room"));
  w.rt.advance(10s);
  CHECK(h.ask<count>().get() == 1);
  CHECK(w.timers() == 0);
}

TEST_CASE("a repeating timer goes on until it is cancelled") {
  world w;
  auto h = w.open();
  CHECK(h.ask<start>(true).get() == 0);
  w.rt.advance(2500ms);
  CHECK(h.ask<count>().get() == 2);
  h.tell(stop_beating{});
  w.rt.advance(10s);
  CHECK(h.ask<count>().get() == 2);
  CHECK(w.timers() == 0);
}

TEST_CASE("a handler that sets its timer anew has the last word") {
  world w;
  auto h = w.open();
  CHECK(h.ask<start>(true).get() == 0);
  w.rt.advance(3100ms);
  CHECK(h.ask<count>().get() == 3);
  w.rt.advance(4s);
  CHECK(h.ask<count>().get() == 3);  // no longer each second
  w.rt.advance(2s);
  CHECK(h.ask<count>().get() == 4);
  CHECK(w.timers() == 0);
}

TEST_CASE("a timer that was set anew while an old round was on its way stays") {
  world w;
  auto h = w.open();
  CHECK(h.ask<start>(false).get() == 0);
  persistence::delivery late;
  late.sender = "h";
  late.timer = "beat";
  late.due = w.rt.wall_now() + 10s;
  late.manifest = "test.beat";
  late.payload = wire::encode(beat{});
  w.rt.advance(1s);
  CHECK(h.ask<start>(false).get() == 0);  // another due time under the same id
  const auto how = run(w.rt, persistence::receivers_of(*w.system)->deliver("h", std::move(late)));
  REQUIRE(how.has_value());
  CHECK(h.ask<count>().get() == 1);
  CHECK(w.timers() == 1);
  w.rt.advance(11s);
  CHECK(h.ask<count>().get() == 2);
  CHECK(w.timers() == 0);
}

}  // namespace
}  // namespace odeon
