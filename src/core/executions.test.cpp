// Coroutine handlers: what waits meanwhile, reentrancy, and what happens to them when the actor or
// its asker goes.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct slow {
  using reply = int;
  int n = 0;
};
struct quick {
  using reply = int;
};
struct until_stopped {
  using reply = int;
};
struct forever {
  using reply = int;
};
struct fail_later {
  using reply = int;
};
struct relay {
  using reply = int;
  duration limit{};
};
struct get {
  using reply = int;
};
struct report {
  using reply = std::string;
};

class worker : public actor<slow, quick, until_stopped, forever, fail_later, report> {
 public:
  explicit worker(journal j) : journal_(std::move(j)) {}
  ~worker() { journal_->push_back("destroyed"); }
  task<int> on(slow m) {
    journal_->push_back("begin" + std::to_string(m.n));
    co_await sleep(100ms);
    journal_->push_back("end" + std::to_string(m.n));
    co_return m.n;
  }
  int on(quick) {
    journal_->push_back("quick");
    return 7;
  }
  task<int> on(until_stopped) {
    while (!co_await stop_requested()) co_await sleep(10ms);
    journal_->push_back("stopped");
    co_return 0;
  }
  task<int> on(forever) {
    struct at_end {
      journal j;
      ~at_end() { j->push_back("frame destroyed"); }
    } guard{journal_};
    co_await sleep(10h);
    journal_->push_back("never");
    co_return 0;
  }
  task<int> on(fail_later) {
    co_await sleep(10ms);
    throw std::runtime_error("after a while");
  }
  std::string on(report) { return all_of(journal_); }

 private:
  journal journal_;
};

class reentrant_worker : public actor<slow, quick, report> {
 public:
  static constexpr bool reentrant = true;
  task<int> on(slow m) {
    ++inside_;
    most_ = std::max(most_, inside_);
    co_await sleep(100ms);
    --inside_;
    co_return m.n;
  }
  int on(quick) { return 7; }
  std::string on(report) { return std::to_string(most_); }

 private:
  int inside_ = 0;
  int most_ = 0;
};

/// Asks another on behalf of its own asker.
class relaying : public actor<relay, get> {
 public:
  explicit relaying(actor_ref<until_stopped, forever> to) : to_(to) {}
  task<int> on(relay m) {
    if (m.limit > duration::zero()) co_return co_await to_.ask<until_stopped>().within(m.limit);
    co_return co_await to_.ask<until_stopped>();
  }
  int on(get) { return 3; }

 private:
  actor_ref<until_stopped, forever> to_;
};

struct fails {};
class parking : public actor<fails, forever> {
 public:
  static constexpr bool reentrant = true;
  void on(fails) { throw std::runtime_error("torn down"); }
  task<int> on(forever) {
    co_await sleep(10h);
    co_return 0;
  }
};

/// A task of a task of a task.
task<int> depth(int n) {
  if (n == 0) {
    co_await sleep(1ms);
    co_return 0;
  }
  co_return 1 + co_await depth(n - 1);
}
struct descend {
  using reply = int;
  int n = 0;
};
class nested : public actor<descend> {
 public:
  task<int> on(descend d) { return depth(d.n); }
};

}  // namespace

TEST_CASE("an actor takes no further message until its coroutine handler ends") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  auto f = a.ask<slow>(1);
  auto q = a.ask<quick>();
  auto g = a.ask<slow>(2);
  k.advance(99ms);
  CHECK(!q.is_ready());
  CHECK(g.get() == 2);
  CHECK(f.get() == 1);
  CHECK(q.get() == 7);
  CHECK(all_of(j) == "begin1 end1 quick begin2 end2");
}

