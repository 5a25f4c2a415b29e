// Publish and subscribe, and dead letters with their reasons.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct temperature {
  int degrees = 0;
};
struct humidity {
  int percent = 0;
};
struct count_seen {
  using reply = int;
};
struct get {
  using reply = int;
};
struct fails {
  using reply = int;
};
struct only_at_first {
  using reply = int;
};
struct change {};
struct wait {
  using reply = int;
};

class listener : public actor<temperature, humidity, count_seen> {
 public:
  void on(temperature t) { seen_ += t.degrees; }
  void on(humidity h) { seen_ += 1000 * h.percent; }
  int on(count_seen) { return seen_; }

 private:
  int seen_ = 0;
};

/// Takes one message and keeps at it.
class busy_listener : public actor<dead_letter, wait> {
 public:
  void on(const dead_letter&) {}
  task<int> on(wait) {
    co_await sleep(1h);
    co_return 0;
  }
};

class target : public actor<get, fails, only_at_first, change, wait> {
 public:
  int on(get) { return 1; }
  int on(fails) { throw std::runtime_error("on request"); }
  int on(only_at_first) { return 2; }
  void on(change) {
    ctx().become(behavior(0, [](int&, get) { return 3; }));
  }
  task<int> on(wait) {
    co_await sleep(1h);
    co_return 0;
  }
};

}  // namespace

TEST_CASE("an event becomes a message to each subscriber of its type") {
  testkit::kit k;
  auto& events = k.system().events();
  auto a = k.system().spawn<listener>();
  auto b = k.system().spawn<listener>();
  events.subscribe<temperature>(a);
  events.subscribe<temperature>(b);
  events.subscribe<humidity>(b);
  events.publish(temperature{20});
  events.publish(humidity{5});
  CHECK(a.ask<count_seen>().get() == 20);
  CHECK(b.ask<count_seen>().get() == 5020);
}

TEST_CASE("after unsubscribe no event comes, of any type") {
  testkit::kit k;
  auto& events = k.system().events();
  auto a = k.system().spawn<listener>();
  events.subscribe<temperature>(a);
  events.subscribe<humidity>(a);
  events.unsubscribe(a);
  events.publish(temperature{20});
  events.publish(humidity{5});
  CHECK(a.ask<count_seen>().get() == 0);
  CHECK(!events.wanted<temperature>());
}

TEST_CASE("a subscriber that has ended is forgotten, without dead letters") {
  testkit::kit k;
  auto& events = k.system().events();
  auto a = k.system().spawn<listener>();
  events.subscribe<temperature>(a);
  k.system().stop(a);
  k.settle();
  events.publish(temperature{20});
  events.publish(temperature{20});
  k.settle();
  CHECK(!events.wanted<temperature>());
  CHECK(k.system().dead_letters().empty());
}

TEST_CASE("subscribers of dead letters without room do not feed each other") {
  testkit::kit k;
  auto gone = k.system().spawn<listener>();
  k.system().stop(gone);
  const auto listeners = [&] {
    std::vector<actor_ref<dead_letter, wait>> all;
    for (int i = 0; i < 3; ++i) {
      all.push_back(k.system().spawn<busy_listener>({.mailbox = mailbox::bounded(1)}));
      all.back().tell<wait>();
    }
    return all;
  }();
  k.advance(1ms);  // each has taken its `wait`
  for (const auto& l : listeners) k.system().events().subscribe<dead_letter>(l);
  for (int i = 0; i < 3; ++i) gone.tell<humidity>(i);
  // The first one waits in each mailbox; the second and third are lost, once for each of the three.
  CHECK(k.system().dead_letters().size() == 3 + 2 * 3);
  CHECK(k.system().metrics().dead_letters == 3 + 2 * 3);
}

TEST_CASE("a function subscribes until its subscription goes, and may be moved") {
  testkit::kit k;
  auto& events = k.system().events();
  int seen = 0;
  {
    auto s = events.on<temperature>([&](const temperature& t) { seen += t.degrees; });
    events.publish(temperature{1});
    subscription moved = std::move(s);
    events.publish(temperature{2});
    moved.cancel();
    moved.cancel();
    events.publish(temperature{4});
  }
  {
    auto s = events.on<temperature>([&](const temperature& t) { seen += t.degrees; });
    events.publish(temperature{8});
  }
  events.publish(temperature{16});
  CHECK(seen == 11);
}

TEST_CASE("a subscriber may subscribe, publish and unsubscribe while it is called") {
  testkit::kit k;
  auto& events = k.system().events();
  int outer = 0;
  int inner = 0;
  subscription second;
  subscription first = events.on<temperature>([&](const temperature& t) {
    ++outer;
    if (t.degrees == 0) {
      second = events.on<temperature>([&](const temperature&) { ++inner; });
      events.publish(temperature{1});
    }
    if (t.degrees == 2) first.cancel();
  });
  events.publish(temperature{0});
  CHECK(outer == 2);
  CHECK(inner == 1);
  events.publish(temperature{2});
  events.publish(temperature{3});
  CHECK(outer == 3);
  CHECK(inner == 3);
}

