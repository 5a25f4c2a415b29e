#include <odeon/persistence/durable_state.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <memory>
#include <string>
#include <vector>

namespace odeon {
namespace {

using namespace std::chrono_literals;

struct cart_state {
  static constexpr auto manifest = "test.cart";
  std::vector<std::string> items;
};

struct put {
  using reply = std::size_t;
  std::string item;
};
struct put_and_keep {
  using reply = std::size_t;
  std::string item;
};
struct put_and_fail {
  std::string item;
};
struct contents {
  using reply = std::string;
};
struct go_back {
  using reply = std::uint64_t;
  std::uint64_t revision;
};
struct revisions {
  using reply = std::string;
};

class cart : public durable_state<cart_state, put, put_and_keep, put_and_fail, contents, go_back,
                                  revisions> {
 public:
  explicit cart(std::string id, durable_state_options o = {}) : durable_state(std::move(id), o) {}

  std::size_t on(put m) {
    state().items.push_back(std::move(m.item));
    return state().items.size();
  }
  effect on(put_and_keep m) {
    state().items.push_back(std::move(m.item));
    return checkpoint().then_reply([](const cart_state& s) { return s.items.size(); });
  }
  void on(put_and_fail m) {
    state().items.push_back(std::move(m.item));
    throw std::runtime_error("half done");
  }
  std::string on(contents) {
    std::string all;
    for (const auto& i : state().items) all += (all.empty() ? "" : " ") + i;
    return all;
  }
  task<std::uint64_t> on(go_back m) {
    co_await restore(m.revision);
    co_return revision();
  }
  task<std::string> on(revisions) {
    std::string all;
    for (const snapshot_info& i : co_await history()) all += " " + std::to_string(i.sequence);
    co_return all;
  }
};

/// A simulated system on a store that outlives it.
struct world {
  std::shared_ptr<memory_store> store = std::make_shared<memory_store>();
  simulated_runtime rt;
  std::unique_ptr<actor_system> system;

