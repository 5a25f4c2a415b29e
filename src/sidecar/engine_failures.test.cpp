#include "sidecar/engine.test.hpp"

namespace odeon::sidecar {
namespace {

using namespace testing;

struct one_actor : world {
  explicit one_actor(engine_options o = {}) : world(o) {
    define({.name = "joe", .actions = {"add", "fail"}});
    define({.name = "ann", .actions = {"add"}});
    app->on("joe.add", add_up);
    app->on("ann.add", add_up);
    app->on("joe.fail", [](const action_call&) -> result<action_answer> {
      return fail(errc::bad_encoding, "no answer of the protocol at byte 3");
    });
    register_all();
  }
};

TEST_CASE("an app that fails, or answers garbage, changes no state and is told with its reason") {
  one_actor w;
  w.invoke("joe", "add", text("a"));
  const auto a = w.invoke("joe", "fail");
  CHECK(a.status == outcome::error);
  CHECK(a.message ==
        "the app at 127.0.0.1:8091 failed 'fail': no answer of the protocol at byte 3");
  CHECK(w.state("joe") == "a");
  CHECK(w.app->count("joe.fail") == 1);  // it may have run: it is not tried again
  CHECK(w.sidecar->figures().app_failures == 1);
}

TEST_CASE("an app that cannot be reached is tried again while the deadline lasts") {
  one_actor w;
  w.app->unreachable(true);
  auto a = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("a")}, 10s);
  w.rt.advance(3s);
  CHECK_FALSE(a.done());
  CHECK(w.app->count("joe.add") > 3);
  w.app->unreachable(false);
  w.rt.advance(3s);
  CHECK(text_of(a.get().value) == "a");
  CHECK(w.sidecar->figures().app_retries > 3);
}

TEST_CASE("when the deadline comes first, the answer has the app's trouble") {
  one_actor w;
  w.app->unreachable(true);
  auto a = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("a")}, 1s);
  w.rt.advance(1s);
  CHECK(a.get().status == outcome::error);
  CHECK(a.get().message.find("the app at 127.0.0.1:8091 cannot be reached: connection refused") !=
        std::string::npos);
  w.app->unreachable(false);
  w.rt.advance(10s);
  CHECK(w.state("joe") == "(none)");
  CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "b");
}

TEST_CASE("an app that hangs is given up at the deadline, and its late answer changes nothing") {
  one_actor w;
  w.app->hold("joe.add");
  auto a = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("a")}, 1s);
  auto b = w.begin({.actor = {"bank", "joe"}, .action = "get"}, 5s);
  w.rt.advance(1s);
  CHECK(a.get().message == "the deadline passed: 'add' was under way at 127.0.0.1:8091");
  CHECK(b.done());  // the actor goes on
  w.app->release();
  w.rt.settle();
  CHECK(w.state("joe") == "(none)");
  CHECK(w.sidecar->figures().calls_now == 0);
}

TEST_CASE(
    "an actor goes on at a hanging action's own deadline, also when the last one's was later") {
  one_actor w;
  w.invoke("joe", "add", text("a"));  // with 60 s
  w.app->hold("joe.add");
  auto a = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("b")}, 1s);
  auto b = w.begin({.actor = {"bank", "joe"}, .action = "get"}, 5s);
  w.rt.advance(1s);
  CHECK(a.done());
  CHECK(text_of(b.get().value) == "a");
}

TEST_CASE("an actor that is forgotten in the middle of its action ends it without harm") {
  for (const bool reachable : {true, false}) {
    one_actor w;
    w.invoke("joe", "add", text("a"));
    w.app->on("joe.fail", [&](const action_call&) -> result<action_answer> {
      return fail(reachable ? errc::handler_failed : errc::unreachable, "it went away");
    });
    w.app->hold("joe.fail");
    auto a = w.begin("joe", "fail");
    const actor_def joe = w.actors["joe"];
    w.actors.erase("joe");
    w.register_all();
    w.app->release();
    w.rt.advance(5s);
    CHECK(a.get().status == outcome::error);
    CHECK(w.invoke("joe", "add").status == outcome::actor_not_found);
    w.define(joe);
    w.register_all();
    CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "ab");
  }
}

TEST_CASE("invocations that wait have no more bytes together than the bound") {
  one_actor w({.waiting_bytes = 1000});
  w.app->hold("joe.add");
  auto a = w.begin("joe", "add", text(std::string(600, 'a')));
  const auto b = w.invoke("ann", "add", text(std::string(600, 'b')));
  CHECK(b.status == outcome::error);
  CHECK(b.message.starts_with("the invocations that wait have 12"));
  CHECK(b.message.ends_with(" bytes, more than 1000"));
  w.app->release();
  w.rt.settle();
  CHECK(a.get().status == outcome::ok);
  CHECK(w.sidecar->figures().waiting_bytes == 0);
  CHECK(w.invoke("ann", "add", text(std::string(600, 'b'))).status == outcome::ok);
}

