// One message to one routee: the simple strategies, and the life of a pool.

#include "common.test.hpp"
#include <odeon/pattern/router_control.hpp>
#include <odeon/pattern/routers.hpp>

#include <algorithm>
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
struct keyed {
  std::string account;
  int n = 0;
  [[nodiscard]] std::string_view routing_key() const { return account; }
};
enum class region { north, south };
struct placed {
  region where;
};
region routing_key(const placed& p) { return p.where; }
struct who {
  using reply = std::string;
};
struct breaks {
  using reply = void;
};
struct wait_for_go {
  using reply = int;
};
struct go {};
struct hold {
  using reply = int;
};

/// What the routees of a test have got.
struct record {
  std::vector<std::pair<std::string, int>> got;
  std::map<std::string, int> by;
  int made = 0;
  int ended = 0;
};

class worker : public actor<work, keyed, placed, who, breaks, wait_for_go, go, hold> {
 public:
  explicit worker(std::shared_ptr<record> r) : r_(std::move(r)) { ++r_->made; }
  void post_stop() { ++r_->ended; }
  void on(work m) { note(m.n); }
  void on(const keyed& m) { note(m.n); }
  void on(placed m) { note(static_cast<int>(m.where)); }
  std::string on(who) { return name(); }
  void on(breaks) { throw std::runtime_error("broken"); }
  void on(wait_for_go, reply_to<int> r) { waiting_ = std::move(r); }
  void on(go) { waiting_(1); }
  task<int> on(hold) {
    co_await sleep(1h);
    co_return 1;
  }

 private:
  std::string name() { return ctx().path().substr(ctx().path().rfind('/') + 1); }
  void note(int n) {
    r_->got.emplace_back(name(), n);
    ++r_->by[name()];
  }
  std::shared_ptr<record> r_;
  reply_to<int> waiting_;
};

struct pool {
  explicit pool(router how, spawn_options options = {}, testkit::kit_options ko = {})
      : k(std::move(ko)) {
    options.name = "pool";
    options.router = std::move(how);
    ref = k.system().spawn<worker>(options, r);
  }
  testkit::kit k;
  std::shared_ptr<record> r = std::make_shared<record>();
  worker::ref ref;
};

std::vector<errc> reasons(const actor_system& s) {
  std::vector<errc> out;
  for (const auto& l : s.dead_letters()) out.push_back(l.reason);
  return out;
}

}  // namespace

TEST_CASE("round_robin gives each message to the next routee in turn") {
  pool p(round_robin(3));
  for (int i = 0; i < 6; ++i) p.ref.tell<work>(i);
  p.k.settle();
  const std::map<std::string, int> even{{"r1", 2}, {"r2", 2}, {"r3", 2}};
  CHECK(p.r->by == even);
  std::set<std::string> answers;
  for (int i = 0; i < 3; ++i) answers.insert(p.ref.ask<who>().get());
  CHECK(answers == std::set<std::string>{"r1", "r2", "r3"});
  CHECK(p.ref.try_tell<work>(1).has_value());
  p.k.settle();
  CHECK(p.r->got.size() == 7);
  const auto stats = router_control(p.ref).stats();
  CHECK(stats.strategy == "round_robin");
  CHECK(stats.routed == 10);
  CHECK(stats.refused == 0);
}

TEST_CASE("random uses all routees, and a seed repeats its choices") {
  const auto run = [](std::uint64_t seed) {
    pool p(odeon::random(4), {}, {.seed = seed});
    for (int i = 0; i < 400; ++i) p.ref.tell<work>(i);
    p.k.settle();
    return p.r->by;
  };
  const auto first = run(7);
  CHECK(first.size() == 4);
  for (const auto& [name, n] : first) CHECK(n > 50);
  CHECK(run(7) == first);
  CHECK(run(8) != first);
}

TEST_CASE("routed messages never pass through the router's own mailbox") {
  pool p(round_robin(2));
  // The router's actor gets no turn: its messages would wait for ever.
  const auto before = p.k.system().metrics().messages;
  for (int i = 0; i < 10; ++i) p.ref.tell<work>(i);
  p.k.settle();
  CHECK(p.k.system().metrics().messages - before == 10);
  CHECK(p.r->got.size() == 10);
}

