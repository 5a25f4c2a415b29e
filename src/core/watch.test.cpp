// Watching and linking.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct fails {};
struct die {};
struct get {
  using reply = int;
};
struct do_watch {
  any_ref what;
};
struct do_unwatch {
  any_ref what;
};
struct do_link {
  any_ref what;
};
struct do_unlink {
  any_ref what;
};
struct trap {
  bool on = true;
};
struct wait_then_unwatch {
  using reply = int;
  any_ref what;
};
struct lines_of {
  using reply = std::string;
};

class mortal : public actor<fails, die, get> {
 public:
  void on(fails) { throw std::runtime_error("mortal failed"); }
  void on(die) { ctx().stop(); }
  int on(get) { return 1; }
};

/// Watches and links as it is told, and writes down what it hears.
class observer : public actor<do_watch, do_unwatch, do_link, do_unlink, trap, wait_then_unwatch,
                              lines_of, fails> {
 public:
  void on(do_watch m) { ctx().watch(m.what); }
  void on(do_unwatch m) { ctx().unwatch(m.what); }
  void on(do_link m) { ctx().link(m.what); }
  void on(do_unlink m) { ctx().unlink(m.what); }
  void on(trap m) { ctx().trap_exits(m.on); }
  task<int> on(wait_then_unwatch m) {
    co_await sleep(10ms);
    ctx().unwatch(m.what);
    co_return 1;
  }
  void on(terminated t) { said_ += "[" + t.ref.path() + " " + to_string(t.reason) + "]"; }
  void on(exit_signal s) { said_ += "{" + s.from.path() + " " + to_string(s.reason) + "}"; }
  std::string on(lines_of) { return said_; }
  void on(fails) { throw std::runtime_error("observer failed"); }

 private:
  std::string said_;
};

struct pair {
  testkit::kit k;
  observer::ref o = k.system().spawn<observer>({.name = "o"});
  mortal::ref m =
      k.system().spawn<mortal>({.name = "m", .supervision = {.otherwise = directive::stop}});
  std::string heard() { return o.ask<lines_of>().get(); }
  void end(const any_ref& r) {
    k.system().stop(r);
    k.settle();
  }
};

}  // namespace

TEST_CASE("a watcher hears once of an end, with its reason") {
  pair p;
  p.o.tell<do_watch>(p.m);
  p.k.settle();
  SUBCASE("stopped") {
    p.m.tell<die>();
    p.k.settle();
    CHECK(p.heard() == "[/user/m stopped]");
  }
  SUBCASE("failed") {
    p.m.tell<fails>();
    p.k.settle();
    CHECK(p.heard() == "[/user/m failed: mortal failed]");
  }
  SUBCASE("killed") {
    p.k.system().kill(p.m);
    p.k.settle();
    CHECK(p.heard() == "[/user/m killed]");
  }
}

TEST_CASE("watching what has ended already is answered at once, with its reason") {
  pair p;
  p.m.tell<fails>();
  p.k.settle();
  p.o.tell<do_watch>(p.m);
  CHECK(p.heard() == "");
  p.k.settle();
  CHECK(p.heard() == "[/user/m failed: mortal failed]");
}

TEST_CASE("watching twice is watching once, and it may be watched again after its end") {
  pair p;
  p.o.tell<do_watch>(p.m);
  p.o.tell<do_watch>(p.m);
  p.k.settle();
  p.end(p.m);
  CHECK(p.heard() == "[/user/m stopped]");
  p.o.tell<do_watch>(p.m);
  p.k.settle();
  CHECK(p.heard() == "[/user/m stopped][/user/m stopped]");
}

TEST_CASE("after unwatch nothing is heard any more") {
  pair p;
  p.o.tell<do_watch>(p.m);
  p.o.tell<do_unwatch>(p.m);
  p.k.settle();
  p.end(p.m);
  CHECK(p.heard() == "");
}

TEST_CASE("unwatch takes a signal back that has come already") {
  pair p;
  p.o.tell<do_watch>(p.m);
  p.k.settle();
  auto f = p.o.ask<wait_then_unwatch>(p.m);
  p.k.settle();
  p.end(p.m);  // its signal waits behind the suspended handler
  CHECK(f.get() == 1);
  p.k.settle();
  CHECK(p.heard() == "");
}

TEST_CASE("unwatching what is not watched does nothing, and a watch of nothing is refused") {
  pair p;
  p.o.tell<do_unwatch>(p.m);
  CHECK(p.heard() == "");
  auto failed = p.k.events<actor_failed>();
  p.o.tell<do_watch>(any_ref());
  CHECK(contains(failed.await_one().why.what, "invalid_argument"));
}

TEST_CASE("a restart is no end: watchers hear nothing, and go on watching") {
  testkit::kit k;
  auto o = k.system().spawn<observer>();
  auto m = k.system().spawn<mortal>({.name = "m"});
  o.tell<do_watch>(m);
  m.tell<fails>();
  k.settle();
  CHECK(o.ask<lines_of>().get() == "");
  k.system().stop(m);
  k.settle();
  CHECK(o.ask<lines_of>().get() == "[/user/m stopped]");
}

