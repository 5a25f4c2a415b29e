// The end of a system, in phases and with a report.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct get {
  using reply = int;
};
struct wait {
  using reply = int;
};
struct spawn_child {
  using reply = any_ref;
  std::string name;
};

class ending : public actor<get, wait, spawn_child> {
 public:
  ending(journal j, std::string name, duration takes = {})
      : journal_(std::move(j)),
        name_(std::move(name)),
        takes_(takes) {}
  int on(get) { return 1; }
  task<int> on(wait) {
    co_await sleep(100h);
    co_return 1;
  }
  any_ref on(spawn_child m) {
    return ctx().spawn<ending>({.name = m.name}, journal_, m.name, takes_);
  }
  task<void> post_stop() {
    if (takes_ > duration::zero()) co_await sleep(takes_);
    journal_->push_back(name_);
  }

 private:
  journal journal_;
  std::string name_;
  duration takes_;
};

using phase = actor_system::phase;

}  // namespace

TEST_CASE("a shutdown runs the work before, ends the actors, then runs the work after, in order") {
  testkit::kit k;
  auto j = new_journal();
  auto& s = k.system();
  auto add = [&](phase when, std::string name) {
    s.on_shutdown(when, name, [j, name] { j->push_back(name); });
  };
  add(phase::after_actors, "after1");
  add(phase::before_actors, "before1");
  add(phase::before_actors, "before2");
  add(phase::after_actors, "after2");
  auto a = s.spawn<ending>({.name = "a"}, j, "a");
  a.ask<spawn_child>("b").get();
  const auto report = s.terminate_and_wait(10s);
  CHECK(report.complete);
  CHECK(all_of(j) == "before1 before2 b a after1 after2");
  std::string phases;
  for (const auto& p : report.phases) phases += p.name + " ";
  CHECK(phases == "before1 before2 actors after1 after2 ");
  CHECK(report.held_up_by.empty());
  CHECK(a.is_terminated());
}

TEST_CASE("a report says how long each phase took") {
  testkit::kit k;
  auto a = k.system().spawn<ending>(new_journal(), "a", 3s);
  const auto report = k.system().terminate_and_wait(10s);
  CHECK(report.complete);
  CHECK(report.took == 3s);
  REQUIRE(report.phases.size() == 1);
  CHECK(report.phases[0].took == 3s);
  CHECK(contains(report.to_string(), "stopped in 3 s"));
}

TEST_CASE("a report past its limit names who holds the shutdown up, and why") {
  testkit::kit k;
  auto a = k.system().spawn<ending>({.name = "a"}, new_journal(), "a");
  auto b = a.ask<spawn_child>("b").get().as<ending>();
  auto other = k.system().spawn<ending>({.name = "other"}, new_journal(), "other");
  b.tell<wait>();
  k.settle();
  const auto before = k.now();
  const auto report = k.system().terminate_and_wait(2s);
  CHECK(k.now() - before == 2s);
  CHECK(!report.complete);
  CHECK(report.took == 2s);
  REQUIRE(report.held_up_by.size() == 1);
  CHECK(report.held_up_by[0].path == "/user/a/b");
  CHECK(contains(report.held_up_by[0].why,
                 "its handler of (anonymous namespace)::wait is suspended"));
  CHECK(contains(report.to_string(), "not stopped after 2 s"));
  CHECK(contains(report.to_string(), "held up by /user/a/b"));
  CHECK(other.is_terminated());
  k.system().kill(b);
  CHECK(k.system().terminate_and_wait(2s).complete);
}

TEST_CASE("a system that is destroyed ends a handler that hangs, by force") {
  auto j = new_journal();
  future<int> asked;
  {
    testkit::kit k({.system = {.shutdown_limit = 1s}});
    auto a = k.system().spawn<ending>(j, "a");
    asked = a.ask<wait>().within(50h);
    k.settle();
  }
  CHECK(!asked.result());
  CHECK(all_of(j) == "a");
}

TEST_CASE("terminate is idempotent, and its end may be awaited many times") {
  testkit::kit k;
  auto j = new_journal();
  k.system().spawn<ending>(j, "a");
  auto first = k.system().when_terminated();
  auto second = k.system().when_terminated();
  CHECK(!k.system().is_terminating());
  k.system().terminate();
  k.system().terminate();
  CHECK(k.system().is_terminating());
  CHECK(first.get().complete);
  CHECK(second.get().complete);
  CHECK(k.system().when_terminated().get().complete);
  k.system().terminate();
  CHECK(k.system().terminate_and_wait(1s).complete);
  CHECK(all_of(j) == "a");
}

TEST_CASE("spawning is refused once a system is terminating") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<ending>(j, "a", 1s);
  k.system().terminate();
  CHECK(thrown_by([&] { k.system().spawn<ending>(j, "late"); }) == errc::system_stopped);
  const auto r = a.ask<spawn_child>("late").result();
  CHECK(!r);
  CHECK(k.system().terminate_and_wait(10s).complete);
  CHECK(thrown_by([&] { k.system().spawn<ending>(j, "late"); }) == errc::system_stopped);
  CHECK(all_of(j) == "a");
}

TEST_CASE("shutdown work that throws keeps nothing from going on") {
  testkit::kit k;
  auto j = new_journal();
  auto& s = k.system();
  s.on_shutdown(phase::before_actors, "bad", [] { throw std::runtime_error("no"); });
  s.on_shutdown(phase::before_actors, "worse", [] { throw 1; });
  s.on_shutdown(phase::before_actors, "good", [j] { j->push_back("good"); });
  s.spawn<ending>(j, "a");
  const auto report = s.terminate_and_wait(1s);
  CHECK(report.complete);
  CHECK(report.phases.size() == 4);
  CHECK(all_of(j) == "good a");
}

TEST_CASE("shutdown work may still use the actors") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<ending>(j, "a");
  k.system().on_shutdown(phase::before_actors, "drain",
                         [&] { j->push_back("got " + std::to_string(a.ask<get>().get())); });
  CHECK(k.system().terminate_and_wait(1s).complete);
  CHECK(all_of(j) == "got 1 a");
}

TEST_CASE("a system cannot be waited for by its own actors, but may be terminated by one") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(
      0, [](int&, get, context& c) { return c.system().terminate_and_wait(1s).complete ? 1 : 0; },
      [](int&, wait, context& c) {
        c.system().terminate();
        return 5;
      }));
  const auto e = a.ask<get>().result().error();
  CHECK(contains(e.text(), "would_block"));
  CHECK(a.ask<wait>().get() == 5);
  CHECK(k.system().when_terminated().get().complete);
}

TEST_CASE("what waits in mailboxes at the end fails its askers") {
  future<int> waiting;
  {
    testkit::kit k({.system = {.shutdown_limit = 100ms}});
    auto a = k.system().spawn<ending>(new_journal(), "a");
    a.tell<wait>();
    waiting = a.ask<get>();
    k.settle();
  }
  CHECK(waiting.result().error() == errc::actor_stopped);
}

TEST_CASE("a system without actors ends at once") {
  testkit::kit k;
  const auto before = k.now();
  CHECK(k.system().terminate_and_wait(1s).complete);
  CHECK(k.now() == before);
}