TEST_CASE("what waited longer than its deadline is not run") {
  one_actor w;
  w.app->hold("joe.add");
  auto a = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("a")}, 10s);
  auto b = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("b")}, 1s);
  w.rt.advance(1s);
  CHECK(b.get().message == "the deadline passed: it waits behind 1 others for 'joe'");
  w.app->release();
  w.rt.settle();
  CHECK(text_of(a.get().value) == "a");
  CHECK(w.app->count("joe.add") == 1);
}

TEST_CASE("what nobody waits for is not lost by waiting") {
  one_actor w;
  w.app->hold("joe.add");
  auto a = w.begin({.actor = {"bank", "joe"}, .action = "add", .value = text("a")}, 300s);
  w.tell("joe", "add", text("b"));
  w.rt.advance(200s);
  w.app->release();
  w.rt.settle();
  CHECK(w.state("joe") == "ab");
}

TEST_CASE("a new registration takes over the retries at once, and keeps the state") {
  one_actor w;
  w.invoke("joe", "add", text("a"));
  w.app->unreachable(true);
  auto a = w.begin("joe", "add", text("b"));
  w.rt.advance(5s);
  CHECK_FALSE(a.done());
  w.app = std::make_shared<test_app>("127.0.0.1:9999");
  w.app->on("joe.add", add_up);
  w.register_all();
  CHECK(text_of(a.get().value) == "ab");
}

TEST_CASE("an app that forgets an actor when it registers again has it no more") {
  one_actor w;
  w.invoke("ann", "add", text("a"));
  w.actors.erase("ann");
  w.register_all();
  CHECK(w.invoke("ann", "add").status == outcome::actor_not_found);
  CHECK(w.invoke("joe", "add").status == outcome::ok);
}

TEST_CASE("an unreachable app holds up its own actors alone") {
  one_actor w;
  const auto other = std::make_shared<test_app>("127.0.0.1:7000");
  other->on("sue.add", add_up);
  CHECK(w.sidecar->register_app({"bank", {{"sue", {.name = "sue", .actions = {"add"}}}}, other}));
  w.app->unreachable(true);
  auto a = w.begin("joe", "add", text("a"));
  CHECK(text_of(w.invoke("sue", "add", text("s")).value) == "s");
  CHECK_FALSE(a.done());
}

TEST_CASE("an app is asked no more at once than its bound, and the others wait their turn") {
  one_actor w({.calls_per_app = 1});
  w.app->hold("joe.add");
  auto a = w.begin("joe", "add", text("a"));
  auto b = w.begin("ann", "add", text("b"));
  CHECK(w.app->count("ann.add") == 0);
  CHECK(w.sidecar->figures().calls_now == 1);
  w.app->release();
  w.rt.settle();
  CHECK(text_of(a.get().value) == "a");
  CHECK(text_of(b.get().value) == "b");
  CHECK(w.sidecar->figures().calls_now == 0);
}

TEST_CASE("a queue past its bound is refused with a sentence") {
  one_actor w({.waiting_per_actor = 2});
  w.app->hold("joe.add");
  w.tell("joe", "add", text("a"));
  w.tell("joe", "add", text("b"));
  CHECK(w.invoke("joe", "add").message == "2 invocations wait for 'joe' already, the bound");
  w.app->release();
  w.rt.settle();
  CHECK(w.state("joe") == "ab");
  CHECK(w.sidecar->figures().waiting_now == 0);
}

TEST_CASE("actors and names past their bounds are refused with a sentence") {
  world w({.active = 1, .registered = 3});
  w.define({.name = "account", .kind = actor_kind::unnamed, .actions = {"add"}});
  w.app->on("account.add", add_up);
  w.register_all();
  const auto add = [&](const char* name) {
    return w.begin({.actor = {"bank", name, "account"}, .action = "add", .value = text("x")})
        .get()
        .message;
  };
  CHECK(add("one").empty());
  CHECK(add("two") == "no room for another actor: 1 are active, the bound");
  CHECK(add("three") == "3 definitions and spawned names are the bound");
}

/// Actors whose actions invoke another one and answer when that is answered.
struct callers : one_actor {
  bool says_who = true, hands_metadata_on = false;
  std::map<std::string, std::string> calls;  // actor → whom it calls
  std::shared_ptr<std::map<std::string, std::string>> heard =
      std::make_shared<std::map<std::string, std::string>>();

