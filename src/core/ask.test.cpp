// Asking: answers, failures, timeouts that say where the request is, deadlines of chains.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct get {
  using reply = int;
};
struct slow_get {
  using reply = int;
  duration takes{};
};
struct keep {
  using reply = int;
};
struct drop_kept {};
struct drop_reply {
  using reply = int;
};
struct fails {
  using reply = int;
};
struct throws_with_reply_to {
  using reply = int;
};
struct throws_later_with_reply_to {
  using reply = int;
};
struct answers_then_asks {
  using reply = int;
};
struct relay {
  using reply = int;
  duration first{};  // it works before it asks on
  duration limit{};  // of its own ask; 0: none
};
struct try_it {
  using reply = std::string;
};
struct then_it {
  using reply = int;
};
struct answer_later {
  using reply = int;
};

class server : public actor<get, slow_get, keep, drop_kept, drop_reply, fails, throws_with_reply_to,
                            throws_later_with_reply_to> {
 public:
  int on(get) { return 7; }
  task<int> on(slow_get m) {
    co_await sleep(m.takes);
    co_return 8;
  }
  void on(keep, reply_to<int> r) { kept_.push_back(std::move(r)); }
  void on(drop_kept) { kept_.clear(); }
  void on(drop_reply, reply_to<int>) {}
  int on(fails) { throw std::runtime_error("the server's reason"); }
  void on(throws_with_reply_to, reply_to<int>) { throw std::runtime_error("before answering"); }
  task<void> on(throws_later_with_reply_to, reply_to<int>) {
    co_await sleep(1ms);
    throw std::runtime_error("after a while");
  }

 private:
  std::vector<reply_to<int>> kept_;
};

class client : public actor<relay, try_it, then_it, answers_then_asks, get> {
 public:
  explicit client(server::ref s) : server_(s) {}
  task<int> on(relay m) {
    if (m.first > duration::zero()) co_await sleep(m.first);
    auto f = server_.ask<slow_get>(10h);
    if (m.limit > duration::zero()) f = std::move(f).within(m.limit);
    co_return co_await std::move(f);
  }
  task<std::string> on(try_it) {
    const auto good = co_await server_.try_ask<get>();
    const auto bad = co_await server_.try_ask<fails>();
    co_return std::to_string(good.value()) + " " + bad.error().to_string();
  }
  void on(then_it, reply_to<int> r) {
    server_.ask<get>().then([r = std::move(r), this](result<int> got) mutable {
      seen_ = got.value_or(-1);
      r(seen_ * 2);
    });
  }
  void on(answers_then_asks, reply_to<int> r) {
    r(1);
    server_.ask<get>().then([this](result<int> got) { seen_ = got.value_or(-1) + 100; });
  }
  int on(get) { return seen_; }

 private:
  server::ref server_;
  int seen_ = 0;
};

}  // namespace

TEST_CASE("an ask gives the reply: awaited, blocking, as a result, and to a callback") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  auto c = k.system().spawn<client>(s);
  CHECK(s.ask<get>().get() == 7);
  CHECK(s.ask(get{}).result() == 7);
  CHECK(s.try_ask<get>().get() == 7);
  CHECK(contains(c.ask<try_it>().get(), "7 handler_failed: the server's reason"));
  CHECK(c.ask<then_it>().get() == 14);
  CHECK(c.ask<get>().get() == 7);
}

TEST_CASE("a callback outside of actors is called when the reply comes") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  std::optional<result<int>> seen;
  s.ask<slow_get>(10ms).then([&](result<int> r) { seen = r; });
  k.settle();
  CHECK(!seen);
  k.advance(10ms);
  CHECK(seen->value() == 8);
}

TEST_CASE("get throws an actor_error with the code and the text") {
  testkit::kit k;
  auto s = k.system().spawn<server>({.name = "s"});
  CHECK(thrown_by([&] { s.ask<fails>().get(); }) == errc::handler_failed);
  const auto text = text_by([&] { s.ask<fails>().get(); });
  CHECK(contains(text, "handler_failed: the server's reason"));
  CHECK(contains(text, "/user/s"));
}

TEST_CASE("a reply_to that is let go unanswered fails the ask with no_reply") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  CHECK(s.ask<drop_reply>().result().error() == errc::no_reply);
  auto kept = s.ask<keep>();
  k.settle();
  CHECK(!kept.is_ready());
  s.tell<drop_kept>();
  CHECK(kept.result().error() == errc::no_reply);
}

TEST_CASE("an exception of a handler that has a reply_to tells its asker the text") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  const auto at_once = s.ask<throws_with_reply_to>().result().error();
  CHECK(at_once == errc::handler_failed);
  CHECK(contains(at_once.text(), "before answering"));
  const auto later = s.ask<throws_later_with_reply_to>().result().error();
  CHECK(later == errc::handler_failed);
  CHECK(contains(later.text(), "after a while"));
}

TEST_CASE("an actor that goes lets go of the replies it kept") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  auto f = s.ask<keep>();
  k.settle();
  k.system().stop(s);
  CHECK(f.result().error() == errc::no_reply);
}

