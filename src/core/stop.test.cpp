// Stopping and killing.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct work {
  using reply = int;
  duration takes{};
};
struct get {
  using reply = int;
};
struct stop_yourself {};
struct spawn_child {
  using reply = any_ref;
  std::string name;
};
struct late_child {
  using reply = std::string;
};

class worker : public actor<work, get, stop_yourself, spawn_child> {
 public:
  worker(journal j, std::string name, duration post_stop_takes = {})
      : journal_(std::move(j)),
        name_(std::move(name)),
        post_stop_takes_(post_stop_takes) {}
  ~worker() { journal_->push_back("~" + name_); }
  task<void> post_stop() {
    journal_->push_back("post_stop:" + name_);
    if (post_stop_takes_ > duration::zero()) co_await sleep(post_stop_takes_);
  }
  task<int> on(work w) {
    co_await sleep(w.takes);
    journal_->push_back("worked:" + name_);
    co_return 1;
  }
  int on(get) { return 2; }
  void on(stop_yourself) {
    ctx().stop();
    journal_->push_back("still here");
  }
  any_ref on(spawn_child m) {
    return ctx().spawn<worker>({.name = m.name}, journal_, m.name, post_stop_takes_);
  }

 private:
  journal journal_;
  std::string name_;
  duration post_stop_takes_;
};

/// Tries to have a child when it is too late.
class late_parent : public actor<get> {
 public:
  explicit late_parent(journal j) : journal_(std::move(j)) {}
  int on(get) { return 1; }
  void post_stop() {
    try {
      ctx().spawn<worker>(journal_, "late");
      journal_->push_back("spawned");
    } catch (const actor_error&) {
      journal_->push_back("refused");
    }
  }

 private:
  journal journal_;
};

/// Never gets through its last hook.
class undying : public actor<get> {
 public:
  int on(get) { return 1; }
  task<void> post_stop() { co_await sleep(100h); }
};

}  // namespace

TEST_CASE("a stop lets the message in hand finish, and what waits becomes dead letters") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j, "a");
  auto in_hand = a.ask<work>(100ms);
  auto waiting = a.ask<get>();
  a.tell<get>();
  k.settle();
  k.system().stop(a);
  k.settle();
  CHECK(!waiting.is_ready());
  CHECK(in_hand.get() == 1);
  CHECK(waiting.result().error() == errc::actor_stopped);
  CHECK(all_of(j) == "worked:a post_stop:a ~a");
  CHECK(letters(k.system()) == lines({"actor_stopped get", "actor_stopped get"}));
}

TEST_CASE("a stop overtakes the messages that wait") {
  testkit::kit k;
  auto a = k.system().spawn<worker>(new_journal(), "a");
  std::vector<future<int>> asked;
  for (int i = 0; i < 10; ++i) asked.push_back(a.ask<get>());
  k.system().stop(a);
  k.settle();
  for (auto& f : asked) CHECK(f.result().error() == errc::actor_stopped);
}

TEST_CASE("an actor that stops itself finishes the handler that says so") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j, "a");
  a.tell<stop_yourself>();
  a.tell<get>();
  k.settle();
  CHECK(all_of(j) == "still here post_stop:a ~a");
  CHECK(letters(k.system()) == lines({"actor_stopped get"}));
}

TEST_CASE("a kill fails the message in hand at once, and post_stop still runs") {
  testkit::kit k;
  auto j = new_journal();
  auto w = k.probe<note>();
  auto a = k.system().spawn<worker>({.name = "a"}, j, "a");
  w.watch(a);
  auto in_hand = a.ask<work>(100h);
  auto waiting = a.ask<get>();
  k.settle();
  k.system().kill(a);
  CHECK(in_hand.result().error() == errc::killed);
  CHECK(waiting.result().error() == errc::actor_stopped);
  CHECK(w.expect_terminated(a).kind == exit_kind::killed);
  CHECK(all_of(j) == "post_stop:a ~a");
  CHECK(letters(k.system(), "/user/a") == lines({"killed work", "actor_stopped get"}));
}

TEST_CASE("a kill ends the wait of a stop for its handler") {
  testkit::kit k;
  auto a = k.system().spawn<worker>(new_journal(), "a");
  auto in_hand = a.ask<work>(100h);
  k.settle();
  k.system().stop(a);
  k.advance(1s);
  CHECK(!a.is_terminated());
  k.system().kill(a);
  CHECK(in_hand.result().error() == errc::killed);
  k.settle();
  CHECK(a.is_terminated());
}

