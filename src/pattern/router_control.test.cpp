// What changes while a router runs: its size, its members, by hand and by a resizer.

#include "common.test.hpp"
#include <odeon/pattern/hash_ring.hpp>
#include <odeon/pattern/resizer.hpp>
#include <odeon/pattern/router_group.hpp>

#include <map>
#include <memory>
#include <set>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

struct work {
  int n = 0;
};
struct who {
  using reply = std::string;
};
struct hold {
  using reply = int;
};
struct put_aside {
  int n;
};
struct take_up {};

struct record {
  std::map<int, std::string> by;
  std::vector<int> got;
  std::vector<reply_to<int>> held;
};

class worker : public actor<work, who, hold, put_aside, take_up> {
 public:
  explicit worker(std::shared_ptr<record> r) : r_(std::move(r)) {}
  void on(work m) {
    r_->got.push_back(m.n);
    r_->by[m.n] = ctx().path();
  }
  std::string on(who) { return ctx().path(); }
  task<int> on(hold) {
    co_await sleep(10s);
    co_return 1;
  }
  void on(const put_aside& m) {
    if (!taking_) {
      ctx().stash();
      return;
    }
    r_->got.push_back(m.n);
  }
  void on(take_up) {
    taking_ = true;
    ctx().unstash_all();
  }

 private:
  std::shared_ptr<record> r_;
  bool taking_ = false;
};

worker::ref make(testkit::kit& k, router how, const std::shared_ptr<record>& r) {
  return k.system().spawn<worker>({.name = "pool", .router = std::move(how)}, r);
}

template <class F>
errc code_of(F future) {
  auto r = future.result();
  return r ? errc{} : r.error().code();
}

}  // namespace

TEST_CASE("a pool is resized while it runs; what its surplus routees have is handled") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto pool = make(k, round_robin(4), r);
  router_control control(pool);
  for (int i = 0; i < 40; ++i) pool.tell<work>(i);
  pool.tell<work>(40);
  auto slow = pool.ask<hold>().within(1min);  // at r2
  CHECK(control.resize(1).get() == 1);
  CHECK(control.size() == 1);
  CHECK(pool.ask<who>().get() == "/user/pool/r1");
  CHECK(slow.get() == 1);
  k.settle();
  CHECK(r->got.size() == 41);
  CHECK(k.system().dead_letters().empty());
  CHECK(k.system().snapshot().actors == 2);
  CHECK(control.stats().leaving == 0);
  CHECK(control.resize(3).get() == 3);
  std::set<std::string> names;
  for (int i = 0; i < 3; ++i) names.insert(pool.ask<who>().get());
  CHECK(names == std::set<std::string>{"/user/pool/r1", "/user/pool/r2", "/user/pool/r3"});
  const auto stats = control.stats();
  CHECK(stats.added == 6);
  CHECK(stats.removed == 3);
  CHECK(stats.stopped == 0);
}

TEST_CASE("a routee in surplus waits for what it has put aside") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto pool = make(k, round_robin(2), r);
  router_control control(pool);
  const auto second = control.routees()[1].as<worker>();
  second.tell<put_aside>(7);
  CHECK(control.resize(1).get() == 1);
  k.settle();
  CHECK(!second.is_terminated());
  CHECK(control.stats().leaving == 1);
  second.tell<take_up>();
  k.settle();
  CHECK(r->got == std::vector{7});
  CHECK(second.is_terminated());
  CHECK(control.stats().leaving == 0);
}

TEST_CASE("kill of the router kills its routees: suspended handlers end at once") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto pool = make(k, round_robin(2), r);
  auto held = pool.ask<hold>().within(1min);
  k.settle();
  const time_point began = k.now();
  k.system().kill(pool);
  CHECK(code_of(std::move(held)) == errc::killed);
  k.settle();
  CHECK(pool.is_terminated());
  CHECK(k.now() == began);
}