  struct nested_app final : host_app {
    explicit nested_app(callers& c) : owner(c) {}
    void call(action_call what, time_point deadline, done_fn done) override {
      const auto to = owner.calls.find(what.actor.name);
      if (to == owner.calls.end()) return done(action_answer{.value = text("end")});
      invocation i{.actor = {"ring", to->second}, .action = "go"};
      if (owner.says_who) i.caller = what.actor;
      if (owner.hands_metadata_on) i.metadata = what.metadata;
      owner.sidecar->invoke(std::move(i), deadline,
                            [heard = owner.heard, me = what.actor.name,
                             done = std::move(done)](invocation_answer a) mutable {
                              (*heard)[me] = a.message;
                              done(action_answer{.value = a.value});
                            });
    }
    std::string where() const override { return "nested"; }
    callers& owner;
  };
  callers() {
    std::map<std::string, actor_def> all;
    for (const char* name : {"a", "b", "c"})
      all[name] = {.name = name, .stateful = false, .actions = {"go"}};
    REQUIRE(sidecar->register_app({"ring", all, std::make_shared<nested_app>(*this)}));
  }
  ~callers() { end(); }
  pending go(const char* name) { return begin({.actor = {"ring", name}, .action = "go"}, 30s); }
};

TEST_CASE("an action may invoke other actors and wait for them") {
  callers w;
  w.calls = {{"a", "b"}, {"b", "c"}};
  CHECK(text_of(w.go("a").get().value) == "end");
}

TEST_CASE("a circle of calls is found at once, and reported with its chain") {
  for (const bool by_metadata : {false, true}) {
    callers w;
    w.says_who = !by_metadata;
    w.hands_metadata_on = by_metadata;
    w.calls = {{"a", "b"}, {"b", "c"}, {"c", "a"}};
    CHECK(w.go("a").done());
    CHECK(w.heard->at("c") ==
          "each of these would wait for the next: ring/c → ring/a → ring/b → ring/c");
    CHECK(w.sidecar->figures().cycles == 1);
    w.calls = {{"a", "a"}};
    CHECK(w.go("a").done());
    CHECK(w.heard->at("a") == "each of these would wait for the next: ring/a → ring/a");
  }
}

TEST_CASE("a circle that nobody can see ends at the deadline") {
  callers w;
  w.says_who = false;
  w.calls = {{"a", "b"}, {"b", "a"}};
  auto a = w.go("a");
  CHECK_FALSE(a.done());
  w.rt.advance(30s);
  CHECK(a.get().status == outcome::error);
  w.calls.clear();
  CHECK(text_of(w.go("b").get().value) == "end");
}

TEST_CASE("an action's call to its own actor without waiting is no circle") {
  one_actor w;
  w.app->on("joe.fail", [&](const action_call& c) -> result<action_answer> {
    invocation i{.actor = c.actor, .action = "add", .value = text("later")};
    i.async = true;
    i.caller = c.actor;
    w.sidecar->invoke(std::move(i), std::nullopt, [](const invocation_answer&) {});
    return action_answer{};
  });
  CHECK(w.invoke("joe", "fail").status == outcome::ok);
  w.rt.settle();
  CHECK(w.state("joe") == "later");
  CHECK(w.sidecar->figures().cycles == 0);
}

TEST_CASE("an actor whose state was taken over answers all that waits with an error, and is free") {
  one_actor w;
  w.invoke("joe", "add", text("a"));
  w.app->hold("joe.add");
  auto a = w.begin("joe", "add", text("b"));
  auto b = w.begin("joe", "add", text("c"));
  w.store->take_over("joe");
  w.rt.advance(10s);  // the snapshot is refused
  CHECK(a.get().status == outcome::error);
  CHECK(b.get().message.starts_with("another activation of 'joe' has taken over"));
  CHECK(w.sidecar->figures().fenced == 1);
  w.app->release();
  w.rt.settle();
  CHECK(text_of(w.invoke("joe", "add", text("d")).value) == "d");  // as the store has it
}

TEST_CASE("a state that cannot be read is an error, and is tried again with the next request") {
  world w;
  w.define({.name = "joe", .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.store->fail_with(errc::io_failed);
  w.register_all();
  CHECK(w.invoke("joe", "add").message ==
        "the state of 'joe' cannot be read: the test's store refuses");
  w.store->fail_with({});
  CHECK(w.invoke("joe", "add", text("a")).status == outcome::ok);
}

}  // namespace
}  // namespace odeon::sidecar