TEST_CASE("smallest_mailbox prefers whom the fewest wait for, and its counts go down again") {
  pool p(smallest_mailbox(2));
  p.k.settle();
  // r1 or r2 gets a lead of four by a way around the router.
  const auto routees = router_control(p.ref).routees();
  auto direct = routees[0].as<worker>();
  for (int i = 0; i < 4; ++i) direct.tell<work>(100);
  for (int i = 0; i < 4; ++i) p.ref.tell<work>(i);
  auto stats = router_control(p.ref).stats();
  CHECK(stats.routees[0].waiting == 4);
  CHECK(stats.routees[1].waiting == 4);
  p.k.settle();
  CHECK(p.r->by["r1"] == 4);
  CHECK(p.r->by["r2"] == 4);
  stats = router_control(p.ref).stats();
  CHECK(stats.routees[0].waiting == 0);
  CHECK(stats.routees[1].waiting == 0);
  // And again: nothing of before counts.
  for (int i = 0; i < 10; ++i) p.ref.tell<work>(i);
  p.k.settle();
  CHECK(p.r->by["r1"] == 9);
  CHECK(p.r->by["r2"] == 9);
}

TEST_CASE("smallest_mailbox sees bounded mailboxes as well") {
  pool p(smallest_mailbox(2), {.mailbox = mailbox::bounded(100)});
  p.k.settle();
  auto direct = router_control(p.ref).routees()[1].as<worker>();
  for (int i = 0; i < 6; ++i) direct.tell<work>(0);
  for (int i = 0; i < 4; ++i) p.ref.tell<work>(i);
  p.k.settle();
  CHECK(p.r->by["r1"] == 4);
  CHECK(p.r->by["r2"] == 6);
}

TEST_CASE("consistent_hash keeps a key at one routee, by any kind of key") {
  pool p(consistent_hash(4));
  for (int i = 0; i < 40; ++i) p.ref.tell(keyed{"account-" + std::to_string(i % 10), i % 10});
  for (int i = 0; i < 10; ++i) p.ref.tell(work{50}, {.key = 77});
  for (int i = 0; i < 10; ++i) p.ref.tell<placed>(region::south);
  p.k.settle();
  CHECK(p.r->got.size() == 60);
  std::map<int, std::set<std::string>> at;
  for (const auto& [name, n] : p.r->got) at[n].insert(name);
  for (const auto& [n, names] : at) CHECK(names.size() == 1);
  CHECK(p.r->by.size() > 1);
}

TEST_CASE("a message without a key is refused with a reason, told or asked") {
  pool p(consistent_hash(2));
  p.ref.tell<work>(1);
  CHECK(reasons(p.k.system()) == std::vector{errc::invalid_argument});
  auto answer = p.ref.ask<who>();
  auto r = answer.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::invalid_argument);
  CHECK(contains(r.error().text(), "has no key"));
  auto tried = p.ref.try_tell<work>(1);
  REQUIRE(!tried);
  CHECK(tried.error() == errc::invalid_argument);
  const auto stats = router_control(p.ref).stats();
  CHECK(stats.refused == 3);
  CHECK(contains(stats.last_refusal, "{.key = …}"));
  p.k.settle();
  CHECK(p.r->got.empty());
}

TEST_CASE("balancing: an idle routee takes what a busy one has no time for") {
  pool p(balancing(2));
  auto held = p.ref.ask<wait_for_go>();
  for (int i = 0; i < 6; ++i) p.ref.tell<work>(i);
  p.k.settle();
  CHECK(p.r->got.size() == 6);
  CHECK(router_control(p.ref).stats().waiting == 0);
}

TEST_CASE("balancing: the shared mailbox is bounded, and its limit is a reason") {
  pool p(balancing(1), {.mailbox = mailbox::bounded(2)});
  p.k.settle();
  for (int i = 0; i < 2; ++i) p.ref.tell<work>(i);
  auto r = p.ref.ask<who>().result();
  REQUIRE(!r);
  CHECK(r.error() == errc::mailbox_full);
  CHECK(contains(r.error().text(), "shared mailbox of /user/pool is full (2)"));
  p.k.settle();
  CHECK(p.r->got.size() == 2);
  pool oldest(balancing(1), {.mailbox = mailbox::bounded(2, overflow::drop_oldest)});
  oldest.k.settle();
  for (int i = 0; i < 4; ++i) oldest.ref.tell<work>(i);
  oldest.k.settle();
  CHECK(oldest.r->got.size() == 2);
  CHECK(oldest.r->got.front().second == 2);
}

