// What is going on, as data.

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
struct ask_other {
  using reply = int;
};
struct keep {
  int n = 0;
};
struct fails {};
struct spawn_child {
  using reply = any_ref;
  std::string name;
};

class worker : public actor<get, wait, ask_other, keep, fails, spawn_child> {
 public:
  explicit worker(actor_ref<wait> other = {}) : other_(std::move(other)) {}
  int on(get) { return 1; }
  task<int> on(wait) {
    co_await sleep(10s);
    co_return 2;
  }
  task<int> on(ask_other) { co_return co_await other_.ask<wait>().within(20s); }
  void on(const keep&) { ctx().stash(); }
  void on(fails) { throw std::runtime_error("on request"); }
  any_ref on(spawn_child m) { return ctx().spawn<worker>({.name = m.name}); }

 private:
  actor_ref<wait> other_;
};

class slow_hooks : public actor<get> {
 public:
  task<void> pre_start() { co_await sleep(1s); }
  task<void> post_stop() { co_await sleep(1s); }
  int on(get) { throw std::runtime_error("again"); }
};

actor_snapshot of(testkit::kit& k, std::string_view path) {
  for (auto& a : k.system().snapshot().list)
    if (a.path == path) return a;
  return {.path = "not in the snapshot"};
}

}  // namespace

TEST_CASE("a snapshot lists the live actors top down, siblings in the order spawned") {
  testkit::kit k({.name = "shown"});
  auto a = k.system().spawn<worker>({.name = "a"});
  auto b = k.system().spawn<worker>({.name = "b"});
  auto c = b.ask<spawn_child>("c").get();
  auto d = k.system().spawn<worker>({.name = "d"});
  k.advance(5s);
  auto s = k.system().snapshot();
  CHECK(s.name == "shown");
  CHECK(s.actors == 4);
  CHECK(s.uptime == 5s);
  std::string order;
  for (const auto& x : s.list) order += x.path + " ";
  CHECK(order == "/user/a /user/b /user/b/c /user/d ");
  CHECK(s.list[1].children == 1);
  CHECK(s.list[0].uid == a.uid());
  CHECK(contains(s.list[0].type, "worker"));
  k.system().stop(b);
  k.settle();
  CHECK(k.system().snapshot().actors == 2);
}

TEST_CASE("a snapshot tells what each actor does, and what waits for it") {
  testkit::kit k;
  auto a = k.system().spawn<worker>({.name = "a"});
  auto b = k.system().spawn<worker>({.name = "b"}, a);
  CHECK(of(k, "/user/a").state == actor_state::idle);
  b.tell<ask_other>();
  CHECK(of(k, "/user/b").state == actor_state::ready);
  CHECK(of(k, "/user/b").mailbox_depth == 1);
  k.settle();
  a.tell<get>();
  a.tell<get>();
  const auto at_a = of(k, "/user/a");
  CHECK(at_a.state == actor_state::waiting);
  CHECK(contains(at_a.message, "wait"));
  CHECK(at_a.mailbox_depth == 2);
  CHECK(at_a.waiting_for.empty());
  const auto at_b = of(k, "/user/b");
  CHECK(at_b.state == actor_state::waiting);
  CHECK(at_b.waiting_for == "/user/a");
  CHECK(contains(at_b.message, "ask_other"));
  k.advance(10s);
  CHECK(of(k, "/user/a").state == actor_state::idle);
  CHECK(of(k, "/user/a").mailbox_depth == 0);
}

TEST_CASE("a snapshot says since when a suspended handler runs") {
  testkit::kit k;
  auto a = k.system().spawn<worker>({.name = "a"});
  a.tell<wait>();
  k.advance(3s);
  CHECK(of(k, "/user/a").running_for == 3s);
}

TEST_CASE("a snapshot counts what is stashed and how often an actor was restarted") {
  testkit::kit k;
  auto a = k.system().spawn<worker>({.name = "a"});
  for (int i = 0; i < 3; ++i) a.tell<keep>(i);
  k.settle();
  CHECK(of(k, "/user/a").stashed == 3);
  a.tell<fails>();
  a.tell<fails>();
  k.settle();
  CHECK(of(k, "/user/a").restarts == 2);
}