TEST_CASE("a reentrant actor takes messages while a handler is suspended") {
  testkit::kit k;
  auto a = k.system().spawn<reentrant_worker>();
  const auto before = k.now();
  auto f = a.ask<slow>(1);
  auto g = a.ask<slow>(2);
  CHECK(a.ask<quick>().get() == 7);
  CHECK(k.now() == before);
  CHECK(f.get() == 1);
  CHECK(g.get() == 2);
  CHECK(k.now() - before == 100ms);
  CHECK(a.ask<report>().get() == "2");
}

TEST_CASE("a dropped ask asks the far side's handler to stop") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  {
    auto f = a.ask<until_stopped>();
    k.advance(1s);
    CHECK(all_of(j).empty());
  }
  k.advance(20ms);
  CHECK(all_of(j) == "stopped");
}

TEST_CASE("an ask that times out asks the far side's handler to stop") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  CHECK(a.ask<until_stopped>().within(50ms).result().error() == errc::ask_timeout);
  k.advance(20ms);
  CHECK(all_of(j) == "stopped");
}

TEST_CASE("a stop request travels down a chain of asks") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  auto r = k.system().spawn<relaying>(a);
  {
    auto f = r.ask<relay>();
    k.advance(30ms);
  }
  // The relay is asked to stop, but goes on waiting; the system's own limit ends its ask.
  k.advance(5s);
  CHECK(all_of(j) == "stopped");
}

TEST_CASE("a dropped ask that still waits in the mailbox is never handled") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  auto busy = a.ask<slow>(1);
  {
    auto dropped = a.ask<quick>();
  }
  CHECK(busy.get() == 1);
  k.settle();
  CHECK(all_of(j) == "begin1 end1");
  CHECK(letters(k.system()) == lines({"cancelled quick"}));
}

TEST_CASE("an exception after a suspension fails the actor and its asker with the text") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>({.name = "a"}, j);
  auto failed = k.events<actor_failed>();
  const auto r = a.ask<fail_later>().result();
  CHECK(r.error() == errc::handler_failed);
  CHECK(contains(r.error().text(), "after a while"));
  CHECK(contains(r.error().text(), "/user/a"));
  const auto f = failed.await_one();
  CHECK(f.why.what == "after a while");
  CHECK(contains(f.why.message, "fail_later"));
  CHECK(f.why.where == "handler");
  CHECK(letters(k.system()) == lines({"handler_failed fail_later"}));
}

TEST_CASE("a kill destroys a suspended handler, and its asker is told") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  auto f = a.ask<forever>().within(100h);
  k.settle();
  k.system().kill(a);
  CHECK(f.result().error() == errc::killed);
  CHECK(all_of(j) == "frame destroyed destroyed");
  CHECK(letters(k.system()) == lines({"killed forever"}));
}

TEST_CASE("a stop waits for a suspended handler, which sees a stop request") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<worker>(j);
  auto f = a.ask<until_stopped>();
  k.settle();
  k.system().stop(a);
  CHECK(f.get() == 0);
  k.settle();
  CHECK(all_of(j) == "stopped destroyed");
  CHECK(a.is_terminated());
}

TEST_CASE("a stop lets a reentrant actor's suspended handlers finish") {
  testkit::kit k;
  auto a = k.system().spawn<reentrant_worker>();
  auto f = a.ask<slow>(1);
  auto g = a.ask<slow>(2);
  k.settle();
  k.system().stop(a);
  CHECK(f.result().value_or(-1) == 1);
  CHECK(g.result().value_or(-1) == 2);
  k.settle();
  CHECK(a.is_terminated());
}

TEST_CASE("a restart destroys suspended handlers, and their askers are told why") {
  testkit::kit k;
  auto a = k.system().spawn<parking>();
  auto f = a.ask<forever>().within(100h);
  k.settle();
  a.tell<fails>();
  const auto r = f.result();
  CHECK(r.error() == errc::handler_failed);
  CHECK(contains(r.error().text(), "was restarted"));
}

TEST_CASE("tasks nest deeply without growing the stack") {
  testkit::kit k;
  auto a = k.system().spawn<nested>();
  CHECK(a.ask<descend>(10'000).get() == 10'000);
}
