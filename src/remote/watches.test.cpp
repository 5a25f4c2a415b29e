// Watching, linking and stopping across nodes.

#include "fake_hub.test.hpp"
#include <odeon/core/signals.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::remote_test;
using namespace std::chrono_literals;

namespace remote_watches_test {

using lines = std::vector<std::string>;

struct poke {
  int n = 0;
};
/// What is watched.
class still : public actor<poke> {
 public:
  void on(poke) {}
};

struct look {
  any_ref at;
};
struct look_away {
  any_ref from;
};
struct tie_to {
  any_ref other;
};
struct untie_from {
  any_ref other;
};
class onlooker : public actor<look, look_away, tie_to, untie_from> {
 public:
  explicit onlooker(std::shared_ptr<lines> told, bool traps = true) : told_(std::move(told)) {
    ctx().trap_exits(traps);
  }
  void on(look m) { ctx().watch(m.at); }
  void on(look_away m) { ctx().unwatch(m.from); }
  void on(tie_to m) { ctx().link(m.other); }
  void on(untie_from m) { ctx().unlink(m.other); }
  void on(terminated t) { told_->push_back("terminated " + to_string(t.reason)); }
  void on(exit_signal s) { told_->push_back("exit " + to_string(s.reason)); }

 private:
  std::shared_ptr<lines> told_;
};

struct two {
  testkit::kit kit;
  fake_net net{kit.get_runtime()};
  remote_test::node a{net, "a:1"};
  std::unique_ptr<remote_test::node> b = std::make_unique<remote_test::node>(net, "b:1");
  std::shared_ptr<lines> told = std::make_shared<lines>();
  actor_ref<look, look_away, tie_to, untie_from> w = a.system.spawn<onlooker>({.name = "w"}, told);

  two() { b->net.expose<still>(); }
  any_ref far(const std::string& name) { return a.net.lookup<still>("b:1", name).get(); }
  any_ref spawn(const std::string& name) {
    b->system.spawn<still>({.name = name});
    return far(name);
  }
  void stop_there(const std::string& name) {
    b->system.stop(b->system.lookup(name));
    kit.settle();
  }
  [[nodiscard]] std::size_t ties(remote_test::node& n) const { return n.state->tie_count(); }
};

}  // namespace remote_watches_test

using namespace remote_watches_test;

TEST_CASE("a far actor's end is told once to each who watches it, with its reason") {
  two t;
  const any_ref x = t.spawn("x");
  auto more = std::make_shared<lines>();
  auto w2 = t.a.system.spawn<onlooker>({}, more);
  t.w.tell<look>(x);
  t.w.tell<look>(x);
  w2.tell<look>(x);
  t.kit.settle();
  CHECK(t.ties(t.a) == 2);
  CHECK(t.ties(*t.b) == 2);
  t.stop_there("x");
  CHECK(*t.told == lines{"terminated stopped"});
  CHECK(*more == lines{"terminated stopped"});
  CHECK(x.is_terminated());
  CHECK(t.ties(t.a) + t.ties(*t.b) == 0);
}

TEST_CASE("who does not watch any more, or has ended, is not told, and nothing is left of it") {
  two t;
  const any_ref x = t.spawn("x");
  t.w.tell<look>(x);
  t.w.tell<look_away>(x);
  auto w2 = t.a.system.spawn<onlooker>({}, t.told);
  w2.tell<look>(x);
  t.kit.settle();
  CHECK(t.ties(*t.b) == 1);
  t.a.system.stop(w2);
  t.kit.settle();
  CHECK(t.ties(t.a) + t.ties(*t.b) == 0);
  t.stop_there("x");
  CHECK(t.told->empty());
}

TEST_CASE("watching an actor that has ended, was never there or lives later is told at once") {
  two t;
  const any_ref x = t.spawn("x");
  t.stop_there("x");
  t.w.tell<look>(x);
  t.kit.settle();
  CHECK(t.told->size() == 1);
  CHECK(t.told->back().starts_with("terminated no such actor"));
  const any_ref never = t.a.state->resolve(address{"app", "b:1", "/user/never", 0}, {}).value();
  t.w.tell<look>(never);
  t.kit.settle();
  CHECK(t.told->size() == 2);
  t.b->system.spawn<still>({.name = "x"});
  const any_ref again = t.a.state->resolve(address{"app", "b:1", "/user/x", 77}, {}).value();
  t.w.tell<look>(again);
  t.kit.settle();
  CHECK(t.told->size() == 3);
  CHECK(t.told->back().find("later actor") != std::string::npos);
  CHECK(t.ties(t.a) + t.ties(*t.b) == 0);
}

