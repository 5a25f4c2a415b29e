// What happens to an actor that fails.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct lost_connection : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct lost_session : lost_connection {
  using lost_connection::lost_connection;
};
struct bad_input : std::logic_error {
  using std::logic_error::logic_error;
};

struct set_value {
  int n = 0;
};
struct get_value {
  using reply = int;
};
enum class kind { connection, session, input, number };
struct fails {
  using reply = void;
  kind what = kind::connection;
};

[[noreturn]] void throw_it(kind what) {
  switch (what) {
    case kind::connection: throw lost_connection("connection lost");
    case kind::session: throw lost_session("session lost");
    case kind::input: throw bad_input("bad input");
    case kind::number: throw 42;
  }
  throw std::logic_error("no such kind");
}

class holder : public actor<set_value, get_value, fails> {
 public:
  explicit holder(int first = 1) : value_(first) {}
  void on(set_value m) { value_ = m.n; }
  int on(get_value) { return value_; }
  void on(fails m) { throw_it(m.what); }

 private:
  int value_;
};

using holder_ref = holder::ref;

}  // namespace

TEST_CASE("by default a failed actor is restarted from its kept arguments, same ref and mailbox") {
  testkit::kit k;
  auto a = k.system().spawn<holder>(5);
  a.tell<set_value>(9);
  const auto uid = a.uid();
  a.tell<fails>();
  auto after = a.ask<get_value>();
  CHECK(after.get() == 5);
  CHECK(a.uid() == uid);
  CHECK(k.system().metrics().restarts == 1);
  CHECK(k.system().metrics().failures == 1);
}

TEST_CASE("the asker of a failed handler gets handler_failed with the exception's text") {
  testkit::kit k;
  auto a = k.system().spawn<holder>({.name = "a"});
  const auto e = a.ask<fails>().result().error();
  CHECK(e == errc::handler_failed);
  CHECK(contains(e.text(), "connection lost"));
  CHECK(contains(e.text(), "/user/a"));
  CHECK(contains(e.text(), "fails"));
  CHECK(contains(a.ask<fails>(kind::number).result().error().text(), "unknown exception"));
}

TEST_CASE("the message of a failed handler is lost, and told as a dead letter") {
  testkit::kit k;
  auto a = k.system().spawn<holder>();
  a.tell<fails>();
  k.settle();
  CHECK(letters(k.system()) == lines({"handler_failed fails"}));
}

TEST_CASE("resume keeps the state and goes on with the next message") {
  testkit::kit k;
  auto a = k.system().spawn<holder>({.supervision = {.otherwise = directive::resume}}, 5);
  a.tell<set_value>(9);
  for (int i = 0; i < 10; ++i) a.tell<fails>();
  CHECK(a.ask<get_value>().get() == 9);
  CHECK(k.system().metrics().restarts == 0);
}

TEST_CASE("stop ends the actor, and its watchers are told the failure") {
  testkit::kit k;
  auto w = k.probe<note>();
  auto a = k.system().spawn<holder>({.supervision = {.otherwise = directive::stop}});
  w.watch(a);
  a.tell<fails>(kind::input);
  const auto reason = w.expect_terminated(a);
  CHECK(reason.kind == exit_kind::failed);
  CHECK(reason.text == "bad input");
}

TEST_CASE("the decider goes by the exception's type, the first match counts") {
  testkit::kit k;
  const supervision s{
      .decider = {on<lost_session>(directive::resume), on<lost_connection>(directive::restart),
                  on<std::exception>(directive::stop)},
      .otherwise = directive::resume};
  auto a = k.system().spawn<holder>({.supervision = s}, 5);
  auto failed = k.events<actor_failed>();
  a.tell<set_value>(9);
  a.tell<fails>(kind::session);
  CHECK(a.ask<get_value>().get() == 9);
  CHECK(failed.await_one().decided == directive::resume);
  a.tell<fails>(kind::number);
  CHECK(a.ask<get_value>().get() == 9);
  CHECK(failed.await_one().decided == directive::resume);
  a.tell<fails>(kind::connection);
  CHECK(a.ask<get_value>().get() == 5);
  CHECK(failed.await_one().decided == directive::restart);
  a.tell<fails>(kind::input);
  k.settle();
  CHECK(a.is_terminated());
  const auto last = failed.await_one();
  CHECK(last.decided == directive::stop);
  CHECK(last.why.what == "bad input");
  CHECK_THROWS_AS(std::rethrow_exception(last.why.exception), bad_input);
}

TEST_CASE("a failure past the budget stops the actor, and says so") {
  testkit::kit k;
  auto w = k.probe<note>();
  auto a = k.system().spawn<holder>({.supervision = {.max_retries = 2, .within = 10s}});
  w.watch(a);
  a.tell<fails>();
  a.tell<fails>();
  CHECK(a.ask<get_value>().get() == 1);
  a.tell<fails>();
  const auto reason = w.expect_terminated(a);
  CHECK(reason.kind == exit_kind::failed);
  CHECK(contains(reason.text, "restarted 2 times within 10 s"));
  CHECK(contains(reason.text, "connection lost"));
}

TEST_CASE("the budget is three in a minute unless told, and its window slides") {
  testkit::kit k;
  auto a = k.system().spawn<holder>();
  for (int i = 0; i < 3; ++i) a.tell<fails>();
  k.settle();
  CHECK(!a.is_terminated());
  k.advance(61s);
  for (int i = 0; i < 3; ++i) {
    a.tell<fails>();
    k.advance(19s);
  }
  CHECK(!a.is_terminated());
  k.advance(5s);  // the first of the three is 62 s old
  a.tell<fails>();
  k.settle();
  CHECK(!a.is_terminated());
  a.tell<fails>();
  k.settle();
  CHECK(a.is_terminated());
}

