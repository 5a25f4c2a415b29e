// Names, lookup, references, spawning, dispatchers.

#include "common.test.hpp"

#include <unordered_set>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct ping {
  using reply = int;
};
struct pong {
  using reply = int;
};
struct spawn_child {
  using reply = any_ref;
  std::string name;
};
struct other {};

class plain : public actor<ping, pong, spawn_child> {
 public:
  int on(ping) { return 1; }
  int on(pong) { return 2; }
  any_ref on(spawn_child m) { return ctx().spawn<plain>({.name = m.name}); }
};

class narrow : public actor<ping> {
 public:
  int on(ping) { return 3; }
};

struct unsayable {};  // no std::exception
class stillborn : public actor<ping> {
 public:
  explicit stillborn(bool odd) {
    if (odd) throw unsayable();
    throw std::runtime_error("not today");
  }
  int on(ping) { return 0; }
};

/// Reaches for itself while it is constructed.
class early : public actor<ping, other> {
 public:
  explicit early(journal j) : journal_(std::move(j)) {
    self().tell<other>();
    auto me = ctx().system().lookup("early");
    if (me) me.as<early>().tell<other>();
    journal_->push_back("constructed");
  }
  void pre_start() { journal_->push_back("started"); }
  int on(ping) { return 1; }
  void on(other) { journal_->push_back("message"); }

 private:
  journal journal_;
};

}  // namespace

TEST_CASE("a name is unique among live siblings, and free again after the end") {
  testkit::kit k;
  auto a = k.system().spawn<plain>({.name = "a"});
  CHECK(thrown_by([&] { k.system().spawn<plain>({.name = "a"}); }) == errc::name_taken);
  CHECK(contains(text_by([&] { k.system().spawn<plain>({.name = "a"}); }), "/user/a"));
  CHECK(a.ask<spawn_child>("a").get().path() == "/user/a/a");
  k.system().stop(a);
  k.settle();
  auto again = k.system().spawn<plain>({.name = "a"});
  CHECK(again != a);
  CHECK(again.uid() != a.uid());
  CHECK(again.path() == a.path());
  CHECK(again.ask<ping>().get() == 1);
  CHECK(a.ask<ping>().result().error() == errc::actor_stopped);
}

TEST_CASE("a name is of letters, digits and a few signs") {
  testkit::kit k;
  for (const char* good : {"a", "A-Z", "x_1.2:3", "user@host", "a+b"})
    CHECK(k.system().spawn<plain>({.name = good}).path() == std::string("/user/") + good);
  for (const char* bad : {"a b", "a/b", "$1", "ü", "a\n", "#"}) {
    CAPTURE(bad);
    CHECK(thrown_by([&] { k.system().spawn<plain>({.name = bad}); }) == errc::invalid_argument);
  }
}

TEST_CASE("an actor is found by name and by path while it lives") {
  testkit::kit k;
  auto a = k.system().spawn<plain>({.name = "a"});
  auto b = a.ask<spawn_child>("b").get();
  CHECK(k.system().lookup("a") == a);
  CHECK(k.system().lookup("/user/a") == a);
  CHECK(k.system().lookup("a/b") == b);
  CHECK(k.system().lookup("/user/a/b") == b);
  for (const char* absent : {"b", "/a", "/user/", "", "/", "a/", "/user/a/b/c", "$", "/user/$zz"})
    CHECK(!k.system().lookup(absent));
  k.system().stop(a);
  k.settle();
  CHECK(!k.system().lookup("a"));
  CHECK(!k.system().lookup("a/b"));
}

TEST_CASE("an actor with a generated name is found by its path, also below others") {
  testkit::kit k;
  auto a = k.system().spawn<plain>();
  auto b = a.ask<spawn_child>("").get();
  CHECK(a.path().starts_with("/user/$"));
  CHECK(b.path().starts_with(a.path() + "/$"));
  CHECK(k.system().lookup(a.path()) == a);
  CHECK(k.system().lookup(b.path()) == b);
  auto c = a.ask<spawn_child>("named").get();
  CHECK(c.path() == a.path() + "/named");
  CHECK(k.system().lookup(c.path()) == c);
  std::set<std::string> paths;
  for (int i = 0; i < 1000; ++i) paths.insert(k.system().spawn<plain>().path());
  CHECK(paths.size() == 1000);
}

TEST_CASE("a typed lookup says whether there is none, or one that accepts less") {
  testkit::kit k;
  k.system().spawn<narrow>({.name = "n"});
  k.system().spawn<plain>({.name = "p"});
  CHECK(k.system().lookup<narrow>("n")->ask<ping>().get() == 3);
  CHECK(k.system().lookup<narrow>("p")->ask<ping>().get() == 1);
  const auto wrong = k.system().lookup<plain>("n");
  CHECK(wrong.error() == errc::wrong_type);
  CHECK(contains(wrong.error().text(), "/user/n"));
  const auto none = k.system().lookup<plain>("x");
  CHECK(none.error() == errc::no_such_actor);
  CHECK(contains(none.error().text(), "x"));
}

