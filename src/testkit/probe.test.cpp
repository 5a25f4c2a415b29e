#include <odeon/testkit/testkit.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace std::chrono_literals;

namespace {

struct ping {
  int n = 0;
  friend bool operator==(const ping&, const ping&) = default;
};
struct pong {
  int n = 0;
  friend bool operator==(const pong&, const pong&) = default;
};
struct price {
  using reply = double;
  std::string symbol;
};
struct rows {
  using replies = int;
};
struct throw_now {};

/// Answers each ping with a pong, after a delay.
class player : public actor<ping, throw_now> {
 public:
  explicit player(actor_ref<pong, ping> to, duration delay = {}) : to_(to), delay_(delay) {}
  task<void> on(ping p) {
    if (delay_ > duration::zero()) co_await sleep(delay_);
    to_.tell<pong>(p.n);
  }
  void on(throw_now) { throw std::runtime_error("thrown on request"); }

 private:
  actor_ref<pong, ping> to_;
  duration delay_;
};

/// What an expectation throws; empty when it holds.
std::string failure_of(auto&& expectation) {
  try {
    expectation();
  } catch (const testkit::assertion_error& e) {
    return e.what();
  }
  return {};
}

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a probe gives the messages in the order they came, with their senders") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>({.name = "a"}, p.ref());
  a.tell<ping>(1);
  a.tell<ping>(2);
  CHECK(p.expect<pong>().n == 1);
  CHECK(p.sender() == a);
  CHECK(p.expect(pong{2}) == pong{2});
  p.ref().tell<ping>(3);
  CHECK(p.expect<ping>().n == 3);
  CHECK(!p.sender());
}

TEST_CASE("an expectation of another type fails with what was expected and what came") {
  testkit::kit k({.seed = 7});
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>({.name = "a"}, p.ref());
  a.tell<ping>(1);
  a.tell<ping>(2);
  k.settle();
  const std::string text = failure_of([&] { p.expect<ping>(); });
  CHECK(contains(text,
                 "expected (anonymous namespace)::ping, but (anonymous namespace)::pong "
                 "from /user/a came; 1 more wait (seed 7) at "));
  CHECK(contains(text, "probe.test.cpp:"));
  CHECK(p.expect<pong>().n == 2);
}

TEST_CASE("an expectation fails when nothing comes within its limit, and virtual time has passed") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  const auto before = k.now();
  CHECK(contains(failure_of([&] { p.expect<pong>(250ms); }),
                 "expected (anonymous namespace)::pong within 250 ms, but nothing came"));
  CHECK(k.now() - before == 250ms);
}

TEST_CASE("an expectation waits for a message that takes time, and not longer") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>(p.ref(), 300ms);
  const auto before = k.now();
  a.tell<ping>(1);
  p.expect<pong>();
  CHECK(k.now() - before == 300ms);
}

TEST_CASE("an expected value that differs fails") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  p.ref().tell<pong>(1);
  CHECK(contains(failure_of([&] { p.expect(pong{2}); }), "expected another"));
}

TEST_CASE("no mail is expected for a while, and the first message breaks it") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>({.name = "a"}, p.ref(), 300ms);
  a.tell<ping>(1);
  p.expect_no_mail(299ms);
  CHECK(contains(failure_of([&] { p.expect_no_mail(1ms); }), "pong from /user/a came"));
}

TEST_CASE("fishing drops what does not match, and fails with how many that were") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  for (int i = 0; i < 5; ++i) p.ref().tell<pong>(i);
  CHECK(p.fish<pong>([](const pong& m) { return m.n == 3; }).n == 3);
  CHECK(p.pending() == 1);
  CHECK(contains(failure_of([&] { p.fish<ping>(nullptr); }), "and 1 other messages came"));
}

TEST_CASE("several messages are expected in order, or as so many of one type") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  auto send = [&] {
    p.ref().tell<ping>(1);
    p.ref().tell<pong>(2);
    p.ref().tell<pong>(3);
  };
  send();
  p.expect_all_in_order(ping{1}, pong{2}, pong{3});
  send();
  CHECK(failure_of([&] { p.expect_all_in_order(ping{1}, pong{3}); }) != "");
  p.clear();
  send();
  p.expect<ping>();
  CHECK(p.expect_n<pong>(2).back().n == 3);
  CHECK(contains(failure_of([&] { p.expect_n<pong>(1); }), "nothing came"));
}

TEST_CASE("a captured request is answered by the test") {
  testkit::kit k;
  auto p = k.probe<price>();
  auto f = p.ref().ask<price>("ODN");
  auto r = p.expect_request<price>();
  CHECK(r.message.symbol == "ODN");
  r.reply(12.5);
  CHECK(f.get() == 12.5);

  auto refused = p.ref().ask<price>("ODN");
  {
    auto dropped = p.expect_request<price>();
  }
  CHECK(refused.result().error() == errc::no_reply);
}

TEST_CASE("a captured stream is fed by the test") {
  testkit::kit k;
  auto p = k.probe<rows>();
  auto s = p.ref().request_stream<rows>();
  auto out = p.expect_stream<rows>();
  CHECK(out.replies.try_send(4));
  CHECK(s.next().get() == 4);
  out.replies.finish();
  CHECK(s.next().get() == std::nullopt);
}

TEST_CASE("a watched actor's end is expected with its reason") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>({.name = "a"}, p.ref());
  auto b = k.system().spawn<player>({.name = "b"}, p.ref());
  p.watch(a);
  p.watch(b);
  k.system().stop(a);
  CHECK(p.expect_terminated(a).kind == exit_kind::stopped);
  k.system().kill(b);
  CHECK(contains(failure_of([&] { p.expect<pong>(); }),
                 "but odeon::terminated of /user/b (killed) came"));
  p.watch(a);
  CHECK(contains(failure_of([&] { p.expect_terminated(b); }), "expected the end of /user/b"));
}

TEST_CASE("a link of a probe tells of the end without ending the probe") {
  testkit::kit k;
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>(p.ref());
  p.link(a);
  k.system().stop(a);
  CHECK(p.expect<exit_signal>().from == a);
  CHECK(!p.ref().is_terminated());
}

TEST_CASE("what a probe does on its turn has the probe as sender, and throws to the test") {
  testkit::kit k;
  auto p = k.probe<pong, ping>("p");
  auto q = k.probe<ping>();
  p.tell(q.ref(), ping{1});
  q.expect<ping>();
  CHECK(q.sender() == p.ref());
  CHECK_THROWS_AS(p.run([](context&) { throw std::logic_error("mine"); }), std::logic_error);
  CHECK(!p.ref().is_terminated());
  p.stop();
  k.settle();
  CHECK(p.ref().is_terminated());
}

TEST_CASE("a probe works on a threaded system, in bounded real time") {
  testkit::kit k({.threaded = true, .patience = 20s});
  auto p = k.probe<pong, ping>();
  auto a = k.system().spawn<player>(p.ref(), 5ms);
  a.tell<ping>(1);
  CHECK(p.expect<pong>().n == 1);
  CHECK(contains(failure_of([&] { p.expect<pong>(10ms); }), "nothing came"));
  p.watch(a);
  k.system().stop(a);
  p.expect_terminated(a);
  CHECK(contains(failure_of([&] { k.advance(1s); }), "on the simulated runtime only"));
}