TEST_CASE("a window of zero counts for ever") {
  testkit::kit k;
  auto a = k.system().spawn<holder>({.supervision = {.max_retries = 1, .within = 0s}});
  a.tell<fails>();
  k.advance(24h);
  CHECK(!a.is_terminated());
  a.tell<fails>();
  k.settle();
  CHECK(a.is_terminated());
}

TEST_CASE("a restart waits for its backoff, which grows up to its greatest") {
  testkit::kit k;
  auto a = k.system().spawn<holder>(
      {.supervision = {.max_retries = 100,
                       .within = 0s,
                       .backoff = {.initial = 100ms, .max = 1s, .multiplier = 2, .jitter = 0}}},
      5);
  for (auto wait : {100ms, 200ms, 400ms, 800ms, 1000ms, 1000ms}) {
    a.tell<fails>();
    auto f = a.ask<get_value>();
    k.advance(wait - 1ms);
    CHECK(!f.is_ready());
    k.advance(1ms);
    CHECK(f.is_ready());
    CHECK(f.get() == 5);
  }
}

TEST_CASE("a backoff's jitter stays within its bounds and differs from restart to restart") {
  std::set<duration> seen;
  for (std::uint64_t seed = 1; seed <= 50; ++seed) {
    testkit::kit k({.seed = seed});
    auto a =
        k.system().spawn<holder>({.supervision = {.backoff = {.initial = 1s, .jitter = 0.25}}});
    const auto before = k.now();
    a.tell<fails>();
    CHECK(a.ask<get_value>().get() == 1);
    const duration waited = k.now() - before;
    CHECK(waited >= 750ms);
    CHECK(waited <= 1251ms);
    seen.insert(waited);
  }
  CHECK(seen.size() > 40);
}

TEST_CASE("the backoff begins anew once the window has passed") {
  testkit::kit k;
  auto a = k.system().spawn<holder>(
      {.supervision = {
           .max_retries = 3, .within = 10s, .backoff = {.initial = 100ms, .jitter = 0}}});
  auto waited = [&] {
    const auto before = k.now();
    a.tell<fails>();
    a.ask<get_value>().get();
    return k.now() - before;
  };
  CHECK(waited() == 100ms);
  CHECK(waited() == 200ms);
  k.advance(11s);
  CHECK(waited() == 100ms);
}

TEST_CASE("a signal that comes during the backoff is not lost") {
  testkit::kit k;
  auto p = k.probe<note>();
  struct watching : actor<fails> {
    actor_ref<note> to;
    any_ref other;
    watching(actor_ref<note> t, any_ref o) : to(t), other(o) {}
    void pre_start() { ctx().watch(other); }
    void on(fails m) { throw_it(m.what); }
    void on(terminated t) { to.tell<note>(t.ref.path()); }
  };
  auto other = k.system().spawn<holder>({.name = "other"});
  auto a = k.system().spawn<watching>({.supervision = {.backoff = {.initial = 1s}}}, p.ref(),
                                      any_ref(other));
  k.settle();
  a.tell<fails>();
  k.settle();
  k.system().stop(other);
  k.settle();
  CHECK(p.pending() == 0);
  CHECK(p.expect<note>(2s).text == "/user/other");
}

TEST_CASE("an actor is stopped while it waits for its backoff") {
  testkit::kit k;
  auto a = k.system().spawn<holder>({.supervision = {.backoff = {.initial = 1h}}});
  a.tell<fails>();
  a.tell<set_value>(1);
  k.settle();
  k.system().stop(a);
  k.settle();
  CHECK(a.is_terminated());
  CHECK(letters(k.system()) == lines({"handler_failed fails", "actor_stopped set_value"}));
}

TEST_CASE("an actor stopped during its backoff leaves nothing behind when its system goes") {
  simulated_runtime rt;
  {
    actor_system system("short", {.runtime = &rt});
    auto a = system.spawn<holder>({.supervision = {.backoff = {.initial = 1h}}});
    a.tell<fails>();
    rt.settle();
  }
  CHECK(rt.timers(clock_domain::user).size() == 0);
  rt.advance(2h);
}

TEST_CASE("a message that waits when its actor fails is handled by the new instance") {
  testkit::kit k;
  auto a = k.system().spawn<holder>(5);
  a.tell<fails>();
  a.tell<set_value>(7);
  CHECK(a.ask<get_value>().get() == 7);
}

TEST_CASE("many restarts without a backoff need no stack") {
  testkit::kit k;
  struct stillborn : actor<set_value> {
    explicit stillborn(std::shared_ptr<int> n) {
      if (++*n > 1) throw std::runtime_error("no more");
    }
    void on(set_value) { throw std::runtime_error("first"); }
  };
  auto n = std::make_shared<int>(0);
  auto a = k.system().spawn<stillborn>({.supervision = {.max_retries = 20'000, .within = 0s}}, n);
  a.tell<set_value>();
  k.settle();
  CHECK(a.is_terminated());
  CHECK(*n == 20'001);
}

TEST_CASE("resume after a constructor that threw does not run an actor without its object") {
  testkit::kit k;
  struct once : actor<set_value, get_value> {
    std::string text = "a text that is long enough to stand on the heap";
    explicit once(std::shared_ptr<int> n) {
      if (++*n == 2) throw bad_input("not again");
    }
    void on(set_value) { throw lost_connection("restart"); }
    int on(get_value) { return static_cast<int>(text.size()); }
  };
  auto n = std::make_shared<int>(0);
  auto a =
      k.system().spawn<once>({.supervision = {.decider = {on<bad_input>(directive::resume)}}}, n);
  a.tell<set_value>();
  const auto r = a.ask<get_value>().result();
  CHECK((r ? *r == 47 : r.error() == errc::actor_stopped));
}
