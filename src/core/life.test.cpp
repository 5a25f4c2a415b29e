// Life-cycle hooks, and exceptions in each of them.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct fails {};
struct where {
  using reply = std::string;
};

enum class throws { nowhere, constructor, pre_start, post_stop, pre_restart, post_restart };

/// Writes down what is called, and throws where it is told, at the n-th call.
struct plan {
  journal said = new_journal();
  throws at = throws::nowhere;
  int times = 1;  // how often it throws there
  void enter(const char* name, throws here) {
    said->push_back(name);
    if (here == at && times > 0) {
      --times;
      throw std::runtime_error(std::string("thrown in ") + name);
    }
  }
};

class plain : public actor<fails, where> {
 public:
  explicit plain(std::shared_ptr<plan> p) : plan_(std::move(p)) {
    plan_->enter("construct", throws::constructor);
  }
  ~plain() { plan_->said->push_back("destroy"); }
  void pre_start() { plan_->enter("pre_start", throws::pre_start); }
  void post_stop() { plan_->enter("post_stop", throws::post_stop); }
  void pre_restart(const failure& f) {
    plan_->said->push_back("[" + f.what + "]");
    plan_->enter("pre_restart", throws::pre_restart);
  }
  void post_restart(const failure& f) {
    plan_->said->push_back("[" + f.what + "]");
    plan_->enter("post_restart", throws::post_restart);
  }
  void on(fails) { throw std::runtime_error("boom"); }
  std::string on(where) { return all_of(plan_->said); }

 private:
  std::shared_ptr<plan> plan_;
};

/// The same with coroutines that take their time.
class slow : public actor<fails, where> {
 public:
  explicit slow(std::shared_ptr<plan> p) : plan_(std::move(p)) {}
  task<void> pre_start() {
    co_await sleep(10ms);
    plan_->enter("pre_start", throws::pre_start);
  }
  task<void> post_stop() {
    co_await sleep(10ms);
    plan_->enter("post_stop", throws::post_stop);
  }
  task<void> pre_restart(const failure& f) {
    co_await sleep(10ms);
    plan_->said->push_back("[" + f.what + "]");
    plan_->enter("pre_restart", throws::pre_restart);
  }
  task<void> post_restart(const failure& f) {
    co_await sleep(10ms);
    plan_->said->push_back("[" + f.what + "]");
    plan_->enter("post_restart", throws::post_restart);
  }
  void on(fails) { throw std::runtime_error("boom"); }
  std::string on(where) { return all_of(plan_->said); }

 private:
  std::shared_ptr<plan> plan_;
};

/// Only the first two hooks: the restart hooks fall back on them.
class defaults : public actor<fails, where> {
 public:
  explicit defaults(journal j) : journal_(std::move(j)) {}
  void pre_start() { journal_->push_back("pre_start"); }
  void post_stop() { journal_->push_back("post_stop"); }
  void on(fails) { throw std::runtime_error("boom"); }
  std::string on(where) { return all_of(journal_); }

 private:
  journal journal_;
};

std::shared_ptr<plan> planned(throws at = throws::nowhere, int times = 1) {
  auto p = std::make_shared<plan>();
  p->at = at;
  p->times = times;
  return p;
}

}  // namespace

TEST_CASE("pre_start comes before the first message and post_stop after the last") {
  testkit::kit k;
  auto p = planned();
  auto a = k.system().spawn<plain>(p);
  CHECK(a.ask<where>().get() == "construct pre_start");
  k.system().stop(a);
  k.settle();
  CHECK(all_of(p->said) == "construct pre_start post_stop destroy");
}

TEST_CASE("coroutine hooks are waited for: no message before pre_start ends") {
  testkit::kit k;
  auto p = planned();
  auto a = k.system().spawn<slow>(p);
  auto f = a.ask<where>();
  k.advance(9ms);
  CHECK(!f.is_ready());
  CHECK(f.get() == "pre_start");
  k.system().stop(a);
  k.advance(9ms);
  CHECK(!a.is_terminated());
  k.advance(1ms);
  CHECK(a.is_terminated());
  CHECK(all_of(p->said) == "pre_start post_stop");
}

TEST_CASE("a restart calls pre_restart on the failed instance and post_restart on the new one") {
  testkit::kit k;
  auto p = planned();
  auto a = k.system().spawn<plain>(p);
  a.tell<fails>();
  CHECK(a.ask<where>().get() ==
        "construct pre_start [boom] pre_restart destroy construct [boom] post_restart");
}

TEST_CASE("coroutine restart hooks are waited for, and the failure lives as long") {
  testkit::kit k;
  auto p = planned();
  auto a = k.system().spawn<slow>(p);
  a.tell<fails>();
  const auto before = k.now();
  CHECK(a.ask<where>().get() == "pre_start [boom] pre_restart [boom] post_restart");
  CHECK(k.now() - before == 30ms);
}

TEST_CASE("without restart hooks of its own a restart calls post_stop and pre_start") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<defaults>(j);
  a.tell<fails>();
  CHECK(a.ask<where>().get() == "pre_start post_stop pre_start");
}

TEST_CASE("a constructor that throws fails the spawn with its text") {
  testkit::kit k;
  auto p = planned(throws::constructor);
  CHECK(thrown_by([&] { k.system().spawn<plain>({.name = "a"}, p); }) == errc::spawn_failed);
  CHECK(all_of(p->said) == "construct");
  k.settle();
  CHECK(!k.system().lookup("a"));
  auto again = k.system().spawn<plain>({.name = "a"}, p);
  CHECK(contains(again.ask<where>().get(), "pre_start"));
  p->at = throws::constructor;
  p->times = 1;
  CHECK(contains(text_by([&] { k.system().spawn<plain>(p); }), "thrown in construct"));
}

