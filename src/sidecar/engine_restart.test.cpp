// What must be so before somebody is answered: states that are open, records that are stored. And
// what figures and timers say of many actors at once.

#include "sidecar/engine.test.hpp"

namespace odeon::sidecar {
namespace {

using namespace testing;

struct one_actor : world {
  one_actor() {
    define({.name = "joe", .actions = {"add"}});
    app->on("joe.add", add_up);
    register_all();
  }
  /// The sidecar ends without a word, and is started again.
  void restart() {
    end();
    start();
  }
};

TEST_CASE("the state of an actor that is still being opened is given when it is open") {
  one_actor w;
  w.invoke("joe", "add", text("a"));
  w.rt.advance(1s);
  w.restart();
  w.store->hold();
  w.register_all();  // activates joe, whose state is not there yet
  auto seen = w.sidecar->state_of({"bank", "joe"});
  auto get = w.begin("joe", "get");
  CHECK_FALSE(seen.is_ready());
  CHECK_FALSE(get.done());
  w.store->release();
  w.rt.settle();
  const auto s = seen.result();
  REQUIRE(s);
  REQUIRE(s->has_value());
  CHECK((*s)->state.value == "a");
  CHECK((*s)->revision == 1);
  CHECK(text_of(get.get().value) == "a");
}

TEST_CASE("the state of an actor that could not be opened is asked of the store") {
  one_actor w;
  w.invoke("joe", "add", text("a"));
  w.rt.advance(1s);
  w.restart();
  w.store->hold();
  w.register_all();
  auto seen = w.sidecar->state_of({"bank", "joe"});
  w.rt.settle();
  w.store->fail_with(errc::io_failed);
  w.store->release();
  w.rt.settle();
  const auto s = seen.result();
  REQUIRE(s);
  REQUIRE(s->has_value());
  CHECK((*s)->state.value == "a");
}

struct templates : world {
  templates() {
    for (const char* name : {"account", "other"}) {
      define({.name = name, .kind = actor_kind::unnamed, .actions = {"add"}});
      app->on(std::string(name) + ".add",
              [name](const action_call&) { return action_answer{.value = text(name)}; });
    }
    register_all();
  }
  using told = std::shared_ptr<std::vector<std::string>>;
  told spawn(std::vector<actor_id> all) {
    told out = std::make_shared<std::vector<std::string>>();
    sidecar->spawn(all, 0,
                   [out](result<void> r) { out->push_back(r ? "ok" : r.error().to_string()); });
    rt.settle();
    return out;
  }
  void restart() {
    end();
    start();
    register_all();
  }
};
using words = std::vector<std::string>;

TEST_CASE("who spawns is answered when the record is stored, and a kill right then loses nothing") {
  templates w;
  w.store->hold();
  const auto told = w.spawn({{"bank", "mike", "account"}, {"bank", "eve", "account"}});
  const auto again = w.spawn({{"bank", "mike", "account"}});
  CHECK(told->empty());
  CHECK(again->empty());
  w.store->release();
  w.rt.settle();
  CHECK(*told == words{"ok"});
  CHECK(*again == words{"ok"});
  w.restart();
  CHECK(text_of(w.invoke("mike", "add").value) == "account");
  CHECK(text_of(w.invoke("eve", "add").value) == "account");
  w.store->hold();  // what is stored is said again without the store
  CHECK(*w.spawn({{"bank", "mike", "account"}}) == words{"ok"});
  w.store->release();
}

TEST_CASE("who spawns hears that the record could not be stored, and may try again") {
  templates w;
  w.store->fail_with(errc::store_full);
  const std::vector<actor_id> both{{"bank", "mike", "account"}, {"bank", "eve", "account"}};
  CHECK(*w.spawn(both) ==
        words{"store_full: the record of the instance 'mike' cannot be written: the test's store "
              "refuses"});
  w.store->fail_with({});
  CHECK(*w.spawn(both) == words{"ok"});
  CHECK(*w.spawn({{"bank", "ann", "none"}}) ==
        words{"not_found: no app has registered 'none' in the actor system 'bank'"});
  w.restart();
  CHECK(text_of(w.invoke("eve", "add").value) == "account");
}

TEST_CASE("an instance that is spawned with another template meanwhile is kept with that one") {
  templates w;
  w.store->hold();
  const auto first = w.spawn({{"bank", "mike", "account"}});
  const auto second = w.spawn({{"bank", "mike", "other"}});
  w.store->release();
  w.rt.settle();
  CHECK(*first == words{"ok"});
  CHECK(*second == words{"ok"});
  w.restart();
  CHECK(text_of(w.invoke("mike", "add").value) == "other");
}

TEST_CASE("a spawn that waits when the engine ends is told so") {
  templates w;
  w.store->hold();
  const auto told = w.spawn({{"bank", "mike", "account"}});
  w.end();
  REQUIRE(told->size() == 1);
  CHECK(told->front().starts_with("system_stopped: "));
  w.start();  // for the end of the world
  w.store->release();
}

TEST_CASE("actors that were made together are put away one after the other") {
  world w;
  w.app->keeps_calls(false);
  w.define({.name = "account",
            .kind = actor_kind::unnamed,
            .deactivate_after = 30s,
            .actions = {"add"}});
  w.app->on("account.add", add_up);
  w.register_all();
  constexpr std::size_t n = 1000;
  for (std::size_t i = 0; i < n; ++i)
    w.sidecar->invoke({.actor = {"bank", "a" + std::to_string(i), "account"}, .action = "add"},
                      std::nullopt, [](const invocation_answer&) {});
  w.rt.settle();
  w.rt.advance(29900ms);
  CHECK(w.sidecar->figures().active_now == n);
  std::size_t most = 0, before = n;
  for (int step = 0; step < 31; ++step) {
    w.rt.advance(100ms);
    const std::size_t left = w.sidecar->figures().active_now;
    most = std::max(most, before - left);
    before = left;
  }
  CHECK(before == 0);    // three seconds later at the latest
  CHECK(most < n / 10);  // of a thirtieth on average
}

TEST_CASE("the spread of short times is as short") {
  world w;
  w.define({.name = "joe", .stateful = false, .deactivate_after = 200ms, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  w.invoke("joe", "add");
  w.rt.advance(199ms);
  CHECK(w.sidecar->figures().active_now == 1);
  w.rt.advance(201ms);
  CHECK(w.sidecar->figures().active_now == 0);
}

TEST_CASE("the age of the first invocation in a mailbox is told, and nobody's is none") {
  one_actor w;
  const auto age = [&] { return w.sidecar->figures().oldest_waiting; };
  w.app->hold("joe.add");
  auto a = w.begin("joe", "add", text("a"));
  w.rt.advance(5s);
  CHECK(age() == 0s);  // it runs, and nobody waits
  auto b = w.begin("joe", "add", text("b"));
  w.rt.advance(3s);
  auto c = w.begin("joe", "add", text("c"));
  w.rt.advance(4s);
  CHECK(age() == 7s);
  w.app->release();
  w.rt.settle();
  CHECK(c.done());
  CHECK(age() == 0s);
  w.restart();
  w.store->hold();
  w.register_all();
  auto d = w.begin("joe", "add", text("d"));
  w.rt.advance(2s);
  CHECK(age() == 2s);  // for its state
  w.store->release();
  w.rt.settle();
  CHECK(d.done());
  CHECK(age() == 0s);
}

}  // namespace
}  // namespace odeon::sidecar
