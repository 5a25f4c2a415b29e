#include "common.test.hpp"
#include <odeon/pattern/backoff.hpp>
#include <odeon/pattern/circuit_breaker.hpp>
#include <odeon/pattern/pipe_to.hpp>

#include <memory>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

struct value {
  int n;
  friend bool operator==(const value&, const value&) = default;
};
struct sorry {
  std::string text;
  friend bool operator==(const sorry&, const sorry&) = default;
};
struct get {
  using reply = int;
};

task<value> later(duration d, int n) {
  co_await sleep(d);
  if (n < 0) throw std::runtime_error("negative");
  co_return value{n};
}

struct begin {};
/// Pipes to another, and is stopped meanwhile.
struct piper : actor<begin> {
  explicit piper(actor_ref<value, sorry> to) : to_(std::move(to)) {}
  void on(begin) {
    pipe_to(later(10s, 1), to_);
    pipe_to(
        later(10s, 2), to_, [](value v) { return v; },
        [](const error& why) { return sorry{why.to_string()}; });
  }
  actor_ref<value, sorry> to_;
};

}  // namespace

TEST_CASE("the value of a task or future becomes a message, mapped or as it is") {
  testkit::kit k;
  auto p = k.probe<value, sorry>();
  auto shop = k.probe<get>();
  pipe_to(later(1s, 5), p.ref());
  p.expect(value{5}, 2s);
  pipe_to(shop.ref().ask<get>(), p.ref(), [](int n) { return value{n}; });
  shop.expect_request<get>().reply(7);
  p.expect(value{7});
  pipe_to(shop.ref().try_ask<get>(), p.ref(), [](int n) { return value{n}; });
  shop.expect_request<get>().reply(8);
  p.expect(value{8});
  pipe_to(sleep(1s), p.ref(), [] { return value{9}; });
  p.expect(value{9}, 2s);
}

TEST_CASE("an error becomes a message through its map, or is reported") {
  testkit::kit k;
  auto p = k.probe<value, sorry>("clerk");
  auto reported = k.events<pipe_failed>();
  const auto id = [](value v) { return v; };
  pipe_to(later(0s, -1), p.ref(), id, [](const error& e) { return sorry{std::string(e.text())}; });
  p.expect(sorry{"negative"});
  reported.expect_none(0s);
  pipe_to(later(0s, -1), p.ref());
  auto r = reported.await_one();
  CHECK(r.path == "/user/clerk");
  CHECK(r.why == error(errc::handler_failed, "negative"));
  pipe_to(later(0s, 1), p.ref(), [](value) -> value { throw std::runtime_error("map"); });
  CHECK(reported.await_one().why.text() == "map");
  pipe_to(later(0s, -1), p.ref(), id,
          [](const error&) -> sorry { throw std::runtime_error("2nd"); });
  CHECK(contains(reported.await_one().why.text(), "negative; its error map threw"));
  p.expect_no_mail();
}

TEST_CASE("a call through a circuit breaker is limited wherever it is piped from") {
  testkit::kit k;
  circuit_breaker b(k.get_runtime(), {.call_timeout = 1s});
  auto p = k.probe<value, sorry>();
  auto reported = k.events<pipe_failed>();
  pipe_to(b.call([] { return later(900ms, 1); }), p.ref());
  pipe_to(b.call([] { return later(5s, 2); }), p.ref());
  p.expect(value{1}, 2s);
  CHECK(reported.await_one(2s).why == errc::ask_timeout);
  CHECK(b.counters().timed_out == 1);
}

TEST_CASE("work that is given up because its actor ended is reported, or told") {
  testkit::kit k;
  auto p = k.probe<value, sorry>();
  auto reported = k.events<pipe_failed>();
  auto a = k.system().spawn<piper>(p.ref());
  a.tell<begin>();
  k.settle();
  k.system().stop(a);
  CHECK(contains(p.expect<sorry>().text, "cancelled: the work was given up"));
  CHECK(reported.await_one().why == errc::cancelled);
}

TEST_CASE("piping to an actor that has stopped leaves a dead letter") {
  testkit::kit k;
  auto p = k.probe<value, sorry>();
  p.stop();
  k.settle();
  pipe_to(later(1s, 5), p.ref());
  k.advance(2s);
  REQUIRE(!k.system().dead_letters().empty());
  CHECK(contains(k.system().dead_letters().back().message, "value"));
}

TEST_CASE("what is piped may come after its receiver's system has ended") {
  testkit::kit k;
  std::vector<std::string> told;
  auto on_failure =
      k.system().events().on<pipe_failed>([&](const pipe_failed& f) { told.push_back(f.path); });
  auto p = k.probe<value, sorry>("late");
  auto [good, g] = promise<value>::make(k.get_runtime());
  auto [bad, b] = promise<value>::make(k.get_runtime());
  pipe_to(std::move(g), p.ref());
  pipe_to(std::move(b), p.ref());
  auto ref = p.ref();
  k.end_system();
  good.set(value{1});
  bad.fail(errc::refused);
  CHECK(told == std::vector<std::string>{"/user/late"});
}

// -- backoff --------------------------------------------------------------------------------------