TEST_CASE("a signal overtakes messages that wait") {
  testkit::kit k;
  auto said = new_journal();
  auto m = k.system().spawn<mortal>({.name = "m"});
  auto o = k.system().spawn(behavior(
      0, [](int&, do_watch w, context& c) { c.watch(w.what); },
      [](int&, get) -> task<int> {
        co_await sleep(10ms);
        co_return 0;
      },
      [said](int&, die) { said->push_back("message"); },
      [said](int&, terminated) { said->push_back("signal"); }));
  o.tell<do_watch>(m);
  o.tell<get>();
  o.tell<die>();
  k.settle();
  k.system().stop(m);
  k.advance(10ms);
  CHECK(all_of(said) == "signal message");
}

TEST_CASE("an actor without a handler for the signal watches in vain, without harm") {
  testkit::kit k;
  auto m = k.system().spawn<mortal>();
  auto o = k.system().spawn(behavior(
      0, [](int&, do_watch w, context& c) { c.watch(w.what); }, [](int& n, get) { return ++n; }));
  o.tell<do_watch>(m);
  k.settle();
  k.system().stop(m);
  k.settle();
  CHECK(o.ask<get>().get() == 1);
  CHECK(k.system().dead_letters().empty());
}

TEST_CASE("a linked actor ends with the other, for whatever reason, both ways") {
  auto check = [](auto end, bool other_way) {
    pair p;
    auto w = p.k.probe<note>();
    p.o.tell<do_link>(p.m);
    p.k.settle();
    const any_ref first = other_way ? any_ref(p.o) : any_ref(p.m);
    const any_ref second = other_way ? any_ref(p.m) : any_ref(p.o);
    w.watch(second);
    end(p, first);
    const auto reason = w.expect_terminated(second);
    CHECK(reason.kind == exit_kind::linked);
    CHECK(contains(reason.text, first.path() + " ended"));
  };
  for (bool way : {false, true}) {
    check([](pair& p, const any_ref& r) { p.k.system().stop(r); }, way);
    check([](pair& p, const any_ref& r) { p.k.system().kill(r); }, way);
  }
  check([](pair& p, const any_ref&) { p.m.tell<fails>(); }, false);
}

TEST_CASE("an actor that traps exits gets a signal in place of its end") {
  pair p;
  p.o.tell<trap>(true);
  p.o.tell<do_link>(p.m);
  p.m.tell<fails>();
  p.k.settle();
  CHECK(p.heard() == "{/user/m failed: mortal failed}");
  CHECK(!p.o.is_terminated());
}

TEST_CASE("linking with what has ended already ends or signals at once") {
  pair p;
  p.end(p.m);
  SUBCASE("trapped") {
    p.o.tell<trap>(true);
    p.o.tell<do_link>(p.m);
    p.k.settle();
    CHECK(p.heard() == "{/user/m stopped}");
  }
  SUBCASE("not trapped") {
    p.o.tell<do_link>(p.m);
    p.k.settle();
    CHECK(p.o.is_terminated());
  }
}

TEST_CASE("after unlink neither ends with the other") {
  pair p;
  p.o.tell<do_link>(p.m);
  p.o.tell<do_unlink>(p.m);
  p.k.settle();
  SUBCASE("one") {
    p.end(p.m);
    CHECK(!p.o.is_terminated());
  }
  SUBCASE("the other") {
    p.end(p.o);
    CHECK(!p.m.is_terminated());
  }
}

TEST_CASE("links pass an end on through a chain") {
  testkit::kit k;
  std::vector<observer::ref> chain;
  for (int i = 0; i < 20; ++i) chain.push_back(k.system().spawn<observer>());
  for (std::size_t i = 0; i + 1 < chain.size(); ++i) chain[i].tell<do_link>(chain[i + 1]);
  k.settle();
  k.system().kill(chain[10]);
  k.settle();
  for (const auto& c : chain) CHECK(c.is_terminated());
}

TEST_CASE("trap_exits can be switched off again") {
  pair p;
  p.o.tell<trap>(true);
  p.o.tell<trap>(false);
  p.o.tell<do_link>(p.m);
  p.k.settle();
  p.end(p.m);
  CHECK(p.o.is_terminated());
}

TEST_CASE("an actor whose system is gone is told as such to a watcher of another system") {
  simulated_runtime rt;
  actor_system here("here", {.runtime = &rt});
  testkit::kit k(here);
  auto o = here.spawn<observer>();
  any_ref gone;
  {
    actor_system there("there", {.runtime = &rt});
    gone = there.spawn<mortal>();
  }
  o.tell<do_watch>(gone);
  k.settle();
  CHECK(contains(o.ask<lines_of>().get(), "no such actor"));
  o.tell<do_link>(gone);
  k.settle();
  CHECK(o.is_terminated());
  here.stop(gone);
  here.kill(gone);
  k.settle();
}