TEST_CASE("balancing: what waits when the router stops is dead letters, and asks fail") {
  pool p(balancing(1));
  auto held = p.ref.ask<hold>();
  p.k.settle();
  p.ref.tell<work>(1);
  auto asked = p.ref.ask<who>();
  p.k.system().kill(p.ref);
  p.k.settle();
  CHECK(asked.result().error() == errc::actor_stopped);
  CHECK(held.result().error() == errc::killed);
  CHECK(std::ranges::count(reasons(p.k.system()), errc::actor_stopped) == 2);
}

TEST_CASE("a routee that fails is restarted by its own supervision, and keeps its messages") {
  pool p(round_robin(1));
  auto failed = p.ref.ask<breaks>();
  for (int i = 0; i < 3; ++i) p.ref.tell<work>(i);
  CHECK(failed.result().error() == errc::handler_failed);
  p.k.settle();
  CHECK(p.r->made == 2);
  CHECK(p.r->by["r1"] == 3);
  CHECK(router_control(p.ref).size() == 1);
}

TEST_CASE("a routee that stops for good is routed to no more; the last one ends the pool") {
  pool p(round_robin(2));
  auto watching = p.k.probe<work>();
  watching.watch(p.ref);
  auto routees = router_control(p.ref).routees();
  p.k.system().stop(routees[0]);
  p.k.settle();
  CHECK(router_control(p.ref).size() == 1);
  for (int i = 0; i < 4; ++i) p.ref.tell<work>(i);
  p.k.settle();
  CHECK(p.r->by["r2"] == 4);
  CHECK(p.k.system().dead_letters().empty());
  CHECK(router_control(p.ref).stats().stopped == 1);
  p.k.system().stop(routees[1]);
  p.k.settle();
  watching.expect_terminated(p.ref);
  p.ref.tell<work>(1);
  CHECK(reasons(p.k.system()) == std::vector{errc::actor_stopped});
}

TEST_CASE("with replace a routee that stopped has a successor of its name, and its keys") {
  pool p(consistent_hash(4, {.replace = true}));
  const auto place = [&](int key) {
    p.r->got.clear();
    p.ref.tell(work{}, {.key = static_cast<std::uint64_t>(key)});
    p.k.settle();
    return p.r->got.at(0).first;
  };
  std::vector<std::string> before;
  for (int key = 1; key <= 40; ++key) before.push_back(place(key));
  for (const any_ref& r : router_control(p.ref).routees()) p.k.system().stop(r);
  p.k.settle();
  CHECK(router_control(p.ref).size() == 4);
  CHECK(p.r->made == 8);
  CHECK(router_control(p.ref).stats().replaced == 4);
  for (int key = 1; key <= 40; ++key)
    CHECK(place(key) == before[static_cast<std::size_t>(key) - 1]);
}

TEST_CASE("successors are made at most ten times a minute") {
  pool p(round_robin(1, {.replace = true}));
  for (int i = 0; i < 11; ++i) {
    for (const any_ref& r : router_control(p.ref).routees()) p.k.system().stop(r);
    p.k.settle();
  }
  CHECK(router_control(p.ref).size() == 0);
  CHECK(router_control(p.ref).stats().replaced == 10);
  CHECK(p.ref.ask<who>().result().error() == errc::no_such_actor);
  p.k.advance(61s);
  CHECK(router_control(p.ref).size() == 1);
  CHECK(p.ref.ask<who>().get() == "r1");
}