namespace {

struct job {
  int n;
};
struct crash {};
struct leave {};
struct count {
  using reply = int;
};

struct worker_log {
  std::vector<duration> started;
  std::vector<int> jobs;
  int bad_starts = 0;
  testkit::kit* k = nullptr;
  time_point began{};
};

struct worker : actor<job, crash, leave, count> {
  explicit worker(const std::shared_ptr<worker_log>& l) : l_(l) {
    l_->started.push_back(l_->k->now() - l_->began);
    if (l_->bad_starts > 0) {
      --l_->bad_starts;
      throw std::runtime_error("no connection");
    }
  }
  void on(job j) { l_->jobs.push_back(j.n); }
  void on(crash) { throw std::runtime_error("broken"); }
  void on(leave) { ctx().stop(); }
  int on(count) { return static_cast<int>(l_->jobs.size()); }
  std::shared_ptr<worker_log> l_;
};

struct shop {
  testkit::kit k{{.moves_time = false}};
  std::shared_ptr<worker_log> log = std::make_shared<worker_log>();
  worker::ref ref;
  explicit shop(backoff_settings s, int bad_starts = 0) {
    log->k = &k;
    log->began = k.now();
    log->bad_starts = bad_starts;
    s.jitter = 0;
    ref = spawn_backoff<worker>(k.system(), std::move(s), log);
    k.settle();
  }
  void after(duration d) { k.advance(d); }
  [[nodiscard]] std::size_t starts() const { return log->started.size(); }
};

}  // namespace

TEST_CASE("a failed child starts again after a pause that doubles, and its messages are kept") {
  shop s({.min = 1s, .max = 3s});
  s.ref.tell(crash());
  s.ref.tell(job{1});
  s.after(999ms);
  s.ref.tell(job{2});
  s.after(0s);
  CHECK(s.starts() == 1);
  CHECK(s.log->jobs.empty());
  s.after(1ms);
  CHECK(s.log->started == std::vector<duration>{0s, 1s});
  CHECK(s.log->jobs == std::vector<int>{1, 2});
  for (int i = 0; i < 3; ++i) {
    s.ref.tell(crash());
    s.after(3s);
  }
  CHECK(s.log->started == std::vector<duration>{0s, 1s, 3s, 7s, 10s});
}

TEST_CASE("a child that stops is started again after its pause, and asks meanwhile are answered") {
  shop s({.min = 1s, .max = 8s, .on_stop = true});
  s.ref.tell(leave());
  s.after(0s);
  s.ref.tell(job{1});
  auto n = s.ref.ask<count>();
  s.after(900ms);
  CHECK(!n.is_ready());
  s.after(100ms);
  CHECK(n.get() == 1);
  s.ref.tell(leave());
  s.after(1900ms);
  CHECK(s.starts() == 2);
  s.after(100ms);
  CHECK(s.starts() == 3);
}

TEST_CASE("a quiet time sets the pauses of a backoff back") {
  shop s({.min = 1s, .max = 8s, .reset_after = 10s, .on_stop = true});
  for (duration pause : {1s, 2s}) {
    s.ref.tell(leave());
    s.after(pause);
  }
  CHECK(s.starts() == 3);
  s.after(10s);
  s.ref.tell(leave());
  s.after(1s);
  CHECK(s.starts() == 4);
}

TEST_CASE("messages are refused meanwhile where that is chosen") {
  shop s({.min = 1s, .meanwhile = backoff_messages::reject});
  s.ref.tell(crash());
  s.after(0s);
  auto n = s.ref.ask<count>();
  s.ref.tell(job{1});
  s.after(0s);
  REQUIRE(n.is_ready());
  CHECK(n.result().error() == errc::actor_stopped);
  CHECK(s.k.system().dead_letters().back().reason == errc::actor_stopped);
  s.after(1s);
  CHECK(s.starts() == 2);
  s.ref.tell(job{2});
  s.after(0s);
  CHECK(s.log->jobs == std::vector<int>{2});
}

TEST_CASE("kept messages have a bound, past which they are refused") {
  shop s({.min = 1s, .on_stop = true, .capacity = 2});
  s.ref.tell(leave());
  s.after(0s);
  for (int i = 1; i <= 3; ++i) s.ref.tell(job{i});
  s.after(1s);
  CHECK(s.log->jobs == std::vector<int>{1, 2});
  CHECK(s.k.system().dead_letters().back().reason == errc::actor_stopped);
}

TEST_CASE("a child that is past its restarts ends the actor in front with a failure") {
  for (auto meanwhile : {backoff_messages::keep, backoff_messages::reject}) {
    shop s({.min = 1s, .max = 1s, .max_restarts = 2, .meanwhile = meanwhile});
    auto p = s.k.probe<>();
    p.watch(s.ref);
    for (int i = 0; i < 3; ++i) {
      s.ref.tell(crash());
      s.after(1s);
    }
    const auto why = p.expect_terminated(s.ref);
    CHECK(why.kind == exit_kind::failed);
    CHECK(contains(why.text, "restart_limit"));
    CHECK(contains(why.text, "broken"));
    CHECK(s.starts() == 3);
  }
}

TEST_CASE("an end that is not to be answered by a start ends the actor in front as well") {
  shop s({.min = 1s});
  s.ref.tell(leave());
  s.after(0s);
  CHECK(s.ref.is_terminated());
  CHECK(s.starts() == 1);
}

TEST_CASE("a first start that fails is followed by pauses like any other failure") {
  for (auto meanwhile : {backoff_messages::keep, backoff_messages::reject}) {
    shop s({.min = 1s, .meanwhile = meanwhile}, 2);
    s.ref.tell(job{1});
    s.after(3s);
    CHECK(s.log->started == std::vector<duration>{0s, 1s, 3s});
    CHECK(s.log->jobs.size() == (meanwhile == backoff_messages::keep ? 1 : 0));
    auto n = s.ref.ask<count>();
    s.after(0s);
    CHECK(n.get() == static_cast<int>(s.log->jobs.size()));
  }
}