TEST_CASE("tell_wait through a router waits for room at the routee, and tells a refusal") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto pool = k.system().spawn<worker>(
      {.mailbox = mailbox::bounded(1, overflow::block), .router = round_robin(1)}, r);
  auto held = pool.ask<hold>().within(1min);
  k.settle();
  auto first = pool.tell_wait<work>(1);
  auto second = pool.tell_wait<work>(2);
  first.get();
  k.settle();
  CHECK(r->got.empty());
  second.get();
  CHECK(held.get() == 1);
  k.settle();
  CHECK(r->got == std::vector{1, 2});
  auto keyed = make(k, consistent_hash(1), r);
  CHECK(code_of(keyed.tell_wait<work>(1)) == errc::invalid_argument);
}

TEST_CASE("a size that makes no sense is refused, and a group has members instead") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto pool = make(k, round_robin(2), r);
  router_control control(pool);
  CHECK(code_of(control.resize(0)) == errc::invalid_argument);
  CHECK(code_of(control.resize(10'001)) == errc::invalid_argument);
  CHECK(code_of(control.add(pool)) == errc::invalid_argument);
  CHECK(code_of(control.remove(pool)) == errc::invalid_argument);
  auto group = router_group(k.system(), round_robin(), {pool});
  CHECK(code_of(router_control(group).resize(2)) == errc::invalid_argument);
  CHECK(control.size() == 2);
  k.system().stop(pool);
  k.settle();
  CHECK(code_of(control.resize(2)) == errc::actor_stopped);
}

TEST_CASE("about 1/n of the keys move when one of n routees comes or goes") {
  constexpr std::size_t keys = 4000;
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto pool = make(k, consistent_hash(9), r);
  const auto places = [&] {
    r->by.clear();
    for (std::size_t i = 0; i < keys; ++i) pool.tell(work{static_cast<int>(i)}, {.key = i + 1});
    k.settle();
    return r->by;
  };
  const auto nine = places();
  REQUIRE(nine.size() == keys);
  std::map<std::string, std::size_t> share;
  for (const auto& [key, path] : nine) ++share[path];
  CHECK(share.size() == 9);
  for (const auto& [path, n] : share) {
    CHECK(n > keys / 9 * 6 / 10);
    CHECK(n < keys / 9 * 14 / 10);
  }
  CHECK(router_control(pool).resize(10).get() == 10);
  const auto ten = places();
  std::size_t moved = 0;
  for (const auto& [key, path] : ten) {
    if (path == nine.at(key)) continue;
    ++moved;
    CHECK(path == "/user/pool/r10");
  }
  CHECK(moved > keys / 10 * 6 / 10);
  CHECK(moved < keys / 10 * 14 / 10);
  CHECK(router_control(pool).resize(9).get() == 9);
  CHECK(places() == nine);
}

TEST_CASE("a hash ring's places are fixed") {
  const std::vector<std::uint64_t> ids{fnv1a("a"), fnv1a("b"), fnv1a("c")};
  const hash_ring ring(ids);
  std::string out;
  for (std::uint64_t key = 0; key < 24; ++key) out += static_cast<char>('a' + ring.node_of(key));
  CHECK(out == "ccbccaabbcbcaabaaacaabcb");
  CHECK(hash_ring().is_empty());
  CHECK(!ring.is_empty());
}

TEST_CASE("members of a group come and go; one that stops falls out") {
  testkit::kit k;
  auto a = k.probe<work>("a");
  auto b = k.probe<work>("b");
  auto c = k.probe<work>("c");
  auto group = router_group(k.system(), round_robin(), {a.ref(), b.ref()}, {.name = "group"});
  router_control control(group);
  CHECK(control.add(c.ref()).get() == 3);
  CHECK(control.add(c.ref()).get() == 3);
  for (int i = 0; i < 3; ++i) group.tell<work>(i);
  a.expect<work>();
  b.expect<work>();
  c.expect<work>();
  CHECK(control.remove(b.ref()).get() == 2);
  CHECK(code_of(control.remove(b.ref())) == errc::invalid_argument);
  k.system().stop(a.ref());
  k.settle();
  CHECK(control.size() == 1);
  for (int i = 0; i < 3; ++i) group.tell<work>(i);
  c.expect_n<work>(3);
  b.expect_no_mail();
  CHECK(!b.ref().is_terminated());
  k.system().stop(group);
  k.settle();
  CHECK(!c.ref().is_terminated());
  group.tell<work>(1);
  CHECK(k.system().dead_letters().back().reason == errc::actor_stopped);
}

TEST_CASE("a router cannot lead to itself, at whatever distance") {
  testkit::kit k;
  auto a = k.probe<work>("a");
  auto inner = router_group(k.system(), round_robin(), {a.ref()}, {.name = "inner"});
  auto outer = router_group(k.system(), round_robin(), {inner}, {.name = "outer"});
  outer.tell<work>(3);
  CHECK(a.expect<work>().n == 3);
  CHECK(code_of(router_control(inner).add(inner)) == errc::invalid_argument);
  auto r = router_control(inner).add(outer).result();
  REQUIRE(!r);
  CHECK(contains(r.error().text(), "/user/outer leads to /user/inner itself"));
  CHECK(thrown_by([&] {
          (void)router_group(k.system(), round_robin(), std::vector{actor_ref<work>()});
        }) == errc::invalid_argument);
}

TEST_CASE("a message goes through sixteen routers at most") {
  testkit::kit k;
  auto end = k.probe<work>("end");
  actor_ref<work> last = end.ref();
  for (int i = 0; i < 16; ++i) last = router_group(k.system(), round_robin(), {last});
  CHECK(last.try_tell<work>(1).has_value());
  CHECK(end.expect<work>().n == 1);
  auto r = router_group(k.system(), round_robin(), {last}).try_tell<work>(2);
  REQUIRE(!r);
  CHECK(r.error() == errc::limit_exceeded);
  end.expect_no_mail();
}

TEST_CASE("a resizer's delta: pressed pools grow, slack ones shrink, within the bounds") {
  const resizer r{.min = 2, .max = 10, .grow = 0.5, .shrink_below = 0.4, .shrink = 0.25};
  CHECK(r.delta(4, 4) == 2);
  CHECK(r.delta(9, 9) == 1);
  CHECK(r.delta(10, 10) == 0);
  CHECK(r.delta(3, 4) == 0);
  CHECK(r.delta(1, 4) == -1);
  CHECK(r.delta(0, 2) == 0);
  CHECK(r.delta(0, 0) == 2);
  CHECK(r.delta(20, 20) == -10);
  CHECK(r.wrong() == nullptr);
  CHECK(contains(resizer{.min = 0}.wrong(), "min is at least 1"));
  CHECK(contains(resizer{.grow = -1}.wrong(), "grow"));
  CHECK(contains(resizer{.shrink = 2}.wrong(), "shrink"));
  CHECK(contains(resizer{.shrink_below = 2}.wrong(), "shrink_below"));
  CHECK(contains(resizer{.every = 0s}.wrong(), "every"));
}

TEST_CASE("a pool under pressure grows to its bound, and shrinks when there is less to do") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  const resizer how{.min = 2, .max = 5, .grow = 0.5, .shrink = 0.5, .every = 100ms};
  auto pool = make(k, round_robin(1, {.resize = how}), r);
  router_control control(pool);
  CHECK(control.size() == 2);
  std::vector<future<int>> held;
  for (int i = 0; i < 40; ++i) held.push_back(pool.ask<hold>().within(1h));
  k.advance(100ms);
  CHECK(control.size() == 3);
  for (int i = 0; i < 40; ++i) held.push_back(pool.ask<hold>().within(1h));
  k.advance(100ms);
  CHECK(control.size() == 5);
  for (int i = 0; i < 40; ++i) held.push_back(pool.ask<hold>().within(1h));
  k.advance(200ms);
  CHECK(control.size() == 5);
  CHECK(control.resize(50).get() == 5);
  for (auto& h : held) CHECK(h.get() == 1);
  k.advance(1s);
  CHECK(control.size() == 2);
  CHECK(k.system().snapshot().actors == 3);
  CHECK(control.resize(1).get() == 2);
}

TEST_CASE("the resizer of balancing looks at the one mailbox") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  const resizer how{.min = 1, .max = 3, .pressure = 2, .grow = 1};
  auto pool = make(k, balancing(1, {.resize = how}), r);
  std::vector<future<int>> held;
  for (int i = 0; i < 8; ++i) held.push_back(pool.ask<hold>().within(1h));
  k.advance(300ms);
  CHECK(router_control(pool).size() == 3);
  for (auto& h : held) CHECK(h.get() == 1);
  k.advance(1s);
  CHECK(router_control(pool).size() == 1);
}