TEST_CASE("an untyped reference becomes a typed one when the actor accepts its messages") {
  testkit::kit k;
  const any_ref p = k.system().spawn<plain>();
  const any_ref n = k.system().spawn<narrow>();
  CHECK(p.as<plain>().ask<pong>().get() == 2);
  CHECK(p.as<narrow>().ask<ping>().get() == 1);
  CHECK(p.as<actor_ref<pong>>().ask<pong>().get() == 2);
  CHECK(!n.as<plain>());
  CHECK(!any_ref().as<plain>());
  CHECK(n.accepts<ping>());
  CHECK(!n.accepts<pong>());
}

TEST_CASE("a reference narrows to any of fewer messages, and stays the same actor") {
  testkit::kit k;
  auto a = k.system().spawn<plain>();
  actor_ref<pong, ping> reordered = a;
  actor_ref<pong> less = reordered;
  any_ref none = less;
  CHECK(less.ask<pong>().get() == 2);
  CHECK(none == a);
  CHECK(std::hash<any_ref>()(none) == std::hash<plain::ref>()(a));
  static_assert(!std::is_constructible_v<actor_ref<ping, pong>, actor_ref<ping>>);
  static_assert(sizeof(plain::ref) == sizeof(void*));
  std::unordered_set<any_ref> set{a, less, k.system().spawn<plain>()};
  CHECK(set.size() == 2);
  less = {};
  CHECK(!less);
  CHECK(less.is_terminated());
  CHECK(less.path().empty());
}

TEST_CASE("references outlive their system: what they are told is lost, asks fail") {
  plain::ref a;
  future<int> pending;
  {
    testkit::kit k;
    a = k.system().spawn<plain>({.name = "a"});
    pending = a.ask<ping>();
  }
  CHECK(a.is_terminated());
  a.tell<ping>();
  a.tell(ping{}, {.ttl = 1s, .priority = 3});
  CHECK(a.try_tell<ping>().error() == errc::actor_stopped);
  CHECK(a.ask<ping>().result().error() == errc::actor_stopped);
  // Answered while the system ended, or told that it did: it does not hang.
  const auto ended = pending.result();
  CHECK((ended || ended.error() == errc::actor_stopped));
  CHECK(a.path() == "/user/a");
  auto copy = a;
  CHECK(copy == a);
}

TEST_CASE("an unknown dispatcher is refused with the ones there are") {
  testkit::kit k({.system = {.dispatchers = {{.name = "io"}}}});
  const auto text = text_by([&] { k.system().spawn<plain>({.dispatcher = "oi"}); });
  CHECK(contains(text, "no dispatcher named \"oi\""));
  for (const char* known : {"default", "pinned", "blocking", "io"}) CHECK(contains(text, known));
  CHECK(k.system().snapshot().actors == 0);
}

TEST_CASE("actors run on each kind of dispatcher, and their children where they are told") {
  testkit::kit k({.system = {.dispatchers = {{.name = "io", .kind = executor_kind::blocking}}}});
  for (const char* where : {"", "default", "pinned", "blocking", "io"})
    CHECK(k.system().spawn<plain>({.dispatcher = where}).ask<ping>().get() == 1);
}

TEST_CASE("two dispatchers of one name are refused") {
  CHECK(thrown_by([] {
          testkit::kit k({.system = {.dispatchers = {{.name = "io"}, {.name = "io"}}}});
        }) == errc::config_invalid);
  CHECK(thrown_by([] { testkit::kit k({.system = {.dispatchers = {{.name = "pinned"}}}}); }) ==
        errc::config_invalid);
}

TEST_CASE("a dispatcher made elsewhere runs actors, under a name of its own") {
  testkit::kit k;
  std::shared_ptr<executor> mine =
      k.system().get_runtime().make_executor({.kind = executor_kind::pinned, .name = "mine"});
  k.system().add_dispatcher("mine", mine);
  CHECK(k.system().spawn<plain>({.dispatcher = "mine"}).ask<ping>().get() == 1);
  for (const char* taken : {"", "default", "pinned", "mine"})
    CHECK(thrown_by([&] { k.system().add_dispatcher(taken, mine); }) == errc::name_taken);
}

TEST_CASE("a constructor's exception is the spawn's, of whatever type") {
  testkit::kit k;
  CHECK(contains(text_by([&] { k.system().spawn<stillborn>(false); }), "not today"));
  CHECK(contains(text_by([&] { k.system().spawn<stillborn>(true); }), "unknown exception"));
  CHECK(thrown_by([&] { k.system().spawn<stillborn>(true); }) == errc::spawn_failed);
  CHECK(k.system().snapshot().actors == 0);
}

TEST_CASE("an actor object is made by spawn alone") {
  CHECK(thrown_by([] { plain p; }) == errc::invalid_argument);
}

TEST_CASE("a message sent during the construction comes after it, and after pre_start") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<early>({.name = "early"}, j);
  CHECK(a.ask<ping>().get() == 1);
  CHECK(all_of(j) == "constructed started message message");
}

TEST_CASE("two systems live side by side, and their actors talk") {
  simulated_runtime rt;
  actor_system one("one", {.runtime = &rt});
  actor_system two("two", {.runtime = &rt});
  auto a = one.spawn<plain>({.name = "same"});
  auto b = two.spawn(
      behavior(a,
               [](plain::ref& to, ping) -> task<int> { co_return 10 + co_await to.ask<ping>(); }),
      {.name = "same"});
  CHECK(b.ask<ping>().get() == 11);
  CHECK(one.name() == "one");
  CHECK(!two.lookup("other"));
}