  world() { restart(); }
  ~world() { system.reset(); }
  void restart() {
    system.reset();
    system = std::make_unique<actor_system>("carts", system_options{.runtime = &rt});
    persistence::install(*system, make_memory_journal(rt, store));
  }
  /// As a process that ends at once: nothing is written at the end.
  void crash(const cart::ref& who) {
    system->kill(who);
    rt.settle();
    restart();
  }
  cart::ref open(durable_state_options o = {}, supervision s = {}) {
    return system->spawn<cart>({.supervision = std::move(s)}, std::string("c-1"), o);
  }
};

TEST_CASE("a change is written after the write-behind time, and not before") {
  world w;
  auto c = w.open({.write_behind = 2s});
  CHECK(c.ask<put>("milk").get() == 1);
  w.rt.advance(1900ms);
  w.crash(c);
  c = w.open({.write_behind = 2s});
  CHECK(c.ask<contents>().get() == "");
  CHECK(c.ask<put>("tea").get() == 1);
  w.rt.advance(2100ms);
  w.crash(c);
  CHECK(w.open().ask<contents>().get() == "tea");
}

TEST_CASE("a checkpoint is durable before its reply") {
  world w;
  auto c = w.open({.write_behind = 0s});
  w.store->hold_commits();
  auto answer = c.ask<put_and_keep>("milk");
  w.rt.settle();
  CHECK_FALSE(answer.is_ready());
  w.store->release_commits();
  CHECK(std::move(answer).get() == 1);
  w.crash(c);
  CHECK(w.open().ask<contents>().get() == "milk");
}

TEST_CASE("an actor that is stopped writes its changes") {
  world w;
  auto c = w.open({.write_behind = 0s});
  CHECK(c.ask<put>("milk").get() == 1);
  w.system->stop(c);
  w.rt.settle();
  CHECK(w.open().ask<contents>().get() == "milk");
}

TEST_CASE("an actor that took no message for a while is deactivated and comes back as it was") {
  world w;
  auto c = w.open({.write_behind = 0s, .deactivate_after = 30s});
  CHECK(c.ask<put>("milk").get() == 1);
  w.rt.advance(29s);
  CHECK_FALSE(c.is_terminated());
  CHECK(c.ask<contents>().get() == "milk");
  w.rt.advance(29s);
  CHECK_FALSE(c.is_terminated());
  w.rt.advance(2s);
  CHECK(c.is_terminated());
  CHECK(w.open().ask<contents>().get() == "milk");
}

TEST_CASE("what a failed handler left half done is not stored") {
  world w;
  auto c = w.open({}, {.otherwise = directive::restart});
  CHECK(c.ask<put_and_keep>("milk").get() == 1);
  c.tell(put_and_fail{"poison"});
  CHECK(c.ask<contents>().get() == "milk");

  auto stopped =
      w.system->spawn<cart>({.supervision = {.otherwise = directive::stop}}, std::string("c-2"));
  stopped.tell(put_and_fail{"poison"});
  w.rt.settle();
  CHECK(stopped.is_terminated());
  CHECK(w.system->spawn<cart>(std::string("c-2")).ask<contents>().get() == "");
}

TEST_CASE("an older revision is restored and becomes the newest") {
  world w;
  auto c = w.open({.keep_revisions = 0});
  for (const auto* item : {"a", "b", "c"}) static_cast<void>(c.ask<put_and_keep>(item).get());
  CHECK(c.ask<revisions>().get() == " 3 2 1");
  CHECK(c.ask<go_back>(std::uint64_t{2}).get() == 4);
  CHECK(c.ask<contents>().get() == "a b");
  const auto gone = c.try_ask<go_back>(std::uint64_t{9}).get();
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error() == errc::handler_failed);
  w.restart();
  CHECK(w.open({.keep_revisions = 0, .revision = 1}).ask<contents>().get() == "a");
}

TEST_CASE("only as many revisions stay as were asked for") {
  world w;
  auto c = w.open({.keep_revisions = 2});
  for (const auto* item : {"a", "b", "c"}) static_cast<void>(c.ask<put_and_keep>(item).get());
  CHECK(c.ask<revisions>().get() == " 3 2");
}

TEST_CASE("a checkpoint the store refuses is the asker's error, and what was stored stays") {
  world w;
  auto c = w.open({.write_behind = 0s}, {.otherwise = directive::restart});
  CHECK(c.ask<put_and_keep>("milk").get() == 1);
  w.store->fail_next_commits(1, error(errc::store_full, "no room"));
  auto refused = c.try_ask<put_and_keep>("tea");
  auto r = std::move(refused).get();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::store_full);
  CHECK(c.ask<contents>().get() == "milk");
  CHECK(c.ask<put_and_keep>("tea").get() == 2);
}

TEST_CASE("a second incarnation fences the first, which stops without writing") {
  world w;
  auto first = w.open({.write_behind = 1s});
  CHECK(first.ask<put>("milk").get() == 1);
  auto second = w.open({.write_behind = 1s});
  CHECK(second.ask<put_and_keep>("tea").get() == 1);
  w.rt.advance(2s);
  CHECK(first.is_terminated());
  w.restart();
  CHECK(w.open().ask<contents>().get() == "tea");
}

TEST_CASE("an id that holds events is refused to a durable-state actor") {
  world w;
  auto store = persistence::installed(*w.system);
  auto epoch =
      wait_for<std::uint64_t>(w.rt, [&](auto done) { store->open_writer("c-1", std::move(done)); });
  REQUIRE(epoch.has_value());
  append_request request;
  request.persistence_id = "c-1";
  request.epoch = *epoch;
  request.events.push_back({"test.event", 1, {}, {}});
  REQUIRE(wait_for<append_ack>(w.rt, [&](auto done) {
            store->append(std::move(request), std::move(done));
          }).has_value());
  auto c = w.open();
  w.rt.settle();
  CHECK(c.is_terminated());
}

}  // namespace
}  // namespace odeon