TEST_CASE("an exception in pre_start is a failure: the actor is restarted") {
  testkit::kit k;
  auto p = planned(throws::pre_start);
  auto failed = k.events<actor_failed>();
  auto a = k.system().spawn<plain>(p);
  CHECK(a.ask<where>().get() ==
        "construct pre_start [thrown in pre_start] pre_restart destroy "
        "construct [thrown in pre_start] post_restart");
  CHECK(failed.await_one().why.where == "pre_start");
}

TEST_CASE("a pre_start that always throws stops the actor once its retries are used up") {
  testkit::kit k;
  auto p = planned(throws::pre_start, 100);
  auto a = k.system().spawn<defaults>({.name = "d"}, new_journal());
  auto b = k.system().spawn<slow>({.name = "b", .supervision = {.max_retries = 0}}, p);
  auto w = k.probe<note>();
  w.watch(b);
  const auto reason = w.expect_terminated(b);
  CHECK(reason.kind == exit_kind::failed);
  CHECK(contains(reason.text, "thrown in pre_start"));
  CHECK(b.ask<where>().result().error() == errc::actor_stopped);
  CHECK(!a.is_terminated());
}

TEST_CASE("an exception in post_stop is published, and the stop goes on") {
  auto check = [](auto spawn, const char* said) {
    testkit::kit k;
    auto p = planned(throws::post_stop);
    auto hooks = k.events<hook_failed>();
    auto a = spawn(k.system(), p);
    k.advance(10ms);
    k.system().stop(a);
    k.advance(10ms);
    CHECK(a.is_terminated());
    CHECK(all_of(p->said) == said);
    const auto h = hooks.await_one();
    CHECK(h.hook == "post_stop");
    CHECK(h.what == "thrown in post_stop");
    CHECK(h.path == "/user/a");
  };
  check([](actor_system& s, auto p) { return any_ref(s.spawn<plain>({.name = "a"}, p)); },
        "construct pre_start post_stop destroy");
  check([](actor_system& s, auto p) { return any_ref(s.spawn<slow>({.name = "a"}, p)); },
        "pre_start post_stop");
}

TEST_CASE("an exception in pre_restart is published, and the restart goes on") {
  auto check = [](auto spawn, const char* said) {
    testkit::kit k;
    auto p = planned(throws::pre_restart);
    auto hooks = k.events<hook_failed>();
    auto a = spawn(k.system(), p);
    a.template tell<fails>();
    CHECK(a.template ask<where>().get() == said);
    CHECK(hooks.await_one().hook == "pre_restart");
  };
  check([](actor_system& s, auto p) { return s.spawn<plain>(p); },
        "construct pre_start [boom] pre_restart destroy construct [boom] post_restart");
  check([](actor_system& s, auto p) { return s.spawn<slow>(p); },
        "pre_start [boom] pre_restart [boom] post_restart");
}

TEST_CASE("an exception in post_restart is a failure of its own") {
  auto check = [](auto spawn) {
    testkit::kit k;
    auto p = planned(throws::post_restart);
    auto failed = k.events<actor_failed>();
    auto a = spawn(k.system(), p);
    a.template tell<fails>();
    CHECK(contains(a.template ask<where>().get(), "[thrown in post_restart] post_restart"));
    CHECK(failed.await(2)[1].why.where == "post_restart");
  };
  check([](actor_system& s, auto p) { return s.spawn<plain>(p); });
  check([](actor_system& s, auto p) { return s.spawn<slow>(p); });
}

TEST_CASE("a post_restart that throws within the budget leaves no stop between") {
  testkit::kit k;
  auto p = planned(throws::post_restart, 2);
  auto a = k.system().spawn<plain>({.supervision = {.max_retries = 5}}, p);
  a.tell<fails>();
  a.ask<where>().get();
  CHECK(!contains(all_of(p->said), "post_stop"));
  CHECK(k.system().metrics().restarts >= 1);
}

TEST_CASE("an actor that never began is stopped without its messages") {
  testkit::kit k;
  auto p = planned();
  auto a = k.system().spawn<slow>(p);
  auto f = a.ask<where>();
  k.system().stop(a);
  CHECK(f.result().error() == errc::actor_stopped);
}

TEST_CASE("a stop during a coroutine hook destroys the hook and goes on") {
  testkit::kit k;
  auto p = planned();
  auto a = k.system().spawn<slow>(p);
  k.advance(5ms);
  k.system().stop(a);
  k.advance(10ms);
  CHECK(a.is_terminated());
  CHECK(all_of(p->said) == "post_stop");

  auto q = planned();
  auto b = k.system().spawn<slow>(q);
  k.advance(10ms);
  b.tell<fails>();
  k.advance(5ms);
  k.system().stop(b);
  k.advance(10ms);
  CHECK(b.is_terminated());
  CHECK(all_of(q->said) == "pre_start post_stop");
}

TEST_CASE("actors tell of their beginning and end as events") {
  testkit::kit k;
  auto started = k.events<actor_started>();
  auto stopped = k.events<actor_stopped>();
  auto restarted = k.events<actor_restarted>();
  auto a = k.system().spawn<plain>({.name = "a"}, planned());
  const auto s = started.await_one();
  CHECK(s.ref == a);
  CHECK(s.path == "/user/a");
  CHECK(contains(s.type, "plain"));
  a.tell<fails>();
  const auto r = restarted.await_one();
  CHECK(r.count == 1);
  CHECK(r.why == "boom");
  k.system().kill(a);
  const auto e = stopped.await_one();
  CHECK(e.path == "/user/a");
  CHECK(e.reason.kind == exit_kind::killed);
}
