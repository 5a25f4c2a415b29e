#include "sidecar/engine.test.hpp"

namespace odeon::sidecar {
namespace {

using namespace testing;

/// "joe" adds up; his other actions are said by the test.
struct one_actor : world {
  one_actor() {
    define({.name = "joe", .actions = {"add", "fail"}});
    app->on("joe.add", add_up);
  }
};

TEST_CASE("a registered actor answers, and its state goes with it from action to action") {
  one_actor w;
  w.register_all();
  CHECK(text_of(w.invoke("joe", "add", text("a")).value) == "a");
  CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "ab");
  CHECK(w.state("joe") == "ab");
  const action_call c = w.app->last();
  CHECK(c.actor == actor_id{"bank", "joe", ""});
  CHECK(text_of(c.state) == "a");
  CHECK_FALSE(c.caller);
}

TEST_CASE("an action that gives no state leaves it, and noop goes in as nothing") {
  one_actor w;
  w.app->on("joe.fail", [](const action_call& c) {
    CHECK_FALSE(c.value);
    return action_answer{};
  });
  w.register_all();
  w.invoke("joe", "add", text("a"));
  const auto a = w.invoke("joe", "fail");
  CHECK(a.status == outcome::ok);
  CHECK_FALSE(a.value);
  CHECK(w.state("joe") == "a");
}

TEST_CASE("actors and systems that nobody registered are not found, with a sentence") {
  one_actor w;
  auto a = w.invoke("joe", "add");
  CHECK(a.status == outcome::actor_not_found);
  CHECK(a.message == "no app has registered the actor system 'bank'");
  w.register_all();
  a = w.invoke("jim", "add");
  CHECK(a.status == outcome::actor_not_found);
  CHECK(a.message == "no actor 'jim' in the actor system 'bank'");
  CHECK(w.sidecar->figures().not_found == 2);
}

TEST_CASE("an unknown action is an error that names it and those there are") {
  one_actor w;
  w.register_all();
  const auto a = w.invoke("joe", "sub");
  CHECK(a.status == outcome::error);
  CHECK(a.message == "actor 'joe' has no action 'sub': it has add, fail");
  CHECK(w.app->calls().empty());
}

TEST_CASE("the state is given by name from memory, unless the app declares that action") {
  one_actor w;
  w.register_all();
  w.invoke("joe", "add", text("a"));
  w.app->forget_calls();
  for (const char* name : {"get", "Get", "get_state", "getState", "GetState"})
    CHECK(text_of(w.invoke("joe", name).value) == "a");
  CHECK(w.app->calls().empty());
  w.actors["joe"].actions.push_back("get");
  w.app->on("joe.get", [](const action_call&) { return action_answer{.value = text("own")}; });
  w.register_all();
  CHECK(text_of(w.invoke("joe", "get").value) == "own");
}

TEST_CASE("actors run one action at a time, in the order they were asked") {
  one_actor w;
  w.register_all();
  w.app->hold("joe.add");
  auto a = w.begin("joe", "add", text("a"));
  auto b = w.begin("joe", "add", text("b"));
  CHECK(w.app->count("joe.add") == 1);
  CHECK_FALSE(a.done());
  w.app->release();
  w.rt.settle();
  CHECK(text_of(a.get().value) == "a");
  CHECK(text_of(b.get().value) == "ab");
}

TEST_CASE("an asynchronous invocation is answered at once and runs later") {
  one_actor w;
  w.register_all();
  w.app->hold("joe.add");
  w.tell("joe", "add", text("a"));
  CHECK(w.state("joe") == "(none)");
  w.app->release();
  w.rt.settle();
  CHECK(w.state("joe") == "a");
}

TEST_CASE("instances of a template carry its name, and are found by their own") {
  world w;
  w.define({.name = "account", .kind = actor_kind::unnamed, .actions = {"add"}});
  w.app->on("account.add", add_up);
  w.register_all();
  CHECK(w.invoke("mike", "add").status == outcome::actor_not_found);
  CHECK(w.invoke("account", "add").message ==
        "'account' is a template: invoke one of its instances");
  const actor_id mike{"bank", "mike", "account"};
  CHECK(w.sidecar->spawn(std::array{mike}));
  CHECK(w.sidecar->spawn(std::array{mike}));
  CHECK(w.sidecar->figures().active_now == 0);
  CHECK(text_of(w.invoke("mike", "add", text("m")).value) == "m");
  CHECK(w.app->last().actor == mike);
  // Named with its template, an instance needs no record, and has one from then on.
  w.begin({.actor = {"bank", "eve", "account"}, .action = "add", .value = text("e")});
  CHECK(text_of(w.invoke("eve", "get").value) == "e");
}

TEST_CASE("spawning is refused without a template, with the reason") {
  one_actor w;
  w.register_all();
  const auto spawn = [&](actor_id id) {
    auto ok = w.sidecar->spawn(std::array{std::move(id)});
    return ok ? std::string() : ok.error().to_string();
  };
  CHECK(spawn({"bank", "mike", "none"}) ==
        "not_found: no app has registered 'none' in the actor system 'bank'");
  CHECK(spawn({"bank", "mike", "joe"}) ==
        "invalid_argument: 'joe' is no template: only unnamed actors have instances");
  CHECK(spawn({"shop", "mike", "joe"}) ==
        "not_found: no app has registered the actor system 'shop'");
  CHECK(spawn({"bank", "joe", ""}).empty());
}

TEST_CASE("effects go out in the actor's name after its state, and nobody waits for them") {
  world w;
  w.define({.name = "joe", .actions = {"start"}});
  w.define({.name = "ann", .actions = {"add"}});
  w.app->on("ann.add", add_up);
  w.app->on("joe.start", [](const action_call&) {
    action_answer a{.state = text("started"), .value = text("done")};
    for (const char* name : {"ann", "nobody"})
      a.then.effects.push_back(
          {.actor = {"bank", name}, .action = "add", .value = text("x"), .async = false});
    return a;
  });
  w.register_all();
  w.app->hold("ann.add");
  CHECK(text_of(w.invoke("joe", "start").value) == "done");
  CHECK(w.app->last().caller == actor_id{"bank", "joe", ""});
  w.app->release();
  w.rt.settle();
  CHECK(w.state("ann") == "x");
  CHECK(w.sidecar->figures().effects == 2);
}

TEST_CASE("a broadcast comes to all subscribers, its sender too, and needs an action's name") {
  world w;
  for (const char* name : {"joe", "ann", "deaf"})
    w.define({.name = name,
              .channel = name == std::string("deaf") ? "" : "news",
              .actions = {"add", "shout", "hum"}});
  w.define({.name = "guest", .kind = actor_kind::unnamed, .channel = "news", .actions = {"add"}});
  for (const char* name : {"joe", "ann", "deaf", "guest"})
    w.app->on(std::string(name) + ".add", add_up);
  w.app->on("joe.shout", [](const action_call&) {
    return action_answer{.then = {.to_channel = broadcast{"news", "add", text("!")}}};
  });
  w.app->on("joe.hum", [](const action_call&) {
    return action_answer{.then = {.to_channel = broadcast{"news", "", text("!")}}};
  });
  w.register_all();
  w.begin({.actor = {"bank", "eve", "guest"}, .action = "add", .value = text("e")});
  w.invoke("joe", "shout");
  w.rt.settle();
  CHECK(w.state("joe") == "!");
  CHECK(w.state("ann") == "!");
  CHECK(w.state("eve") == "e!");
  CHECK(w.state("deaf") == "(none)");
  w.invoke("joe", "hum");
  w.rt.settle();
  CHECK(w.state("ann") == "!");
}

/// a pipes to b, b back to a under another name.
struct chain : world {
  chain() {
    define({.name = "a", .actions = {"first", "last", "on", "loop"}});
    define({.name = "b", .actions = {"middle", "loop"}});
    app->on("a.first", [](const action_call& c) {
      return action_answer{.state = text("a1"),
                           .value = text(text_of(c.value) + ">a1"),
                           .then = {.route = pipe_to{"b", "middle"}}};
    });
    app->on("b.middle", [](const action_call& c) {
      return action_answer{.value = text(text_of(c.value) + ">b"),
                           .then = {.route = pipe_to{"a", "last"}}};
    });
    app->on("a.last", [](const action_call& c) {
      return action_answer{.value = text(text_of(c.value) + ">a2")};
    });
    app->on("a.on", [](const action_call&) {
      return action_answer{.value = text("dropped"), .then = {.route = forward_to{"b", "middle"}}};
    });
    app->on("a.loop", [](const action_call&) {
      return action_answer{.then = {.route = pipe_to{"b", "loop"}}};
    });
    app->on("b.loop", [](const action_call&) {
      return action_answer{.then = {.route = pipe_to{"a", "loop"}}};
    });
    register_all();
  }
};

TEST_CASE("a pipe hands the answer on, also back to where it came from") {
  chain w;
  CHECK(text_of(w.invoke("a", "first", text("q")).value) == "q>a1>b>a2");
  CHECK(w.app->last().caller == actor_id{"bank", "b", ""});
  CHECK(w.sidecar->figures().pipes == 2);
}

TEST_CASE("a forward hands the request's value on, and the last one answers") {
  chain w;
  CHECK(text_of(w.invoke("a", "on", text("q")).value) == "q>b>a2");
  CHECK(w.sidecar->figures().forwards == 1);
}

TEST_CASE("a pipe to nobody is not found, and a chain without an end has a bound") {
  chain w;
  w.app->on("a.last", [](const action_call&) {
    return action_answer{.then = {.route = pipe_to{"nobody", "x"}}};
  });
  CHECK(w.invoke("a", "last").status == outcome::actor_not_found);
  const auto a = w.invoke("a", "loop");
  CHECK(a.status == outcome::error);
  CHECK(a.message == "more than 1000 pipes and forwards, the bound of one request");
}

TEST_CASE("a checkpoint's answer waits for the store") {
  world w;
  w.define({.name = "joe", .actions = {"keep"}});
  w.app->on("joe.keep", [](const action_call& c) {
    auto a = add_up(c);
    a->checkpoint = true;
    return a;
  });
  w.register_all();
  w.store->hold();
  auto a = w.begin("joe", "keep", text("1"));
  CHECK_FALSE(a.done());
  w.store->release();
  w.rt.settle();
  CHECK(a.get().status == outcome::ok);
  CHECK(w.store->newest("joe") == "1");
  w.store->fail_with(errc::store_full);
  const auto b = w.invoke("joe", "keep", text("2"));
  CHECK(b.status == outcome::error);
  CHECK(b.message ==
        "the state of 'joe' is in memory and was not stored: the test's store refuses");
  CHECK(w.state("joe") == "12");
  w.store->fail_with({});
  CHECK(w.invoke("joe", "keep", text("3")).status == outcome::ok);
  CHECK(w.store->newest("joe") == "123");
}

struct test_elsewhere final : elsewhere {
  void invoke(invocation what, time_point, done_fn done) override {
    const bool known = what.actor.system == "shop";
    invoked.push_back(what.actor.name);
    done({known ? outcome::ok : outcome::actor_not_found, "", what.value});
  }
  void registered(const std::string& system) override { systems.push_back(system); }
  void publish(const std::string& system, const broadcast& what) override {
    published.push_back(system + ":" + what.channel);
  }
  std::vector<std::string> invoked, systems, published;
};

TEST_CASE(
    "what is for a system that nobody registered here goes elsewhere, and what is published") {
  one_actor w;
  w.actors["joe"].channel = "news";
  w.register_all();
  const auto other = std::make_shared<test_elsewhere>();
  w.sidecar->set_elsewhere(other);
  CHECK(
      text_of(w.begin({.actor = {"shop", "sue"}, .action = "x", .value = text("v")}).get().value) ==
      "v");
  CHECK(w.begin({.actor = {"none", "sue"}, .action = "x"}).get().status ==
        outcome::actor_not_found);
  CHECK(w.invoke("jim", "x").status == outcome::actor_not_found);  // of a system that is here
  CHECK(other->invoked == std::vector<std::string>{"sue", "sue"});
  w.sidecar->publish("bank", {"news", "add", text("1")});
  w.sidecar->publish_here({"news", "add", text("2")});
  w.rt.settle();
  CHECK(w.state("joe") == "12");
  CHECK(other->published == std::vector<std::string>{"bank:news"});
  w.register_all();
  CHECK(other->systems == std::vector<std::string>{"bank", "bank"});
}

TEST_CASE("a registration that contradicts itself is refused whole, with which and why") {
  const auto refused = [](actor_def d) {
    world w;
    w.define(std::move(d));
    const auto ok = w.sidecar->register_app({"bank", w.actors, w.app});
    CHECK(w.sidecar->definitions("bank").empty());
    return ok ? std::string("taken") : ok.error().to_string();
  };
  CHECK(refused({.name = ""}) == "invalid_argument: an actor has no name");
  CHECK(refused({.name = "p", .kind = actor_kind::pooled, .min_pool = 3, .max_pool = 2}) ==
        "invalid_argument: actor 'p' has a pool of at least 3 and at most 2");
  CHECK(refused({.name = "p", .kind = actor_kind::pooled, .min_pool = 2'000'000'000}) ==
        "invalid_argument: actor 'p' has a pool of 2000000000 workers, more than 10000");
  CHECK(refused({.name = "joe", .timers = {{"tick", 0s}}}) ==
        "invalid_argument: the timer 'tick' of actor 'joe' has no time between its runs");
  CHECK(refused({.name = "joe", .deactivate_after = 0s}) ==
        "invalid_argument: actor 'joe' has a deactivation timeout that is not above zero");
  CHECK(refused({.name = std::string(2000, 'x')}).starts_with("invalid_argument: an actor has a"));
  world w;
  CHECK(w.sidecar->register_app({"a/b", {}, w.app}).error().to_string() ==
        "invalid_argument: the actor system 'a/b' has a slash in its name");
}

}  // namespace
}  // namespace odeon::sidecar
