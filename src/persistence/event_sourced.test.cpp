#include <odeon/persistence/event_sourced.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace odeon {
namespace {

struct purse_state {
  long balance = 0;
  long changes = 0;
};
struct added {
  static constexpr auto manifest = "test.added";
  long amount;
};
struct taken {
  static constexpr auto manifest = "test.taken";
  long amount;
};

struct add {
  using reply = long;
  long amount;
};
struct take {
  using reply = long;
  long amount;
};
struct move_twice {
  using reply = long;
  long amount;
};
struct balance {
  using reply = long;
};
struct recovered_at {
  using reply = std::uint64_t;
};
struct wrong {
  using reply = long;
};
struct finish {};

class purse : public event_sourced<purse_state, events<added, taken>, add, take, move_twice,
                                   balance, recovered_at, wrong, finish> {
 public:
  explicit purse(std::string id, event_sourced_options options = {})
      : event_sourced(std::move(id), std::move(options)) {}

  effect on(add m) {
    return persist(added{m.amount}).then_reply([](const purse_state& s) { return s.balance; });
  }
  effect on(take m) {
    if (m.amount > state().balance) return reply(error(errc::refused, "the purse has less"));
    return persist(taken{m.amount}).then_reply([](const purse_state& s) { return s.balance; });
  }
  effect on(move_twice m) {
    return persist_all(added{m.amount}, taken{m.amount}, added{m.amount})
        .then_reply([](const purse_state& s) { return s.balance; });
  }
  long on(balance) { return state().balance; }
  std::uint64_t on(recovered_at) { return recovered_; }
  effect on(wrong) { return persist(added{1}).then_reply(std::string("no number")); }
  effect on(finish) { return persist(added{1000}).then_stop(); }
  void recovery_completed() { recovered_ = sequence(); }

  static void apply(purse_state& s, const added& e) {
    s.balance += e.amount;
    ++s.changes;
  }
  static void apply(purse_state& s, const taken& e) {
    s.balance -= e.amount;
    ++s.changes;
  }

 private:
  std::uint64_t recovered_ = 0;
};

/// A simulated system on a store that outlives it.
struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  simulated_runtime rt;
  std::unique_ptr<actor_system> system;

  world() { restart(); }
  ~world() { system.reset(); }
  void restart() {
    system.reset();
    system = std::make_unique<actor_system>("purses", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store));
  }
  purse::ref open(event_sourced_options options = {}, supervision s = {}) {
    return system->spawn<purse>({.supervision = std::move(s)}, std::string("p-1"),
                                std::move(options));
  }
};

TEST_CASE("a reply leaves after its event is committed and applied") {
  world w;
  auto p = w.open();
  CHECK(p.ask<add>(5).get() == 5);
  CHECK(p.ask<take>(2).get() == 3);
  CHECK(p.ask<balance>().get() == 3);
}

TEST_CASE("no reply and no effect while the commit is held back") {
  world w;
  auto p = w.open();
  CHECK(p.ask<balance>().get() == 0);
  w.store->hold_commits();
  auto answer = p.ask<add>(5);
  auto after = p.ask<balance>();
  w.rt.settle();
  CHECK_FALSE(answer.is_ready());
  CHECK_FALSE(after.is_ready());  // the next command waits for the write
  w.store->release_commits();
  w.rt.settle();
  CHECK(answer.get() == 5);
  CHECK(after.get() == 5);
}

TEST_CASE("a refusal fails the ask, stores nothing, and the actor goes on") {
  world w;
  auto p = w.open();
  (void)p.ask<add>(5).get();
  auto refused = p.ask<take>(6).result();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == errc::refused);
  CHECK(refused.error().text() == "the purse has less");
  CHECK(p.ask<balance>().get() == 5);
  w.restart();
  CHECK(w.open().ask<recovered_at>().get() == 1);
}

TEST_CASE("the state comes back from the events after a restart of the system") {
  world w;
  {
    auto p = w.open();
    for (int i = 1; i <= 10; ++i) (void)p.ask<add>(i).get();
    (void)p.ask<take>(5).get();
  }
  w.restart();
  auto p = w.open();
  CHECK(p.ask<balance>().get() == 50);
  CHECK(p.ask<recovered_at>().get() == 11);
}

TEST_CASE("the state comes back from a snapshot and the events after it") {
  world w;
  {
    auto p = w.open({.snapshot_every = 4});
    for (int i = 1; i <= 10; ++i) (void)p.ask<add>(i).get();
    w.rt.settle();
  }
  w.restart();
  CHECK(w.open({.snapshot_every = 4}).ask<balance>().get() == 55);
  // The snapshots carry it: with a damaged early event the later state is still right.
  w.restart();
  REQUIRE(w.store->damage_event("p-1", 2));
  CHECK(w.open({.snapshot_every = 4}).ask<balance>().get() == 55);
}