TEST_CASE("watches survive a connection that comes back, and end with a peer that does not") {
  two t;
  const any_ref x = t.spawn("x");
  const any_ref y = t.spawn("y");
  t.w.tell<look>(x);
  t.w.tell<look>(y);
  t.kit.settle();
  t.net.cut("a:1", "b:1");
  t.stop_there("x");
  CHECK(t.told->empty());
  t.net.heal("a:1", "b:1");
  t.kit.settle();
  CHECK(*t.told == lines{"terminated stopped"});
  t.net.cut("a:1", "b:1");
  t.net.give_up("a:1", "b:1");
  t.kit.settle();
  REQUIRE(t.told->size() == 2);
  CHECK(t.told->back().starts_with("terminated unreachable"));
  CHECK(t.ties(t.a) + t.ties(*t.b) == 0);
}

TEST_CASE("when a peer comes back as another incarnation, its earlier actors have ended") {
  two t;
  const any_ref x = t.spawn("x");
  t.w.tell<look>(x);
  t.kit.settle();
  t.b.reset();
  t.kit.settle();
  REQUIRE(t.told->size() == 1);
  t.b = std::make_unique<remote_test::node>(t.net, "b:1");
  t.b->net.expose<still>();
  t.b->system.spawn<still>({.name = "x"});
  CHECK(t.far("x") != x);
  x.as<still>().tell<poke>(1);
  t.kit.settle();
  REQUIRE(t.b->system.dead_letters().size() == 1);
  CHECK(t.b->system.dead_letters()[0].reason == errc::stale);
  t.w.tell<look>(x);
  t.kit.settle();
  CHECK(t.told->size() == 2);
}

TEST_CASE("links go both ways: the end of either side is told to the other") {
  two t;
  const any_ref x = t.spawn("x");
  const any_ref y = t.spawn("y");
  const any_ref z = t.spawn("z");
  t.w.tell<tie_to>(x);
  t.w.tell<tie_to>(y);
  t.w.tell<tie_to>(z);
  t.w.tell<untie_from>(z);
  t.kit.settle();
  CHECK(t.ties(t.a) == 2);
  CHECK(t.ties(*t.b) == 2);
  t.stop_there("x");
  CHECK(*t.told == lines{"exit stopped"});
  t.a.system.stop(t.w);
  t.kit.settle();
  CHECK_FALSE(t.b->system.lookup("y"));
  CHECK(t.b->system.lookup("z"));
  CHECK(t.ties(t.a) + t.ties(*t.b) == 0);
}

TEST_CASE("a link to a lost peer ends, as does one to nobody") {
  two t;
  t.w.tell<tie_to>(t.spawn("x"));
  t.w.tell<tie_to>(t.a.state->resolve(address{"app", "b:1", "/user/never", 0}, {}).value());
  t.kit.settle();
  REQUIRE(t.told->size() == 1);
  CHECK(t.told->back().starts_with("exit no such actor"));
  t.net.give_up("a:1", "b:1");
  t.kit.settle();
  REQUIRE(t.told->size() == 2);
  CHECK(t.told->back().starts_with("exit unreachable"));
}

TEST_CASE("a far actor is stopped and killed, where its endpoint permits it, and never the root") {
  two t;
  const any_ref x = t.spawn("x");
  const any_ref y = t.spawn("y");
  t.a.system.stop(x);
  t.a.system.kill(y);
  t.a.system.stop(t.a.state->resolve(address{"app", "b:1", "/user", 0}, {}).value());
  t.kit.settle();
  CHECK_FALSE(t.b->system.lookup("x"));
  CHECK_FALSE(t.b->system.lookup("y"));
  CHECK_FALSE(t.b->system.is_terminating());
  remote_test::node c(t.net, "c:1", "app", {.stop = false});
  c.net.expose<still>();
  c.system.spawn<still>({.name = "x"});
  t.a.system.stop(t.a.net.lookup<still>("c:1", "x").get());
  t.kit.settle();
  CHECK(c.system.lookup("x"));
}

TEST_CASE("watches of one peer are bounded, and one more is refused with the reason") {
  two t;
  remote_test::node c(t.net, "c:1", "app", {.watches_per_peer = 1});
  c.net.expose<still>();
  c.system.spawn<still>({.name = "x"});
  c.system.spawn<still>({.name = "y"});
  t.w.tell<look>(t.a.net.lookup<still>("c:1", "x").get());
  t.w.tell<look>(t.a.net.lookup<still>("c:1", "y").get());
  t.kit.settle();
  REQUIRE(t.told->size() == 1);
  CHECK(t.told->back().find("bound, 1") != std::string::npos);
}

TEST_CASE("closing an endpoint tells who watches through it") {
  two t;
  const any_ref x = t.spawn("x");
  t.w.tell<look>(x);
  t.kit.settle();
  t.a.state->close();
  t.kit.settle();
  REQUIRE(t.told->size() == 1);
  t.w.tell<look>(x);
  t.kit.settle();
  CHECK(t.told->size() == 2);
}
