// What an actor sees of itself, and what it does with the message in hand.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct get {
  using reply = int;
  int n = 0;
};
struct text {
  std::string t;
};
struct query {
  using reply = std::string;
};
struct spawn_named {
  using reply = any_ref;
  std::string name;
};
struct start {};
struct done {
  int value = 0;
  std::string error;
};
struct wait {};
struct forget_sender {};

class echo_sender : public actor<query, text> {
 public:
  explicit echo_sender(journal j) : journal_(std::move(j)) {}
  task<std::string> on(query) {
    const std::string before = ctx().sender().path();
    co_await sleep(1ms);
    co_return before + "|" + ctx().sender().path();
  }
  void on(const text&) { journal_->push_back("<" + ctx().sender().path() + ">"); }

 private:
  journal journal_;
};

class forwarder : public actor<get, text, query> {
 public:
  explicit forwarder(any_ref to) : to_(std::move(to)) {}
  int on(const get&) {
    ctx().forward(to_);
    return 0;  // to nobody: the ask went along
  }
  void on(text t) { ctx().forward(to_, std::move(t)); }
  std::string on(query) { return "mine"; }

 private:
  any_ref to_;
};

class family : public actor<spawn_named, query, start> {
 public:
  any_ref on(spawn_named m) { return ctx().spawn<family>({.name = m.name}); }
  std::string on(query) {
    std::string out = ctx().path() + " of " + ctx().parent().path() + ":";
    for (const any_ref& c : ctx().children()) out += " " + c.path();
    out += "; x is " + ctx().child("x").path();
    return out;
  }
  void on(start) {}
};

task<int> compute(int n) {
  co_await sleep(20ms);
  if (n < 0) throw std::domain_error("negative");
  co_return n* n;
}

class piper : public actor<start, done, get, wait> {
 public:
  piper(journal j, actor_ref<get> other) : journal_(std::move(j)), other_(std::move(other)) {}
  void on(start) {
    auto to_done = [](result<int> r) { return r ? done{*r, ""} : done{0, r.error().to_string()}; };
    ctx().pipe_to_self(compute(5), to_done);
    ctx().pipe_to_self(compute(-1), to_done);
    ctx().pipe_to_self(other_.ask<get>(9), to_done);
    ctx().pipe_to_self(nothing(), [](result<void> r) { return done{r ? 1 : 0, "void"}; });
  }
  void on(done d) { journal_->push_back(std::to_string(d.value) + "(" + d.error + ")"); }
  int on(get g) { return g.n; }
  task<void> on(wait) { co_await sleep(1s); }

 private:
  static task<void> nothing() { co_await sleep(30ms); }
  journal journal_;
  actor_ref<get> other_;
};

}  // namespace

TEST_CASE("the sender is the actor whose handler sent, nobody from outside") {
  testkit::kit k;
  auto said = new_journal();
  auto a = k.system().spawn<echo_sender>(said);
  auto p = k.probe<note>("p");
  p.tell(a, text{});
  a.tell<text>();
  k.settle();
  CHECK(all_of(said) == "</user/p> <>");
}

TEST_CASE("the sender of a request is its asker, also after a suspension") {
  testkit::kit k;
  auto a = k.system().spawn<echo_sender>(new_journal());
  auto b = k.system().spawn(behavior(a,
                                     [](echo_sender::ref& to, query) -> task<std::string> {
                                       co_return co_await to.ask<query>();
                                     }),
                            {.name = "b"});
  CHECK(b.ask<query>().get() == "/user/b|/user/b");
  CHECK(a.ask<query>().get() == "|");
}

TEST_CASE("a sender that has gone is nobody") {
  testkit::kit k;
  auto said = new_journal();
  auto a = k.system().spawn<echo_sender>(said);
  {
    auto p = k.probe<note>();
    auto busy = a.ask<query>();
    p.tell(a, text{});
    p.stop();
  }
  k.advance(1s);
  // Its reference may still lead to what is left of it; never to another actor.
  const auto line = all_of(said);
  CHECK((line == "<>" || contains(line, "/user/$")));
}

TEST_CASE("a forwarded message keeps its sender, and a forwarded request its asker") {
  testkit::kit k;
  auto said = new_journal();
  auto target = k.system().spawn(behavior(
      0, [](int&, get g) { return g.n * 2; },
      [said](int&, text t, context& c) { said->push_back(t.t + "<" + c.sender().path()); }));
  auto f = k.system().spawn<forwarder>(target);
  auto p = k.probe<note>("p");
  CHECK(f.ask<get>(21).get() == 42);
  p.tell(f, text{"hello"});
  k.settle();
  CHECK(all_of(said) == "hello</user/p");
}