TEST_CASE("an ask may be made after the answer was given in the same handler") {
  testkit::kit k;
  auto c = k.system().spawn<client>(k.system().spawn<server>());
  CHECK(c.ask<answers_then_asks>().get() == 1);
  k.settle();
  CHECK(c.ask<get>().get() == 107);
}

TEST_CASE("an ask times out after the system's default, or after its own limit") {
  testkit::kit k({.system = {.ask_timeout = 3s}});
  auto s = k.system().spawn<server>();
  auto took = [&](auto ask) {
    const auto before = k.now();
    CHECK(ask().result().error() == errc::ask_timeout);
    return k.now() - before;
  };
  CHECK(took([&] { return s.ask<slow_get>(10s); }) == 3s);
  k.advance(10s);
  CHECK(took([&] { return s.ask<slow_get>(10s).within(20ms); }) == 20ms);
  k.advance(10s);
  CHECK(s.ask<slow_get>(10s).within(11s).get() == 8);
  CHECK(k.system().metrics().ask_timeouts == 2);
}

TEST_CASE("without a default an ask waits as long as it takes") {
  testkit::kit k({.system = {.ask_timeout = 0s}});
  auto s = k.system().spawn<server>();
  CHECK(s.ask<slow_get>(1000h).get() == 8);
}

TEST_CASE("the deadline of an ask bounds the asks made for it") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  auto c = k.system().spawn<client>(s);
  auto inner = k.events<ask_timed_out>([&](const auto& e) { return e.to == s.path(); });
  const auto before = k.now();
  SUBCASE("asked from a blocked thread") { CHECK(!c.ask<relay>(900ms).within(1s).result()); }
  SUBCASE("asked from another actor") {
    auto outer = k.system().spawn(behavior(c, [](client::ref& to, get) -> task<int> {
      co_return co_await to.ask<relay>(900ms).within(1s);
    }));
    CHECK(!outer.ask<get>().result());
  }
  SUBCASE("with a limit of its own that is longer") {
    CHECK(!c.ask<relay>(900ms, 10s).within(1s).result());
  }
  // The inner one had 100 ms left.
  CHECK(k.now() - before == 1s);
  k.advance(1ms);
  CHECK(inner.count() == 1);
}

TEST_CASE("an ask to an actor without a handler for it now is unhandled") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(
      0, [](int&, drop_kept, context& c) { c.become(behavior(0, [](int&, keep) { return 1; })); },
      [](int&, get) { return 2; }));
  a.tell<drop_kept>();
  CHECK(a.ask<get>().result().error() == errc::unhandled);
}

TEST_CASE("an ask through an empty reference is refused") {
  server::ref none;
  CHECK(thrown_by([&] { (void)none.ask<get>(); }) == errc::invalid_argument);
  CHECK(thrown_by([&] { none.tell<get>(); }) == errc::invalid_argument);
}

TEST_CASE("a blocking wait inside an actor is refused at once, and says what to do") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  auto a = k.system().spawn(behavior(s, [](server::ref& to, get) { return to.ask<get>().get(); }),
                            {.name = "a"});
  const auto before = k.now();
  const auto e = a.ask<get>().result().error();
  CHECK(e == errc::handler_failed);
  CHECK(contains(e.text(), "would_block"));
  CHECK(contains(e.text(), "/user/a"));
  CHECK(contains(e.text(), "co_await"));
  CHECK(k.now() == before);
}

TEST_CASE("an actor on the blocking dispatcher may wait") {
  testkit::kit k;
  auto s = k.system().spawn<server>();
  auto a = k.system().spawn(behavior(s, [](server::ref& to, get) { return to.ask<get>().get(); }),
                            {.dispatcher = "blocking"});
  CHECK(a.ask<get>().get() == 7);
}

TEST_CASE("a reply that comes after its ask gave up is a late_reply, and goes to nobody") {
  testkit::kit k;
  auto late = k.events<late_reply>();
  auto s = k.system().spawn<server>({.name = "s"});
  CHECK(s.ask<slow_get>(1s).within(100ms).result().error() == errc::ask_timeout);
  k.advance(1s);
  auto l = late.await_one();
  CHECK(l.given_up == errc::ask_timeout);
  CHECK(l.from == "/user/s");
  CHECK(l.to.empty());
  CHECK(contains(l.message, "slow_get"));
  {
    auto dropped = s.ask<slow_get>(1s);
  }
  k.advance(2s);
  CHECK(letters(k.system()) == lines({"cancelled slow_get"}));
  {
    auto dropped = s.ask<slow_get>(1s);
    k.settle();
  }
  k.advance(2s);
  CHECK(late.await_one().given_up == errc::cancelled);
  CHECK(k.system().late_replies().size() == 2);
  CHECK(k.system().metrics().late_replies == 2);
}

TEST_CASE("a promise to nobody tells its handler whether somebody waits") {
  testkit::kit k;
  auto open = std::make_shared<std::vector<bool>>();
  auto a = k.system().spawn(behavior(0, [open](int&, answer_later, reply_to<int> r) -> task<void> {
    open->push_back(r.is_open());
    co_await sleep(1s);
    open->push_back(r.is_open());
    open->push_back(r(1));
  }));
  {
    auto dropped = a.ask<answer_later>();
    k.settle();
  }
  k.advance(1s);
  CHECK(*open == std::vector{true, false, false});
}
