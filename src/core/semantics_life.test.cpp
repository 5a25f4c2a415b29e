// Guarantees of docs/reference/semantics.md about ends and restarts that no other test holds.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct get {
  using reply = int;
};
struct item {};
struct tick {};
struct fails {};
struct waits {};
struct kill_me {
  using reply = int;
};
struct watch_it {
  any_ref what;
};
struct take_name {
  any_ref from;
};

class plain : public actor<get, item, fails, waits, kill_me> {
 public:
  int on(get) { return 1; }
  void on(item) {}
  void on(fails) { throw std::runtime_error("on request"); }
  task<void> on(waits) { co_await sleep(10h); }
  int on(kill_me) {
    ctx().kill(self());
    return 5;
  }
};

class watcher : public actor<watch_it, take_name> {
 public:
  explicit watcher(journal j) : journal_(std::move(j)) {}
  void on(watch_it m) { ctx().watch(m.what); }
  void on(take_name m) {
    takes_ = true;
    ctx().watch(m.from);
  }
  void on(terminated t) {
    if (takes_) (void)ctx().system().spawn<plain>({.name = t.ref.path().substr(6)});
    journal_->push_back("heard of " + t.ref.path());
  }

 private:
  journal journal_;
  bool takes_ = false;
};

/// Takes everything an actor can have, then fails.
class burdened : public actor<watch_it, tick, fails, get> {
 public:
  explicit burdened(journal j) : journal_(std::move(j)) {}
  void on(watch_it m) {
    ctx().watch(m.what);
    ctx().trap_exits(true);
    ctx().link(m.what);
    ctx().send_every(10ms, 10ms, tick{});
    ctx().receive_timeout(10ms);
    ctx().pipe_to_self(later(), [](result<int>) { return tick{}; });
  }
  void on(tick) { journal_->push_back("tick"); }
  void on(receive_timeout) { journal_->push_back("quiet"); }
  void on(fails) { throw std::runtime_error("on request"); }
  int on(get) { return 1; }
  void on(terminated) { journal_->push_back("terminated"); }
  void on(exit_signal) { journal_->push_back("exit"); }

 private:
  static task<int> later() {
    co_await sleep(20ms);
    co_return 1;
  }
  journal journal_;
};

actor_state state_of(actor_system& system, std::string_view path) {
  for (const auto& a : system.snapshot().list)
    if (a.path == path) return a.state;
  return actor_state::terminated;
}

}  // namespace

TEST_CASE("watchers are told of an end before what waited becomes dead letters") {
  testkit::kit k;
  auto& s = k.system();
  auto j = new_journal();
  auto w = s.spawn<watcher>({.name = "w"}, j);
  auto a = s.spawn<plain>({.name = "a"});
  w.tell<watch_it>(a);
  k.settle();
  // Called by the ending actor itself, so what it has sent its watcher by then makes that ready.
  std::vector<std::string> seen;
  auto on_letter = s.events().on<dead_letter>([&](const dead_letter& l) {
    if (l.reason != errc::actor_stopped) return;  // the one in hand was lost before the end
    seen.emplace_back(to_string(state_of(s, "/user/w")));
    CHECK(a.is_terminated());
  });
  a.tell<waits>();
  a.tell<item>();
  a.tell<item>();
  k.settle();
  CHECK(state_of(s, "/user/w") == actor_state::idle);
  s.kill(a);
  k.settle();
  CHECK(all_of(j) == "heard of /user/a");
  CHECK(seen == lines({"ready", "ready"}));
}

TEST_CASE("a watcher that hears of an end finds the name free") {
  testkit::kit k;
  auto j = new_journal();
  auto w = k.system().spawn<watcher>(j);
  auto a = k.system().spawn<plain>({.name = "a"});
  w.tell<take_name>(a);
  k.settle();
  k.system().stop(a);
  k.settle();
  CHECK(all_of(j) == "heard of /user/a");
  const any_ref next = k.system().lookup("a");
  REQUIRE(next);
  CHECK(next != a);
  CHECK(next.uid() != a.uid());
}

TEST_CASE("a kill does not cut short a handler that runs, but all that waits behind it") {
  testkit::kit k;
  auto w = k.probe<item>();
  auto a = k.system().spawn<plain>();
  w.watch(a);
  auto f = a.ask<kill_me>();
  auto behind = a.ask<get>();
  CHECK(f.get() == 5);
  CHECK(behind.result().error() == errc::actor_stopped);
  CHECK(w.expect_terminated(a).kind == exit_kind::killed);
}

TEST_CASE("a restart ends timers and work beside the mailbox, and keeps watches and links") {
  testkit::kit k;
  auto j = new_journal();
  auto other = k.system().spawn<plain>();
  auto a = k.system().spawn<burdened>(j);
  a.tell<watch_it>(other);
  a.tell<fails>();
  k.advance(1s);
  CHECK(j->empty());
  CHECK(a.ask<get>().get() == 1);
  k.system().stop(other);
  k.settle();
  std::ranges::sort(*j);
  CHECK(all_of(j) == "exit terminated");
}

TEST_CASE("a budget that is used up stops the failed actor alone, whatever its scope") {
  testkit::kit k;
  const supervision how{.scope = scope::all_for_one, .max_retries = 1};
  auto a = k.system().spawn<plain>({.supervision = how});
  auto b = k.system().spawn<plain>({.supervision = how});
  a.tell<fails>();
  a.tell<fails>();
  k.settle();
  CHECK(a.is_terminated());
  CHECK(b.ask<get>().get() == 1);
}

TEST_CASE("restarts for a sibling's sake use none of an actor's own budget") {
  testkit::kit k;
  auto a = k.system().spawn<plain>(
      {.supervision = {.scope = scope::all_for_one, .max_retries = 100, .within = 0s}});
  auto b = k.system().spawn<plain>({.supervision = {.max_retries = 1}});
  for (int i = 0; i < 5; ++i) {
    a.tell<fails>();
    k.settle();
  }
  b.tell<fails>();
  CHECK(b.ask<get>().get() == 1);
  CHECK(k.system().metrics().restarts == 11);
}
