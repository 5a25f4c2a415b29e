#include "sidecar/engine.test.hpp"

namespace odeon::sidecar {
namespace {

using namespace testing;

TEST_CASE("an idle actor is put away with its state, and comes back with it") {
  world w;
  w.define({.name = "joe", .deactivate_after = 30s, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  CHECK(w.sidecar->figures().active_now == 1);  // registration activates it
  w.invoke("joe", "add", text("a"));
  w.rt.advance(29s);
  CHECK(w.sidecar->figures().active_now == 1);
  w.rt.advance(4s);
  CHECK(w.sidecar->figures().active_now == 0);
  CHECK(w.state("joe") == "a");  // from the store
  CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "ab");
  CHECK(w.sidecar->active().front().revision == 1);
}

TEST_CASE("what comes while an actor is being put away finds it again") {
  world w;
  w.define({.name = "joe", .snapshot_every = 1h, .deactivate_after = 30s, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  w.rt.advance(1s);
  w.invoke("joe", "add", text("a"));
  w.store->hold();
  w.rt.advance(33s);
  auto b = w.begin("joe", "add", text("b"));
  auto c = w.begin("joe", "add", text("c"));
  CHECK_FALSE(b.done());
  w.store->release();
  w.rt.settle();
  CHECK(text_of(b.get().value) == "ab");
  CHECK(text_of(c.get().value) == "abc");
  CHECK(w.store->revisions("joe") == std::vector<std::string>{"a"});
}

TEST_CASE("an actor whose state cannot be stored is not put away, and keeps what comes meanwhile") {
  world w;
  w.define({.name = "joe", .snapshot_every = 1h, .deactivate_after = 30s, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  w.rt.advance(1s);
  w.invoke("joe", "add", text("a"));
  w.store->fail_with(errc::io_failed);
  w.rt.advance(60s);
  CHECK(w.sidecar->figures().active_now == 1);
  CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "ab");
  w.store->fail_with({});
  w.rt.advance(60s);
  CHECK(w.sidecar->figures().active_now == 0);
  CHECK(w.store->newest("joe") == "ab");
}

TEST_CASE("snapshots are taken soon after the activation, then at intervals, of what changed") {
  world w;
  w.define({.name = "joe", .snapshot_every = 2s, .deactivate_after = 1h, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  w.invoke("joe", "add", text("a"));
  CHECK(w.store->newest("joe") == "(none)");
  w.rt.advance(100ms);
  CHECK(w.store->newest("joe") == "a");
  w.invoke("joe", "add", text("b"));
  w.invoke("joe", "add", text("c"));
  w.rt.advance(1900ms);
  CHECK(w.store->newest("joe") == "a");
  w.rt.advance(200ms);
  CHECK(w.store->revisions("joe") == std::vector<std::string>{"a", "abc"});
  w.rt.advance(1min);
  CHECK(w.store->revisions("joe").size() == 2);
  w.invoke("joe", "add");  // the same state again
  w.rt.advance(1min);
  CHECK(w.store->revisions("joe").size() == 2);
}

TEST_CASE("a stateless actor keeps its state while it is active and is never stored") {
  world w;
  w.define({.name = "joe", .stateful = false, .deactivate_after = 30s, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  CHECK(w.sidecar->figures().active_now == 0);
  w.invoke("joe", "add", text("a"));
  CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "ab");
  w.rt.advance(1min);
  CHECK(w.sidecar->figures().active_now == 0);
  CHECK(w.store->revisions("joe").empty());
  CHECK(text_of(w.invoke("joe", "add", text("c")).value) == "c");
}

TEST_CASE("the init action runs after each activation, before anything else") {
  world w;
  w.define({.name = "joe", .deactivate_after = 30s, .actions = {"add", "Setup"}});
  w.app->on("joe.add", add_up);
  w.app->on("joe.Setup", [](const action_call& c) {
    CHECK_FALSE(c.value);
    return action_answer{.state = text((c.state ? c.state->value : "") + "i")};
  });
  w.register_all();
  CHECK(w.state("joe") == "i");
  CHECK(text_of(w.invoke("joe", "add", text("a")).value) == "ia");
  w.rt.advance(1min);
  CHECK(text_of(w.invoke("joe", "add", text("b")).value) == "iaib");
}

TEST_CASE("a spawned instance begins with the revision that was asked for, once") {
  world w;
  w.define({.name = "account",
            .kind = actor_kind::unnamed,
            .deactivate_after = 30s,
            .actions = {"keep"}});
  w.app->on("account.keep", [](const action_call& c) {
    auto a = add_up(c);
    a->checkpoint = true;
    return a;
  });
  w.register_all();
  const actor_id mike{"bank", "mike", "account"};
  CHECK(w.sidecar->spawn(std::array{mike}));
  for (const char* s : {"a", "b", "c"}) w.invoke("mike", "keep", text(s));
  CHECK(w.sidecar->spawn(std::array{mike}, 1));  // active: of no use
  w.rt.advance(1min);
  CHECK(w.state("mike") == "abc");
  CHECK(w.sidecar->spawn(std::array{mike}, 2));
  CHECK(text_of(w.invoke("mike", "get").value) == "ab");
  w.rt.advance(1min);
  CHECK(w.store->newest("mike") == "ab");  // it is the newest now
  CHECK(w.sidecar->spawn(std::array{mike}, 9));
  CHECK(w.invoke("mike", "get").message == "the state of 'mike' cannot be read: no revision 9");
  CHECK(text_of(w.invoke("mike", "get").value) == "ab");
}

TEST_CASE("an instance is known again when the sidecar was started anew and its app was not") {
  world w;
  w.define({.name = "account", .kind = actor_kind::unnamed, .actions = {"add"}});
  w.app->on("account.add", add_up);
  w.register_all();
  const actor_id mike{"bank", "mike", "account"};
  CHECK(w.sidecar->spawn(std::array{mike}));
  w.begin({.actor = {"bank", "eve", "account"}, .action = "add", .value = text("e")});
  CHECK(text_of(w.invoke("mike", "add", text("a")).value) == "a");
  w.rt.advance(1s);
  w.end();
  w.start();
  w.register_all();
  w.store->hold();
  auto first = w.begin("mike", "add", text("b"));
  auto second = w.begin("mike", "add", text("c"));
  auto nobody = w.begin("jim", "add");
  CHECK_FALSE(first.done());
  w.store->release();
  w.rt.settle();
  CHECK(text_of(first.get().value) == "ab");
  CHECK(text_of(second.get().value) == "abc");
  CHECK(w.app->last().actor == mike);
  w.app->on("account.hand", [](const action_call& c) {
    return action_answer{.value = c.value, .then = {.route = pipe_to{"eve", "add"}}};
  });
  w.actors["account"].actions.push_back("hand");
  w.register_all();
  CHECK(text_of(w.invoke("mike", "hand", text("!")).value) == "e!");
  CHECK(nobody.get().status == outcome::actor_not_found);
}

TEST_CASE("timers run with a fixed delay after each run, and do not keep their actor") {
  world w;
  w.define({.name = "joe", .deactivate_after = 10s, .actions = {"add"}, .timers = {{"tick", 1s}}});
  w.app->on("joe.add", add_up);
  w.app->on("joe.tick", [](const action_call& c) {
    CHECK_FALSE(c.value);
    CHECK(c.caller == actor_id{"bank", "joe", ""});
    return action_answer{.state = text((c.state ? c.state->value : "") + "t")};
  });
  w.register_all();
  w.rt.advance(3500ms);
  CHECK(w.state("joe") == "ttt");
  w.app->hold("joe.tick");
  w.rt.advance(5s);
  CHECK(w.app->count("joe.tick") == 4);  // the next one comes after the end of this one
  w.app->release();
  w.rt.advance(1100ms);
  CHECK(w.app->count("joe.tick") == 5);
  w.rt.advance(10s);
  CHECK(w.sidecar->figures().active_now == 0);
  const auto before = w.app->count("joe.tick");
  w.rt.advance(1min);
  CHECK(w.app->count("joe.tick") == before);
  w.invoke("joe", "add", text("a"));
  w.rt.advance(1100ms);
  CHECK(w.app->count("joe.tick") == before + 1);
}

TEST_CASE("a new registration replaces the timers of active actors") {
  world w;
  w.define({.name = "joe", .deactivate_after = 1h, .timers = {{"tick", 1s}}});
  w.app->on("joe.tick", [](const action_call&) { return action_answer{}; });
  w.app->on("joe.tock", [](const action_call&) { return action_answer{}; });
  w.register_all();
  w.rt.advance(1500ms);
  CHECK(w.app->count("joe.tick") == 1);
  w.actors["joe"].timers = {{"tock", 5s}};
  w.register_all();
  w.rt.advance(6s);
  CHECK(w.app->count("joe.tick") == 1);
  CHECK(w.app->count("joe.tock") == 1);
}

TEST_CASE("a pool grows with its work up to its bound, and shrinks when it is idle") {
  world w;
  w.define({.name = "pool",
            .kind = actor_kind::pooled,
            .stateful = false,
            .deactivate_after = 10s,
            .min_pool = 1,
            .max_pool = 3,
            .actions = {"work"}});
  w.app->on("pool.work", [](const action_call& c) { return action_answer{.value = c.value}; });
  w.register_all();
  w.app->hold("pool.work");
  std::vector<world::pending> all;
  for (const char* s : {"a", "b", "c", "d"}) {
    invocation i{.actor = {"bank", "pool"}, .action = "work", .value = text(s)};
    i.pooled = true;
    all.push_back(w.begin(std::move(i)));
  }
  CHECK(w.sidecar->figures().active_now == 3);
  CHECK(w.app->count("pool.work") == 3);  // under the pool's own name
  w.app->release();
  w.rt.settle();
  CHECK(text_of(all[3].get().value) == "d");
  w.invoke("pool", "work", text("e"));
  CHECK(w.sidecar->figures().active_now == 3);
  w.rt.advance(1min);
  REQUIRE(w.sidecar->figures().active_now == 1);
  CHECK(w.sidecar->active().front().id.name == "pool-1");
}

TEST_CASE("a scheduled invocation is kept before it is answered, and runs at its time") {
  world w;
  w.define({.name = "joe", .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  const auto later = [&](const char* s, duration when) {
    invocation i{.actor = {"bank", "joe"}, .action = "add", .value = text(s)};
    i.scheduled_to = w.rt.wall_now() + when;
    return w.begin(std::move(i));
  };
  later("b", 10min);
  later("a", 5s);
  CHECK(later("0", -1h).get().status == outcome::ok);  // past: at once
  CHECK(w.store->scheduled() == 2);
  CHECK(w.state("joe") == "0");
  w.rt.advance(6s);
  CHECK(w.state("joe") == "0a");
  CHECK(w.store->scheduled() == 1);
  w.rt.advance(10min);
  CHECK(w.state("joe") == "0ab");
  CHECK(w.store->scheduled() == 0);
  w.store->fail_with(errc::io_failed);
  CHECK(later("c", 1s).get().message == "it was not scheduled: the test's store refuses");
}

TEST_CASE("what was scheduled runs after a restart, when its actor is registered again") {
  world w;
  w.define({.name = "joe", .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  invocation i{.actor = {"bank", "joe"}, .action = "add", .value = text("a")};
  i.scheduled_to = w.rt.wall_now() + 1min;
  w.begin(std::move(i));
  w.end();
  w.rt.advance(1h);
  w.start();
  w.rt.advance(10s);
  CHECK(w.store->scheduled() == 1);  // nobody knows joe yet
  w.register_all();
  w.rt.advance(1s);
  CHECK(w.state("joe") == "a");
  CHECK(w.store->scheduled() == 0);
}

TEST_CASE("a record that cannot be removed after its run is not run again") {
  world w;
  w.define({.name = "joe", .stateful = false, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  invocation i{.actor = {"bank", "joe"}, .action = "add", .value = text("a")};
  i.scheduled_to = w.rt.wall_now() + 1s;
  w.begin(std::move(i));
  w.store->refuse_removals(true);
  w.rt.advance(20s);
  CHECK(w.app->count("joe.add") == 1);
  CHECK(w.store->scheduled() == 1);
  w.store->refuse_removals(false);
  w.rt.advance(1min);
  CHECK(w.store->scheduled() == 0);
  CHECK(w.app->count("joe.add") == 1);
}

TEST_CASE("stopping finishes what is queued, stores every state and takes nothing new") {
  world w;
  w.define({.name = "joe", .snapshot_every = 1h, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.register_all();
  w.rt.advance(1s);
  w.app->hold("joe.add");
  w.tell("joe", "add", text("a"));
  w.tell("joe", "add", text("b"));
  auto stopped = w.sidecar->stop(10s);
  w.rt.settle();
  CHECK_FALSE(stopped.is_ready());
  CHECK(w.invoke("joe", "add").message == "the sidecar is stopping");
  w.app->release();
  w.rt.settle();
  CHECK(stopped.get() == 0);
  CHECK(w.store->newest("joe") == "ab");
}

TEST_CASE("stopping ends what does not end by itself, and says whose state is not stored") {
  world w;
  w.define({.name = "joe", .snapshot_every = 1h, .actions = {"add"}});
  w.define({.name = "ann", .snapshot_every = 1h, .actions = {"add"}});
  w.app->on("joe.add", add_up);
  w.app->on("ann.add", add_up);
  w.register_all();
  w.rt.advance(1s);
  w.invoke("joe", "add", text("a"));
  w.invoke("ann", "add", text("b"));
  w.app->hold("joe.add");
  auto a = w.begin("joe", "add", text("x"));
  auto b = w.begin("joe", "add", text("y"));
  auto stopped = w.sidecar->stop(10s);
  w.rt.advance(8s);
  CHECK(a.get().message == "the sidecar is stopping");
  CHECK(b.get().message == "the sidecar is stopping");
  CHECK(stopped.get() == 0);
  CHECK(w.store->newest("joe") == "a");
  CHECK(w.store->newest("ann") == "b");
}

TEST_CASE("a thousand actors with state are put away and come back with what they had") {
  world w;
  w.define({.name = "account",
            .kind = actor_kind::unnamed,
            .snapshot_every = 2s,
            .deactivate_after = 5s,
            .actions = {"add"}});
  w.app->on("account.add", add_up);
  w.register_all();
  constexpr int n = 1000;
  std::size_t wrong = 0;
  const auto all = [&](const std::string& wanted) {
    for (int i = 0; i < n; ++i)
      w.sidecar->invoke({.actor = {"bank", "a" + std::to_string(i), "account"},
                         .action = "add",
                         .value = text(std::to_string(i) + ";")},
                        std::nullopt, [&wrong, i, wanted](const invocation_answer& a) {
                          std::string sum;
                          for (char c : wanted) sum += c == '*' ? std::to_string(i) + ";" : "";
                          if (text_of(a.value) != sum) ++wrong;
                        });
    w.rt.settle();
  };
  all("*");
  CHECK(w.sidecar->figures().active_now == n);
  w.rt.advance(8s);
  CHECK(w.sidecar->figures().active_now == 0);
  all("**");
  w.rt.advance(8s);
  CHECK(w.sidecar->figures().active_now == 0);
  CHECK(wrong == 0);
  CHECK(w.sidecar->figures().succeeded == 2 * n);
  CHECK(w.store->newest("a999") == "999;999;");
}

}  // namespace
}  // namespace odeon::sidecar
