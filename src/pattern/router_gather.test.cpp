// Asks to several routees: broadcast, scatter_gather, tail_chopping.

#include "common.test.hpp"
#include <odeon/core/request_stream.hpp>
#include <odeon/pattern/router_group.hpp>

#include <memory>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

struct news {
  std::string text;
  friend bool operator==(const news&, const news&) = default;
};
struct price {
  std::string symbol;
  using reply = double;
};
struct unique_news {
  std::unique_ptr<int> n;
};
/// Says of itself that it can be copied, and cannot.
struct hidden_unique {
  std::vector<std::unique_ptr<int>> all;
};
struct ticks {
  using replies = int;
};

using probe = testkit::probe<news, price>;

/// Three probes behind one router.
struct group {
  template <class S>
  explicit group(S how) {
    for (int i = 0; i < 3; ++i) members.push_back(k.probe<news, price>("p" + std::to_string(i)));
    std::vector<actor_ref<news, price>> refs;
    for (auto& m : members) refs.push_back(m.ref());
    ref = router_group(k.system(), how, refs, {.name = "group"});
  }
  /// The members that have a request now; it is taken.
  std::vector<testkit::captured_request<price>> asked() {
    k.settle();
    std::vector<testkit::captured_request<price>> out;
    for (auto& m : members)
      if (m.pending() > 0) out.push_back(m.template expect_request<price>());
    return out;
  }
  testkit::kit k;
  std::vector<probe> members;
  actor_ref<news, price> ref;
};

std::size_t open_asks(const any_ref& r) { return router_control(r).stats().open_asks; }

}  // namespace

TEST_CASE("broadcast tells all, each its own copy") {
  group g(broadcast());
  g.ref.tell<news>("hello");
  for (auto& m : g.members) m.expect(news{"hello"});
}

TEST_CASE("an ask through broadcast resolves with the first reply; the others may stop") {
  group g(broadcast());
  auto answer = g.ref.ask<price>("ODN");
  auto requests = g.asked();
  REQUIRE(requests.size() == 3);
  CHECK(open_asks(g.ref) == 1);
  requests[1].reply(1.5);
  CHECK(answer.get() == 1.5);
  CHECK(open_asks(g.ref) == 0);
  requests[0].reply(2.5);
  requests[2].reply(3.5);
  g.k.settle();
  CHECK(g.k.system().late_replies().empty());
}

TEST_CASE("a good reply wins over errors that came before it; all failed is an error") {
  group g(scatter_gather(0, 1s));
  {
    auto answer = g.ref.ask<price>("ODN");
    auto requests = g.asked();
    REQUIRE(requests.size() == 3);
    requests[0].reply.fail({errc::refused, "no"});
    requests[1].reply.fail({errc::refused, "neither"});
    requests[2].reply(4.0);
    CHECK(answer.get() == 4.0);
  }
  auto answer = g.ref.ask<price>("ODN");
  for (auto& r : g.asked()) r.reply.fail({errc::refused, "closed"});
  auto r = answer.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::refused);
  CHECK(r.error().text() == "all 3 routees of /user/group failed; the last: closed");
}

TEST_CASE("scatter_gather without a reply in time is a timeout that says who was asked") {
  group g(scatter_gather(0, 1s));
  auto answer = g.ref.ask<price>("ODN");
  auto requests = g.asked();
  requests[0].reply.fail({errc::refused, "no"});
  g.k.advance(999ms);
  CHECK(open_asks(g.ref) == 1);
  g.k.advance(2ms);
  auto r = answer.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::ask_timeout);
  CHECK(
      contains(r.error().text(), "from /user/group within 1 s: sent to 3 of 3 routees, 1 failed"));
  CHECK(open_asks(g.ref) == 0);
  CHECK(g.k.system().metrics().ask_timeouts == 0);
}

TEST_CASE("the asker's own time ends an ask to several, and its text says where it was") {
  group g(broadcast());
  auto answer = g.ref.ask<price>("ODN").within(50ms);
  auto requests = g.asked();
  auto r = answer.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::ask_timeout);
  CHECK(contains(r.error().text(), "sent to 3 of 3 routees"));
  g.k.settle();
  CHECK(open_asks(g.ref) == 0);
}

TEST_CASE("an asker that goes away takes its asks back from all") {
  group g(scatter_gather(0, 10s));
  {
    auto dropped = g.ref.ask<price>("ODN");
    CHECK(g.asked().size() == 3);
  }
  CHECK(open_asks(g.ref) == 0);
}