TEST_CASE("a request forwarded to what has ended fails at once, and one it cannot handle as well") {
  testkit::kit k;
  auto gone = k.system().spawn(behavior(0, [](int&, start) {}));
  auto f = k.system().spawn<forwarder>(gone);
  CHECK(f.ask<get>(1).result().error() == errc::unhandled);
  k.system().stop(gone);
  k.settle();
  CHECK(f.ask<get>(1).result().error() == errc::actor_stopped);
}

TEST_CASE("an actor knows its path, parent and children") {
  testkit::kit k;
  auto a = k.system().spawn<family>({.name = "a"});
  CHECK(a.ask<query>().get() == "/user/a of /user:; x is ");
  auto x = a.ask<spawn_named>("x").get();
  a.ask<spawn_named>("y").get();
  CHECK(a.ask<query>().get() == "/user/a of /user: /user/a/x /user/a/y; x is /user/a/x");
  k.system().stop(x);
  k.settle();
  CHECK(a.ask<query>().get() == "/user/a of /user: /user/a/y; x is ");
}

TEST_CASE("work beside the mailbox comes back as a message, its failure as an error") {
  testkit::kit k;
  auto said = new_journal();
  auto other = k.system().spawn(behavior(0, [](int&, get g) { return g.n; }));
  auto a = k.system().spawn<piper>(said, other);
  a.tell<start>();
  k.settle();
  CHECK(a.ask<get>(3).get() == 3);  // the mailbox is not held up
  k.advance(30ms);
  std::ranges::sort(*said);
  CHECK(all_of(said) == "0(handler_failed: negative) 1(void) 25() 9()");
}

TEST_CASE("work beside the mailbox goes on while a handler is suspended, its message waits") {
  testkit::kit k;
  auto said = new_journal();
  auto other = k.system().spawn(behavior(0, [](int&, get g) { return g.n; }));
  auto a = k.system().spawn<piper>(said, other);
  a.tell<start>();
  a.tell<wait>();
  k.advance(500ms);
  CHECK(said->empty());
  k.advance(500ms);
  CHECK(said->size() == 4);
}

TEST_CASE("work beside the mailbox ends with its actor") {
  testkit::kit k;
  auto said = new_journal();
  auto other = k.system().spawn(behavior(0, [](int&, get g) { return g.n; }));
  auto a = k.system().spawn<piper>(said, other);
  a.tell<start>();
  k.settle();
  k.system().stop(a);
  k.advance(1s);
  CHECK(a.is_terminated());
  CHECK(said->size() <= 1);
}

TEST_CASE("an exception of a callback fails its actor") {
  testkit::kit k;
  auto other = k.system().spawn(behavior(0, [](int&, get g) { return g.n; }));
  auto failed = k.events<actor_failed>();
  auto a = k.system().spawn(behavior(other, [](actor_ref<get>& to, start) {
    to.ask<get>(1).then([](result<int>) { throw std::runtime_error("in a callback"); });
  }));
  a.tell<start>();
  CHECK(failed.await_one().why.what == "in a callback");
}

TEST_CASE("a context is refused outside its actor's turn") {
  testkit::kit k;
  context* leaked = nullptr;
  auto a = k.system().spawn(behavior(0, [&leaked](int&, start, context& c) { leaked = &c; }),
                            {.name = "a"});
  a.tell<start>();
  k.settle();
  REQUIRE(leaked);
  CHECK(thrown_by([&] { leaked->stash(); }) == errc::invalid_argument);
  CHECK(thrown_by([&] { leaked->forward(a); }) == errc::invalid_argument);
  CHECK(!leaked->sender());
  CHECK(leaked->path() == "/user/a");
  CHECK(leaked->self() == a);
  CHECK(&leaked->system() == &k.system());
}

TEST_CASE("the trace of a chain of messages is one, whoever takes part") {
  testkit::kit k;
  std::vector<std::uint64_t> traces;
  auto last =
      k.system().spawn(behavior(0, [&](int&, start, context& c) { traces.push_back(c.trace()); }));
  auto middle =
      k.system().spawn(behavior(last, [&](actor_ref<start>& to, start, context& c) -> task<void> {
        traces.push_back(c.trace());
        co_await sleep(5ms);
        to.tell<start>();
      }));
  auto first = k.system().spawn(behavior(middle, [&](actor_ref<start>& to, start, context& c) {
    traces.push_back(c.trace());
    to.tell<start>();
  }));
  first.tell<start>();
  k.advance(5ms);
  REQUIRE(traces.size() == 3);
  CHECK(traces[0] == traces[1]);
  CHECK(traces[1] == traces[2]);
  first.tell<start>();
  k.advance(5ms);
  CHECK(traces[3] != traces[0]);
}