TEST_CASE("a damaged snapshot is passed over for the events") {
  world w;
  {
    auto p = w.open({.snapshot_every = 4});
    for (int i = 1; i <= 9; ++i) (void)p.ask<add>(i).get();
    w.rt.settle();
  }
  w.restart();
  REQUIRE(w.store->damage_snapshot("p-1", 8));
  CHECK(w.open({.snapshot_every = 4}).ask<balance>().get() == 45);
}

TEST_CASE("several events of one effect are committed together") {
  world w;
  (void)w.open().ask<move_twice>(7).get();
  w.restart();
  auto p = w.open();
  CHECK(p.ask<balance>().get() == 7);
  CHECK(p.ask<recovered_at>().get() == 3);
  w.store->fail_next_commits(1, error(errc::store_full, "no space"));
  auto failed = p.ask<move_twice>(1).result();
  REQUIRE_FALSE(failed);
  w.restart();
  CHECK(w.open().ask<recovered_at>().get() == 3);
}

TEST_CASE("a failed commit tells the asker, and a restart recovers what the journal holds") {
  world w;
  auto p = w.open();
  (void)p.ask<add>(5).get();
  w.store->fail_next_commits(1, error(errc::store_full, "no space"));
  auto failed = p.ask<add>(100).result();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code() == errc::store_full);
  CHECK(p.ask<balance>().get() == 5);  // the supervisor restarted it
  CHECK(p.ask<add>(1).get() == 6);     // and space is there again
}

TEST_CASE("a damaged event stops the recovery with its place, and nothing wrong is answered") {
  world w;
  {
    auto p = w.open();
    for (int i = 1; i <= 5; ++i) (void)p.ask<add>(i).get();
  }
  w.restart();
  REQUIRE(w.store->damage_event("p-1", 3));
  std::vector<std::string> reasons;
  auto listening = w.system->events().on<actor_failed>(
      [&](const actor_failed& e) { reasons.push_back(e.why.what); });
  auto p = w.open({}, {.otherwise = directive::stop});
  auto answer = p.ask<balance>().result();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == errc::actor_stopped);
  REQUIRE(reasons.size() == 1);
  CHECK(reasons[0].find("corrupt_record") != std::string::npos);
  CHECK(reasons[0].find("p-1") != std::string::npos);
  CHECK(p.is_terminated());
}

TEST_CASE("a newer incarnation fences the older one") {
  world w;
  auto old = w.open();
  (void)old.ask<add>(5).get();
  auto young = w.system->spawn<purse>({.name = "young"}, std::string("p-1"));
  CHECK(young.ask<balance>().get() == 5);
  auto late = old.ask<add>(1).result();
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == errc::fenced);
  w.rt.settle();
  CHECK(old.is_terminated());  // it does not fight for the id
  CHECK(young.ask<add>(1).get() == 6);
}

TEST_CASE("a reply of another type than the request's is an error of the handler") {
  world w;
  auto p = w.open();
  auto r = p.ask<wrong>().result();
  REQUIRE_FALSE(r);
  CHECK(r.error().code() == errc::handler_failed);
  CHECK(r.error().text().find("then_reply") != std::string_view::npos);
}

TEST_CASE("an actor that stops after its effect has stored it") {
  world w;
  auto p = w.open();
  p.tell<finish>();
  w.rt.settle();
  CHECK(p.is_terminated());
  CHECK(w.open().ask<balance>().get() == 1000);
}

TEST_CASE("more actors than permits recover, one after the other") {
  world w;
  std::vector<purse::ref> all;
  for (std::size_t i = 0; i < 3 * recovery_permits; ++i)
    all.push_back(w.system->spawn<purse>("many-" + std::to_string(i)));
  for (auto& p : all) CHECK(p.ask<add>(1).get() == 1);
}

TEST_CASE("an actor that is killed while it recovers gives its permit back") {
  world w;
  for (std::size_t i = 0; i < 2 * recovery_permits; ++i) w.system->kill(w.open());
  w.rt.settle();
  CHECK(w.open().ask<add>(1).get() == 1);
}

TEST_CASE("an event-sourced actor without a journal says what to call") {
  simulated_runtime rt;
  actor_system system("none", {.runtime = &rt});
  try {
    (void)system.spawn<purse>(std::string("p-1"));
    FAIL("it was spawned");
  } catch (const actor_error& e) {
    CHECK(e.which() == errc::spawn_failed);
    CHECK(std::string(e.what()).find("persistence::install") != std::string::npos);
  }
}

}  // namespace
}  // namespace odeon