TEST_CASE("tail_chopping asks one after the other, and a later one can answer") {
  group g(tail_chopping(0, 100ms, 1s));
  auto answer = g.ref.ask<price>("ODN");
  auto first = g.asked();
  REQUIRE(first.size() == 1);
  g.k.advance(99ms);
  CHECK(g.asked().empty());
  g.k.advance(2ms);
  auto second = g.asked();
  REQUIRE(second.size() == 1);
  SUBCASE("the second") {
    second[0].reply(2.0);
    CHECK(answer.get() == 2.0);
  }
  SUBCASE("the first, late") {
    first[0].reply(1.0);
    CHECK(answer.get() == 1.0);
  }
  SUBCASE("one that fails is followed by the next at once") {
    second[0].reply.fail({errc::refused, "no"});
    auto third = g.asked();
    REQUIRE(third.size() == 1);
    third[0].reply(3.0);
    CHECK(answer.get() == 3.0);
  }
  SUBCASE("none in time") {
    g.k.advance(1s);
    CHECK(g.asked().size() == 1);
    CHECK(answer.result().error() == errc::ask_timeout);
  }
  SUBCASE("all fail") {
    first[0].reply.fail({errc::refused, "no"});
    second[0].reply.fail({errc::refused, "no"});
    for (auto& third : g.asked()) third.reply.fail({errc::refused, "never"});
    CHECK(contains(answer.result().error().text(), "the last: never"));
  }
  g.k.advance(2s);
  CHECK(g.asked().size() <= 1);
  CHECK(open_asks(g.ref) == 0);
}

TEST_CASE("tail_chopping begins anywhere, and tells one") {
  group g(tail_chopping(0, 100ms, 1s));
  std::vector<int> begun(3);
  for (int i = 0; i < 60; ++i) {
    auto answer = g.ref.ask<price>("ODN");
    g.k.settle();
    for (std::size_t m = 0; m < 3; ++m)
      if (g.members[m].pending() > 0) {
        ++begun[m];
        g.members[m].expect_request<price>().reply(1.0);
      }
    CHECK(answer.get() == 1.0);
  }
  for (const int n : begun) CHECK(n > 5);
  g.ref.tell<news>("to one");
  g.k.settle();
  CHECK(g.members[0].pending() + g.members[1].pending() + g.members[2].pending() == 1);
}

TEST_CASE("routees that stop with the request fail the ask, and a group without members refuses") {
  group g(broadcast());
  auto answer = g.ref.ask<price>("ODN");
  for (auto& m : g.members) g.k.system().stop(m.ref());
  auto r = answer.result();
  REQUIRE(!r);
  g.k.settle();
  CHECK(router_control(g.ref).size() == 0);
  CHECK(!g.ref.is_terminated());
  auto refused = g.ref.ask<price>("ODN").result();
  REQUIRE(!refused);
  CHECK(refused.error() == errc::no_such_actor);
  CHECK(contains(refused.error().text(), "/user/group has no routees"));
}

TEST_CASE("a message that cannot be copied is refused by name") {
  struct reader : actor<unique_news, hidden_unique, ticks> {
    void on(unique_news) {}
    void on(hidden_unique) {}
    void on(ticks, replies_to<int> out) { out.finish(); }
  };
  testkit::kit k;
  auto pool = k.system().spawn<reader>({.name = "pool", .router = broadcast(2)});
  pool.tell<unique_news>(std::make_unique<int>(1));
  REQUIRE(k.system().dead_letters().size() == 1);
  CHECK(k.system().dead_letters().front().reason == errc::invalid_argument);
  CHECK(contains(router_control(pool).stats().last_refusal, "unique_news cannot be copied"));
  auto tried = pool.try_tell<hidden_unique>();
  REQUIRE(!tried);
  CHECK(contains(tried.error().text(), "hidden_unique cannot be copied"));
  // A stream of replies comes from one.
  auto stream = pool.request_stream<ticks>();
  const std::string end = text_by([&] { (void)stream.next().get(); });
  CHECK(contains(end, "a stream of replies comes from one actor"));
}

TEST_CASE("a message whose copy throws is refused, and its asker told") {
  struct thrower {
    using reply = int;
    std::shared_ptr<int> left;
    explicit thrower(std::shared_ptr<int> l) : left(std::move(l)) {}
    thrower(const thrower& o) : left(o.left) {
      if ((*left)-- <= 0) throw 7;
    }
    thrower(thrower&&) = default;
  };
  struct counter : actor<thrower> {
    int on(const thrower&) { return 1; }
  };
  testkit::kit k;
  auto pool = k.system().spawn<counter>({.name = "pool", .router = broadcast(3)});
  auto left = std::make_shared<int>(1);
  pool.tell<thrower>(left);
  REQUIRE(k.system().dead_letters().size() == 1);
  CHECK(contains(router_control(pool).stats().last_refusal, "unknown exception"));
  // Of an ask, those copies that could be made are asked.
  *left = 1;
  CHECK(pool.ask<thrower>(left).get() == 1);
}

TEST_CASE("sender and chain of a message to several are those of the one who sent it") {
  struct start {};
  struct asker : actor<start> {
    explicit asker(actor_ref<news, price> g) : group_(std::move(g)) {}
    task<void> on(start) {
      const double d = co_await group_.ask<price>("ODN");
      group_.tell<news>(std::to_string(static_cast<int>(d)));
    }
    actor_ref<news, price> group_;
  };
  group g(scatter_gather(0, 1s));
  auto a = g.k.system().spawn<asker>({.name = "asker"}, g.ref);
  a.tell<start>();
  for (auto& r : g.asked()) r.reply(7.0);
  for (auto& m : g.members) {
    m.expect(news{"7"});
    CHECK(m.sender() == a);
  }
}
