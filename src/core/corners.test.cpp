// Corners that were wrong once: each of these cases failed before its correction.

#include "common.test.hpp"
#include <odeon/base/config.hpp>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct ask_it {};
struct get {
  using reply = int;
};
struct nap {
  duration d;
};
struct fails {};

/// Answers late, or fails: at once, or after it was suspended.
class shaky : public actor<get, fails> {
 public:
  explicit shaky(bool suspend) : suspend_(suspend) {}
  task<int> on(get) {
    if (suspend_) co_await sleep(5ms);
    throw std::runtime_error("broken");
  }
  void on(fails) { throw std::runtime_error("on request"); }

 private:
  bool suspend_;
};

class asker : public actor<ask_it> {
 public:
  explicit asker(shaky::ref to) : to_(std::move(to)) {}
  task<void> on(ask_it) { (void)co_await to_.try_ask<get>(); }

 private:
  shaky::ref to_;
};

class idler : public actor<nap> {
 public:
  explicit idler(journal j) : journal_(std::move(j)) {}
  task<void> on(nap m) { co_await sleep(m.d); }
  void on(receive_timeout) { journal_->push_back("quiet"); }

 private:
  journal journal_;
};

struct rest_then_limit {
  using reply = bool;
};

/// Asks, does something else for a while, and only then says how long it would wait.
class late_limiter : public actor<rest_then_limit> {
 public:
  late_limiter(actor_ref<get> to, testkit::kit* k) : to_(std::move(to)), kit_(k) {}
  task<bool> on(rest_then_limit) {
    auto f = to_.ask<get>();
    co_await sleep(50ms);
    const auto said = kit_->now();
    try {
      co_await std::move(f).within(2s);
    } catch (const actor_error&) {
      co_return kit_->now() - said == 2s;
    }
    co_return false;
  }

 private:
  actor_ref<get> to_;
  testkit::kit* kit_;
};

class silent : public actor<get> {
 public:
  void on(get, reply_to<int> r) { kept_.push_back(std::move(r)); }

 private:
  std::vector<reply_to<int>> kept_;
};

/// Begins something that throws at once, and goes on.
class hasty : public actor<ask_it, get> {
 public:
  explicit hasty(journal j) : journal_(std::move(j)) {}
  void on(ask_it) {
    auto [p, f] = promise<int>::make(ctx().system().get_runtime());
    p.set(1);
    std::move(f).then([](result<int>) { throw std::runtime_error("in the continuation"); });
    journal_->push_back(text_);  // its own member: it is still there
  }
  /// A coroutine that fails before its first suspension.
  task<int> on(get) {
    throw std::runtime_error("at once");
    co_return 1;
  }
  void post_stop() { journal_->push_back("stopped"); }

 private:
  journal journal_;
  std::string text_ = "a text that is too long to stand in the string itself";
};

}  // namespace

TEST_CASE("a failure inside a handler ends its actor after the handler") {
  for (bool coroutine : {false, true}) {
    testkit::kit k;
    auto seen = new_journal();
    auto a = k.system().spawn<hasty>({.supervision = {.otherwise = directive::stop}}, seen);
    if (coroutine)
      CHECK(contains(text_by([&] { (void)a.ask<get>().get(); }), "at once"));
    else
      a.tell<ask_it>();
    a.tell<ask_it>();
    k.settle();
    CHECK(a.is_terminated());
    CHECK(seen->back() == "stopped");
    CHECK(seen->size() == (coroutine ? 1 : 2));
    CHECK(k.system().metrics().failures == 1);
    // What waited behind it is a dead letter.
    CHECK(k.system().dead_letters().back().reason == errc::actor_stopped);
  }
}

TEST_CASE("the dead letter of an ask whose handler failed names its asker") {
  for (bool suspend : {false, true}) {
    testkit::kit k;
    auto to = k.system().spawn<shaky>({.name = "shaky"}, suspend);
    auto from = k.system().spawn<asker>({.name = "asker"}, to);
    from.tell<ask_it>();
    k.advance(10ms);
    const auto letters = k.system().dead_letters();
    REQUIRE(letters.size() == 1);
    CHECK(letters[0].reason == errc::handler_failed);
    CHECK(letters[0].from == "/user/asker");
    CHECK(letters[0].was_ask);
  }
}

TEST_CASE("a limit that is said long after its ask counts from when it is said") {
  testkit::kit k({.system = {.ask_timeout = 200ms}});
  auto to = k.system().spawn<silent>();
  auto a = k.system().spawn<late_limiter>(to, &k);
  CHECK(a.ask<rest_then_limit>().within(10s).get());
}

TEST_CASE("no receive timeout comes while a handler is suspended") {
  testkit::kit k;
  auto seen = new_journal();
  auto a = k.system().spawn<idler>({.receive_timeout = 100ms}, seen);
  a.tell<nap>(4s);
  k.advance(4s);
  k.advance(99ms);
  CHECK(seen->empty());
  k.advance(1ms);
  CHECK(seen->size() == 1);
}

TEST_CASE("a sibling that is restarted with others does not wait longer each time") {
  testkit::kit k;
  const supervision together{
      .scope = scope::all_for_one,
      .max_retries = 3,
      .within = 1min,
      .backoff = {.initial = 100ms, .max = 1h, .multiplier = 2, .jitter = 0}};
  auto one = k.system().spawn<shaky>({.supervision = together}, false);
  auto other = k.system().spawn<shaky>({.supervision = together}, false);
  auto restarts = k.events<actor_restarted>();
  for (int hour = 0; hour < 6; ++hour) {
    one.tell<fails>();
    k.advance(99ms);
    CHECK(restarts.count() == static_cast<std::size_t>(2 * hour));
    k.advance(1ms);
    CHECK(restarts.count() == static_cast<std::size_t>(2 * hour + 2));
    k.advance(1h);
  }
}

TEST_CASE("lost signals are no dead letters, neither in the list nor in the number") {
  testkit::kit k;
  auto watched = k.system().spawn<silent>();
  auto watcher = k.system().spawn(behavior(
      watched, [](actor_ref<get>& w, ask_it, context& c) { c.watch(w); },
      [](actor_ref<get>&, nap m) -> task<void> { co_await sleep(m.d); },
      [](actor_ref<get>&, terminated) {}));
  watcher.tell<ask_it>();
  watcher.tell<nap>(1h);
  k.settle();
  k.system().stop(watched);
  k.settle();
  k.system().kill(watcher);
  k.settle();
  CHECK(k.system().metrics().dead_letters == k.system().dead_letters().size());
}

TEST_CASE("a system gives the configuration that its options were read from") {
  const auto c = configuration::parse(system_options::schema(), "[core]\nworkers = 3\n", "x.toml");
  REQUIRE(c);
  actor_system read("read", system_options::from(*c));
  CHECK(read.config().get_int("core.workers") == 3);
  actor_system plain("plain");
  CHECK(thrown_by([&] { (void)plain.config().get_int("core.workers"); }) == errc::invalid_argument);
}

TEST_CASE("a dispatcher that is named blocking is one unless told otherwise") {
  const auto c = configuration::parse(
      system_options::schema(),
      "[dispatcher.blocking]\nthreads = 8\n[dispatcher.io]\nthreads = 2\n", "x.toml");
  REQUIRE(c);
  const auto o = system_options::from(*c);
  REQUIRE(o.dispatchers.size() == 2);
  CHECK(o.dispatchers[0].kind == executor_kind::blocking);
  CHECK(o.dispatchers[1].kind == executor_kind::work_stealing);
}