TEST_CASE("stop of the router stops its routees first; then messages are dead letters") {
  pool p(round_robin(3));
  auto watching = p.k.probe<work>();
  watching.watch(p.ref);
  p.k.system().stop(p.ref);
  p.k.settle();
  watching.expect_terminated(p.ref);
  CHECK(p.r->ended == 3);
  p.ref.tell<work>(1);
  CHECK(p.ref.ask<who>().result().error() == errc::actor_stopped);
  CHECK(p.ref.is_terminated());
  CHECK(reasons(p.k.system()) == std::vector{errc::actor_stopped, errc::actor_stopped});
  CHECK(!p.k.system().lookup("pool/r1"));
  // The names are free again.
  auto again = p.k.system().spawn<worker>({.name = "pool", .router = round_robin(1)}, p.r);
  CHECK(again.ask<who>().get() == "r1");
}

TEST_CASE("a failure that is escalated goes through the pool to its parent") {
  struct begin {};
  struct parent : actor<begin> {
    explicit parent(std::shared_ptr<record> r) : r_(std::move(r)) {}
    void on(begin) {
      auto p = ctx().spawn<worker>({.name = "pool",
                                    .supervision = {.otherwise = directive::escalate},
                                    .router = round_robin(2)},
                                   r_);
      p.tell<breaks>();
    }
    std::shared_ptr<record> r_;
  };
  testkit::kit k;
  auto r = std::make_shared<record>();
  auto failures = k.events<actor_failed>();
  auto top = k.system().spawn<parent>({.name = "top"}, r);
  top.tell<begin>();
  k.settle();
  CHECK(failures.await(3).back().ref == top);  // the routee, the pool, the parent, which restarts
  CHECK(!k.system().lookup("top/pool"));
  CHECK(!top.is_terminated());
  CHECK(r->ended == 2);
}

TEST_CASE("a routee's constructor that throws fails the spawn, and leaves nothing behind") {
  struct fragile : actor<work> {
    explicit fragile(std::shared_ptr<int> left) {
      if ((*left)-- == 0) throw std::runtime_error("no more");
    }
    void on(work) {}
  };
  testkit::kit k;
  auto left = std::make_shared<int>(2);
  const auto spawn = [&] {
    (void)k.system().spawn<fragile>({.name = "pool", .router = round_robin(4)}, left);
  };
  CHECK(thrown_by(spawn) == errc::spawn_failed);
  k.settle();
  CHECK(k.system().snapshot().actors == 0);
  *left = 100;
  CHECK(thrown_by(spawn) == std::nullopt);
}

TEST_CASE("what makes no sense is refused when the pool is spawned") {
  testkit::kit k;
  auto r = std::make_shared<record>();
  const auto text = [&](router how, mailbox_options box = {}) {
    return text_by(
        [&] { (void)k.system().spawn<worker>({.mailbox = box, .router = std::move(how)}, r); });
  };
  CHECK(contains(text(round_robin()), "a pool has a size: .router = round_robin(4)"));
  CHECK(contains(text(round_robin(20'000)), "at most 10000 routees"));
  CHECK(contains(text(scatter_gather(2, 0s)), "scatter_gather waits for a reply is more than 0"));
  CHECK(contains(text(tail_chopping(2, 0s, 1s)), "the interval of tail_chopping"));
  CHECK(
      contains(text(round_robin(2, {.resize = resizer{.min = 3, .max = 2}})), "at least its min"));
  CHECK(contains(text(balancing(2), mailbox::priority()), "has no priorities"));
  CHECK(contains(text(balancing(2), mailbox::bounded(2, overflow::block)), "cannot block"));
  struct keeps_unique : actor<work> {
    explicit keeps_unique(const std::vector<std::unique_ptr<int>>&) {}
    void on(work) {}
  };
  CHECK(contains(text_by([&] {
                   (void)k.system().spawn<keeps_unique>({.router = round_robin(2)},
                                                        std::vector<std::unique_ptr<int>>());
                 }),
                 "cannot be copied"));
  k.settle();
  CHECK(k.system().snapshot().actors == 0);
}

TEST_CASE("a router is found by its name, and as what it stands for") {
  pool p(round_robin(2));
  auto found = p.k.system().lookup<worker>("pool");
  REQUIRE(found);
  CHECK(found->ask<who>().get() == "r1");
  CHECK(p.k.system().lookup("pool/r2").as<worker>().ask<who>().get() == "r2");
  CHECK(thrown_by([&] { router_control none(p.k.system().lookup("pool/r2")); }) ==
        errc::wrong_type);
}