TEST_CASE("a subscription may outlive its system") {
  subscription s;
  {
    testkit::kit k;
    s = k.system().events().on<temperature>([](const temperature&) {});
  }
  s.cancel();
}

TEST_CASE("events of one publisher keep their order to one subscriber") {
  testkit::kit k;
  auto p = k.probe<temperature, humidity>();
  k.system().events().subscribe<temperature>(p.ref());
  k.system().events().subscribe<humidity>(p.ref());
  for (int i = 0; i < 50; ++i) {
    k.system().events().publish(temperature{i});
    k.system().events().publish(humidity{i});
  }
  for (int i = 0; i < 50; ++i) {
    CHECK(p.expect<temperature>().degrees == i);
    CHECK(p.expect<humidity>().percent == i);
  }
}

TEST_CASE("a subscriber that throws keeps no event of the runtime from the others") {
  testkit::kit k;
  auto bad = k.system().events().on<actor_started>(
      [](const actor_started&) { throw std::runtime_error("bad listener"); });
  auto good = k.events<actor_started>();
  k.system().spawn<target>();
  CHECK(good.count() == 1);
}

TEST_CASE("each dead letter tells its reason, message, ways and whether it was an ask") {
  testkit::kit k;
  auto seen = k.events<dead_letter>();
  auto a = k.system().spawn<target>({.name = "a"});
  auto p = k.probe<note>("p");

  SUBCASE("unhandled") {
    a.tell<change>();
    a.tell<only_at_first>();
    CHECK(seen.await_one().reason == errc::unhandled);
  }
  SUBCASE("handler_failed") {
    a.tell<fails>();
    CHECK(seen.await_one().reason == errc::handler_failed);
  }
  SUBCASE("actor_stopped, from an actor") {
    k.system().stop(a);
    k.settle();
    p.tell(a, get{});
    const auto l = seen.await_one();
    CHECK(l.reason == errc::actor_stopped);
    CHECK(l.to == "/user/a");
    CHECK(l.from == "/user/p");
    CHECK(contains(l.message, "get"));
    CHECK(!l.was_ask);
    CHECK(l.trace != 0);
    CHECK(l.at == k.get_runtime().wall_now());
  }
  SUBCASE("actor_stopped, an ask from outside") {
    k.system().stop(a);
    k.settle();
    CHECK(!a.ask<get>().result());
    const auto l = seen.await_one();
    CHECK(l.was_ask);
    CHECK(l.from.empty());
  }
  SUBCASE("killed and actor_stopped") {
    a.tell<wait>();
    a.tell<get>();
    k.settle();
    k.system().kill(a);
    const auto both = seen.await(2);
    CHECK(both[0].reason == errc::killed);
    CHECK(both[1].reason == errc::actor_stopped);
  }
  SUBCASE("cancelled and expired asks") {
    a.tell<wait>();
    k.settle();
    {
      auto dropped = a.ask<get>();
    }
    CHECK(!a.ask<get>().within(10ms).result());
    k.advance(1h);
    const auto both = seen.await(2);
    CHECK(both[0].reason == errc::cancelled);
    CHECK(both[1].reason == errc::expired);
  }
  CHECK(k.system().metrics().dead_letters == k.system().dead_letters().size());
}

TEST_CASE("an unhandled message is told to the actor as well, when it listens") {
  testkit::kit k;
  auto said = new_journal();
  auto p = k.probe<note>("p");
  auto a = k.system().spawn(behavior(
      0,
      [said](int&, change, context& c) {
        c.become(behavior(0, [said](int&, const unhandled& u) {
          said->push_back(std::string(u.message.substr(u.message.rfind(':') + 1)) + "<" +
                          u.sender.path());
        }));
      },
      [](int&, get) { return 0; }));
  a.tell<change>();
  p.tell(a, get{});
  a.tell<get>();
  k.settle();
  CHECK(all_of(said) == "get</user/p get<");
  CHECK(letters(k.system()) == lines({"unhandled get", "unhandled get"}));
}

TEST_CASE("the last thousand and twenty-four dead letters are kept, oldest first") {
  testkit::kit k;
  auto a = k.system().spawn<target>();
  k.system().stop(a);
  k.settle();
  for (int i = 0; i < 1500; ++i) a.tell<get>();
  a.tell<change>();
  const auto kept = k.system().dead_letters();
  REQUIRE(kept.size() == 1024);
  CHECK(contains(kept.back().message, "change"));
  CHECK(kept.front().trace < kept.back().trace);
  CHECK(k.system().metrics().dead_letters == 1501);
}