TEST_CASE("a kill ends a post_stop that hangs") {
  testkit::kit k;
  auto a = k.system().spawn<undying>();
  k.system().stop(a);
  k.advance(1s);
  CHECK(!a.is_terminated());
  k.system().kill(a);
  k.settle();
  CHECK(a.is_terminated());
}

TEST_CASE("children are stopped before post_stop, from the leaves up") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>({.name = "a"}, j, "a", 10ms);
  auto b = a.ask<spawn_child>("b").get().as<worker>();
  auto c = b.ask<spawn_child>("c").get();
  CHECK(c.path() == "/user/a/b/c");
  auto w = k.probe<note>();
  for (const any_ref& r : {any_ref(a), any_ref(b), c}) w.watch(r);
  k.system().stop(a);
  CHECK(contains(to_string(w.expect_terminated(c)), "its parent ended"));
  w.expect_terminated(b);
  CHECK(to_string(w.expect_terminated(a)) == "stopped");
  CHECK(all_of(j) == "post_stop:c ~c post_stop:b ~b post_stop:a ~a");
}

TEST_CASE("watchers hear of an end after post_stop, and before what waited becomes dead letters") {
  testkit::kit k;
  auto j = new_journal();
  auto letters_seen =
      k.system().events().on<dead_letter>([j](const dead_letter&) { j->push_back("dead letter"); });
  auto w = k.system().spawn(behavior(
      0, [j](int&, terminated) { j->push_back("terminated"); },
      [](int&, spawn_child m, context& c) -> any_ref {
        c.watch(c.system().lookup(m.name));
        return {};
      }));
  auto a = k.system().spawn<worker>({.name = "a"}, j, "a");
  w.ask<spawn_child>("a").get();
  a.tell<get>();
  k.system().stop(a);
  k.settle();
  const auto said = all_of(j);
  CHECK(said.find("post_stop:a") < said.find("terminated"));
  CHECK(said.find("post_stop:a") < said.find("dead letter"));
  CHECK(contains(said, "terminated"));
  CHECK(contains(said, "dead letter"));
}

TEST_CASE("a message to an actor that has ended is a dead letter, and an ask fails at once") {
  testkit::kit k;
  auto a = k.system().spawn<worker>({.name = "a"}, new_journal(), "a");
  k.system().stop(a);
  k.settle();
  CHECK(a.is_terminated());
  const auto before = k.now();
  a.tell<get>();
  const auto e = a.ask<get>().result().error();
  CHECK(e == errc::actor_stopped);
  CHECK(contains(e.text(), "/user/a"));
  CHECK(a.try_tell<get>().error() == errc::actor_stopped);
  CHECK(k.now() == before);
  CHECK(letters(k.system()).size() == 3);
}

TEST_CASE("stopping twice, or what has ended, does nothing") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j, "a", 10ms);
  k.system().stop(a);
  k.system().stop(a);
  k.advance(10ms);
  k.system().stop(a);
  k.system().kill(a);
  k.settle();
  CHECK(all_of(j) == "post_stop:a ~a");
  CHECK(thrown_by([&] { k.system().stop(any_ref()); }) == errc::invalid_argument);
}

TEST_CASE("a parent stops or kills one of its children") {
  testkit::kit k;
  auto p = k.probe<note>();
  auto j = new_journal();
  auto child = std::make_shared<any_ref>();
  auto a = k.system().spawn(behavior(
      0,
      [child, j](int&, spawn_child m, context& c) {
        return *child = c.spawn<worker>({.name = m.name}, j, m.name);
      },
      [child](int&, stop_yourself, context& c) { c.stop(*child); },
      [child](int&, get, context& c) {
        c.kill(*child);
        return static_cast<int>(c.children().size());
      }));
  auto first = a.ask<spawn_child>("x").get();
  a.tell<stop_yourself>();
  p.watch(first);
  CHECK(p.expect_terminated(first).kind == exit_kind::stopped);
  auto second = a.ask<spawn_child>("x").get();
  p.watch(second);
  CHECK(a.ask<get>().get() == 1);
  CHECK(p.expect_terminated(second).kind == exit_kind::killed);
}

TEST_CASE("an actor that has stopped its children has no more of them") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<late_parent>(j);
  k.system().stop(a);
  k.settle();
  CHECK(a.is_terminated());
  CHECK(all_of(j) == "refused");
}