TEST_CASE("a snapshot of bounded and priority mailboxes counts what waits") {
  testkit::kit k;
  for (auto [name, box] :
       {std::pair("b", mailbox::bounded(10)), std::pair("p", mailbox::priority())}) {
    auto a = k.system().spawn<worker>({.name = name, .mailbox = box});
    a.tell<wait>();
    k.settle();
    for (int i = 0; i < 4; ++i) a.tell<get>();
    CHECK(of(k, std::string("/user/") + name).mailbox_depth == 4);
  }
}

TEST_CASE("a snapshot tells the stages of a life") {
  testkit::kit k;
  auto a = k.system().spawn<slow_hooks>(
      {.name = "a", .supervision = {.backoff = {.initial = 5s, .jitter = 0}}});
  k.settle();
  CHECK(of(k, "/user/a").state == actor_state::starting);
  k.advance(1s);
  CHECK(of(k, "/user/a").state == actor_state::idle);
  a.tell<get>();
  k.advance(2s);
  CHECK(of(k, "/user/a").state == actor_state::restarting);
  k.advance(10s);
  k.system().stop(a);
  k.settle();
  CHECK(of(k, "/user/a").state == actor_state::stopping);
  k.advance(1s);
  CHECK(of(k, "/user/a").path == "not in the snapshot");
  for (auto s : {actor_state::idle, actor_state::ready, actor_state::running, actor_state::waiting,
                 actor_state::starting, actor_state::failed, actor_state::restarting,
                 actor_state::stopping, actor_state::terminated})
    CHECK(to_string(s) != "unknown");
}

TEST_CASE("the sums of a system count what happened") {
  testkit::kit k;
  const auto before = k.system().metrics();
  auto a = k.system().spawn<worker>();
  auto b = k.system().spawn<worker>();
  for (int i = 0; i < 10; ++i) a.tell<get>();
  b.tell<fails>();
  k.settle();
  k.system().stop(b);
  k.settle();
  b.tell<get>();
  const auto m = k.system().metrics();
  CHECK(m.messages - before.messages == 11);
  CHECK(m.spawned - before.spawned == 2);
  CHECK(m.stopped - before.stopped == 1);
  CHECK(m.failures == 1);
  CHECK(m.restarts == 1);
  CHECK(m.dead_letters == 2);
}

TEST_CASE("the recent hops of a chain tell who handled what because of what") {
  testkit::kit k;
  std::uint64_t trace = 0;
  auto c = k.system().spawn(behavior(0,
                                     [&](int&, get, context& x) {
                                       trace = x.trace();
                                       return 1;
                                     }),
                            {.name = "c"});
  auto b = k.system().spawn(behavior(c,
                                     [](actor_ref<get>& to, wait) -> task<int> {
                                       co_await sleep(5ms);
                                       co_return co_await to.ask<get>();
                                     }),
                            {.name = "b"});
  auto a = k.system().spawn(
      behavior(b, [](actor_ref<wait>& to, fails) -> task<void> { co_await to.ask<wait>(); }),
      {.name = "a"});
  auto noise = k.system().spawn<worker>();
  for (int i = 0; i < 20; ++i) noise.tell<get>();
  a.tell<fails>();
  for (int i = 0; i < 20; ++i) noise.tell<get>();
  k.advance(10ms);

  REQUIRE(trace != 0);
  const auto hops = k.system().recent_hops(trace);
  REQUIRE(hops.size() == 3);
  CHECK(hops[0].actor == a.uid());
  CHECK(hops[1].actor == b.uid());
  CHECK(hops[2].actor == c.uid());
  CHECK(hops[0].cause == 0);
  CHECK(hops[1].cause == hops[0].id);
  CHECK(hops[2].cause == hops[1].id);
  CHECK(contains(hops[2].message, "get"));
  CHECK(k.system().recent_hops().size() == 43);
}

TEST_CASE("only the most recent hops are kept") {
  testkit::kit k;
  auto a = k.system().spawn<worker>();
  for (int i = 0; i < 5'000; ++i) a.tell<get>();
  k.settle();
  const auto hops = k.system().recent_hops();
  CHECK(hops.size() >= 500);
  CHECK(hops.size() <= 512);
  for (std::size_t i = 1; i < hops.size(); ++i) CHECK(hops[i].id > hops[i - 1].id);
}
