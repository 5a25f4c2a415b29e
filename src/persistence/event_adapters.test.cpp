#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace odeon {
namespace {

struct sum_state {
  long sum = 0;
};
struct raised {
  static constexpr auto manifest = "test.raised";
  long by;
};
struct lowered {
  static constexpr auto manifest = "test.lowered";
  long by;
};
struct moved {
  static constexpr auto manifest = "test.moved";
  long by;
};
struct noted {
  static constexpr auto manifest = "test.noted";
  std::string text;
};
struct burst {
  static constexpr auto manifest = "test.burst";
  std::vector<long> steps;
};

struct raise {
  using reply = long;
  long by;
};
struct get_sum {
  using reply = long;
};
struct shift {
  long by;
};
struct note {
  std::string text;
};
struct many {
  std::vector<long> steps;
};

/// As it was written once.
class old_sum : public event_sourced<sum_state, events<moved, noted, burst>, shift, note, many> {
 public:
  old_sum() : event_sourced("sum") {}
  effect on(shift m) { return persist(moved{m.by}); }
  effect on(note m) { return persist(noted{m.text}); }
  effect on(many m) { return persist(burst{m.steps}); }
  static void apply(sum_state& s, const moved& e) { s.sum += e.by; }
  static void apply(sum_state&, const noted&) {}
  static void apply(sum_state& s, const burst& e) {
    for (const long n : e.steps) s.sum += n;
  }
};

struct rate {
  using reply = long;
};
class rates : public actor<rate> {
 public:
  long on(rate) { return 3; }
};

/// As it is now.
class new_sum : public event_sourced<sum_state, events<raised, lowered>, raise, get_sum> {
 public:
  using old_events = events<moved, noted, burst>;
  explicit new_sum(rates::ref r) : event_sourced("sum", {.tags = {"all"}}), rates_(std::move(r)) {}

  static event_type adapt(const moved& old) {
    if (old.by < 0) return lowered{-old.by};
    return raised{old.by};
  }
  static std::optional<raised> adapt(const noted&) { return std::nullopt; }
  static std::vector<event_type> adapt(const burst& old) {
    std::vector<event_type> all;
    for (const long n : old.steps) all.push_back(adapt(moved{n}));
    return all;
  }
  static std::vector<std::string> tags_of(const raised& e) {
    return e.by > 10 ? std::vector<std::string>{"large"} : std::vector<std::string>{};
  }

  /// Asks before it decides.
  task<effect> on(raise m) {
    const long r = co_await rates_.ask<rate>();
    if (m.by < 0) co_return reply(error(errc::refused, "not up"));
    if (m.by == 0) throw std::runtime_error("nothing to do");
    co_return persist(raised{m.by * r}).then_reply([](const sum_state& s) { return s.sum; });
  }
  long on(get_sum) { return state().sum; }
  static void apply(sum_state& s, const raised& e) { s.sum += e.by; }
  static void apply(sum_state& s, const lowered& e) { s.sum -= e.by; }

 private:
  rates::ref rates_;
};

struct world {
  simulated_runtime rt;
  actor_system system{"sums", {.runtime = &rt}};
  world() { persistence::install(system, make_memory_journal(rt)); }
  new_sum::ref open() {
    return system.spawn<new_sum>({.supervision = {.otherwise = directive::restart}},
                                 system.spawn<rates>());
  }
};

TEST_CASE("events of old types come to the state through their adapters") {
  world w;
  auto old = w.system.spawn<old_sum>();
  old.tell(shift{5});
  old.tell(note{"halfway"});
  old.tell(shift{-2});
  old.tell(many{{10, -1, 1}});
  w.rt.settle();
  w.system.stop(old);
  w.rt.settle();
  auto now = w.open();
  CHECK(now.ask<get_sum>().get() == 13);
  CHECK(now.ask<raise>(1L).get() == 16);
}

TEST_CASE("a handler that waits before it returns its effect sees no other message meanwhile") {
  world w;
  auto s = w.open();
  auto first = s.ask<raise>(1L);
  auto then = s.ask<get_sum>();
  CHECK(std::move(then).get() == 3);
  CHECK(std::move(first).get() == 3);
  const auto refused = s.try_ask<raise>(-1L).get();
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error() == errc::refused);
  const auto failed = s.try_ask<raise>(0L).get();
  REQUIRE_FALSE(failed.has_value());
  CHECK(failed.error() == errc::handler_failed);
  CHECK(s.ask<get_sum>().get() == 3);  // restarted, and recovered
}

TEST_CASE("an event is tagged with what its class says of it, beside the actor's tags") {
  world w;
  auto s = w.open();
  static_cast<void>(s.ask<raise>(1L).get());
  static_cast<void>(s.ask<raise>(100L).get());
  auto journal = persistence::installed(w.system);
  const auto tagged = [&](const char* tag) {
    return wait_for<std::vector<stored_event>>(
               w.rt, [&](auto done) { journal->by_tag(tag, 0, 10, std::move(done)); })
        ->size();
  };
  CHECK(tagged("all") == 2);
  CHECK(tagged("large") == 1);
}

}  // namespace
}  // namespace odeon
