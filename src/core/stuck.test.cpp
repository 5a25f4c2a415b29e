// Stuck is named: where a request is when its ask times out, and cycles of asks.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct get {
  using reply = int;
};
struct block_on {
  using reply = int;
  duration takes{};
};
struct ask_on {
  using reply = int;
};
struct forget {
  using reply = int;
};
struct set_next {
  any_ref next;
};
struct fast {
  using reply = int;
};

/// Works for a while, forgets, or asks the next one.
class node : public actor<get, block_on, ask_on, forget, set_next, fast> {
 public:
  int on(get) { return 1; }
  task<int> on(block_on m) {
    co_await sleep(m.takes);
    co_return 2;
  }
  task<int> on(ask_on) {
    if (!next_) co_return 100;
    co_return 1 + co_await next_.ask<ask_on>().within(50s);
  }
  void on(forget, reply_to<int> r) { forgotten_.push_back(std::move(r)); }
  void on(set_next m) { next_ = m.next.as<node>(); }
  int on(fast) { return 3; }

 private:
  node::ref next_;
  std::vector<reply_to<int>> forgotten_;
};

template <bool Reentrant>
class selfish : public actor<ask_on, fast> {
 public:
  static constexpr bool reentrant = Reentrant;
  task<int> on(ask_on) { co_return co_await this->self().template ask<fast>(); }
  int on(fast) { return 5; }
};

std::string timeout_text(auto f) {
  auto r = std::move(f).within(100ms).result();
  REQUIRE(!r);
  CHECK(r.error() == errc::ask_timeout);
  return std::string(r.error().text());
}

/// n nodes, each asking the next, the last the first.
std::vector<node::ref> ring(testkit::kit& k, std::size_t n, call_cycle policy = call_cycle::deny) {
  std::vector<node::ref> out;
  for (std::size_t i = 0; i < n; ++i)
    out.push_back(k.system().spawn<node>(
        {.name = std::string(1, static_cast<char>('a' + i)), .call_cycle = policy}));
  for (std::size_t i = 0; i < n; ++i) out[i].tell<set_next>(out[(i + 1) % n]);
  k.settle();
  return out;
}

}  // namespace

TEST_CASE("a timeout says how long, of what, by whom") {
  testkit::kit k;
  auto a = k.system().spawn<node>({.name = "a"});
  const auto text = timeout_text(a.ask<block_on>(1h));
  CHECK(contains(text, "no reply to (anonymous namespace)::block_on from /user/a within 100 ms"));
}

TEST_CASE("a timeout of a queued request says at which depth, and what holds it up") {
  for (auto box : {mailbox::unbounded(), mailbox::bounded(100), mailbox::priority()}) {
    testkit::kit k;
    auto a = k.system().spawn<node>({.name = "a", .mailbox = box});
    auto busy = a.ask<block_on>(1h).within(2h);
    k.settle();
    for (int i = 0; i < 3; ++i) a.tell<get>();
    const auto text = timeout_text(a.ask<get>());
    CHECK(contains(text, "queued at depth 3"));
    CHECK(contains(text, "block_on is suspended"));
  }
}

TEST_CASE("a timeout of a request set aside says so, and not that it was taken") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(0, [](int&, const get&, context& c) {
    c.stash();
    return 0;
  }));
  const auto text = timeout_text(a.ask<get>());
  CHECK(contains(text, "set aside in its stash"));
  CHECK(!contains(text, "taken"));
}

TEST_CASE("a timeout of a request in hand says since when its handler runs") {
  testkit::kit k;
  auto a = k.system().spawn<node>({.name = "a"});
  const auto text = timeout_text(a.ask<block_on>(1h));
  CHECK(contains(text, "taken"));
  CHECK(contains(text, "block_on is suspended"));
  CHECK(contains(text, "since 100 ms"));
}

TEST_CASE("a timeout says for whom the handler waits") {
  testkit::kit k;
  auto b = k.system().spawn<node>({.name = "b"});
  auto a = k.system().spawn<node>({.name = "a"});
  a.tell<set_next>(b);
  auto busy = b.ask<block_on>(1h).within(2h);
  a.tell<ask_on>();
  k.settle();
  const auto text = timeout_text(a.ask<get>());
  CHECK(contains(text, "queued at depth 0"));
  CHECK(contains(text, "ask_on is suspended"));
  CHECK(contains(text, "waiting for /user/b"));
}

TEST_CASE("a timeout of a request that was taken and forgotten says so") {
  testkit::kit k;
  auto a = k.system().spawn<node>({.name = "a"});
  CHECK(contains(timeout_text(a.ask<forget>()), "taken, and not answered; the actor is idle"));
}

TEST_CASE("each timeout is an event with the same place") {
  testkit::kit k;
  auto events = k.events<ask_timed_out>();
  auto a = k.system().spawn<node>({.name = "a"});
  const auto text = timeout_text(a.ask<forget>());
  const auto e = events.await_one();
  CHECK(e.to == "/user/a");
  CHECK(contains(e.message, "forget"));
  CHECK(contains(text, e.where));
  CHECK(e.trace != 0);
}

TEST_CASE("a cycle of asks fails at once with the whole chain") {
  for (std::size_t n : {1U, 2U, 3U}) {
    CAPTURE(n);
    testkit::kit k;
    auto cycles = k.events<call_cycle_found>();
    auto nodes = ring(k, n);
    const auto before = k.now();
    const auto e = nodes[0].ask<ask_on>().result().error();
    CHECK(k.now() == before);
    CHECK(e == errc::handler_failed);
    CHECK(contains(e.text(), "call_cycle"));
    const auto found = cycles.await_one();
    CHECK(!found.allowed);
    for (std::size_t i = 0; i < n; ++i)
      CHECK(contains(found.chain, nodes[i].path() + " asks " + nodes[(i + 1) % n].path() + " ("));
    CHECK(contains(e.text(), found.chain));
    CHECK(k.system().metrics().call_cycles == 1);
  }
}

TEST_CASE("a cycle is found without a default timeout as well") {
  testkit::kit k({.system = {.ask_timeout = 0s}});
  auto a = k.system().spawn(behavior(
      any_ref(), [](any_ref& next, set_next m) { next = m.next; },
      [](any_ref& next, ask_on) -> task<int> {
        co_return co_await next.as<actor_ref<ask_on>>().ask<ask_on>();
      }));
  a.tell<set_next>(a);
  CHECK(a.ask<ask_on>().within(1h).result().error() == errc::handler_failed);
  CHECK(k.system().metrics().call_cycles == 1);
}

TEST_CASE("with allow_in_chain the request is let in beside the suspended handler") {
  testkit::kit k;
  auto cycles = k.events<call_cycle_found>();
  auto e = k.system().spawn(
      behavior(
          actor_ref<ask_on>(),
          [](actor_ref<ask_on>& to, set_next m) { to = m.next.as<actor_ref<ask_on>>(); },
          [](actor_ref<ask_on>& to, ask_on) -> task<int> {
            co_return 1 + co_await to.ask<ask_on>();
          },
          [](actor_ref<ask_on>&, fast) { return 3; }),
      {.name = "e", .call_cycle = call_cycle::allow_in_chain});
  auto loop = k.system().spawn(behavior(
      e.as<actor_ref<fast>>(),
      [](actor_ref<fast>& to, ask_on) -> task<int> { co_return 10 * co_await to.ask<fast>(); }));
  e.tell<set_next>(loop);
  const auto before = k.now();
  CHECK(e.ask<ask_on>().get() == 31);
  CHECK(k.now() == before);
  CHECK(cycles.await_one().allowed);
}

TEST_CASE("only the chain's own request is let in, the others keep waiting in their order") {
  testkit::kit k;
  auto said = new_journal();
  using next_ref = actor_ref<fast>;
  auto e = k.system().spawn(behavior(
                                any_ref(), [](any_ref& n, set_next m) { n = m.next; },
                                [said](any_ref& n, ask_on) -> task<int> {
                                  said->push_back("begin");
                                  const int got = co_await n.as<actor_ref<ask_on>>().ask<ask_on>();
                                  said->push_back("end");
                                  co_return got;
                                },
                                [said](any_ref&, fast) {
                                  said->push_back("fast");
                                  return 3;
                                },
                                [said](any_ref&, block_on) {
                                  said->push_back("other");
                                  return 0;
                                }),
                            {.call_cycle = call_cycle::allow_in_chain});
  auto back = k.system().spawn(behavior(e.as<next_ref>(), [](next_ref& to, ask_on) -> task<int> {
    co_await sleep(10ms);
    co_return co_await to.ask<fast>();
  }));
  e.tell<set_next>(back);
  auto f = e.ask<ask_on>();
  k.settle();
  e.tell<block_on>();
  e.tell<fast>();
  CHECK(f.get() == 3);
  k.settle();
  CHECK(all_of(said) == "begin fast end other fast");
}

TEST_CASE("a cycle that is allowed all the way round ends") {
  testkit::kit k;
  auto a = k.system().spawn(
      behavior(
          std::pair(any_ref(), 0), [](std::pair<any_ref, int>& s, set_next m) { s.first = m.next; },
          [](std::pair<any_ref, int>& s, ask_on) -> task<int> {
            if (++s.second > 3) co_return s.second;
            co_return co_await s.first.as<actor_ref<ask_on>>().ask<ask_on>();
          }),
      {.call_cycle = call_cycle::allow_in_chain});
  a.tell<set_next>(a);
  CHECK(a.ask<ask_on>().get() == 4);
}

TEST_CASE("a reentrant actor may ask itself, another may not") {
  testkit::kit k;
  auto plain = k.system().spawn<selfish<false>>();
  CHECK(plain.ask<ask_on>().result().error() == errc::handler_failed);
  CHECK(k.system().metrics().call_cycles == 1);
  auto open = k.system().spawn<selfish<true>>();
  CHECK(open.ask<ask_on>().get() == 5);
  CHECK(k.system().metrics().call_cycles == 1);
}

TEST_CASE("waiting for each other in no cycle is no cycle") {
  testkit::kit k;
  auto last = k.system().spawn<node>();
  std::vector<node::ref> chain{last};
  for (int i = 0; i < 100; ++i) {
    chain.push_back(k.system().spawn<node>());
    chain.back().tell<set_next>(chain[chain.size() - 2]);
  }
  CHECK(chain.back().ask<ask_on>().get() == 200);
  CHECK(k.system().metrics().call_cycles == 0);
}
