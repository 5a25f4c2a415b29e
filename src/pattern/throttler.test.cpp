#include "common.test.hpp"
#include <odeon/pattern/aggregator.hpp>
#include <odeon/pattern/backoff.hpp>
#include <odeon/pattern/pipe_to.hpp>
#include <odeon/pattern/throttler.hpp>
#include <odeon/task/run.hpp>

#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

struct page {
  int n;
  std::string text = {};
  friend bool operator==(const page&, const page&) = default;
};
struct get {
  using reply = int;
};
struct sum {
  int n;
  bool complete;
  friend bool operator==(const sum&, const sum&) = default;
};

/// When each page came, since the start.
struct printer : actor<page, get> {
  using arrivals = std::vector<std::pair<int, duration>>;
  explicit printer(const std::shared_ptr<arrivals>& a, testkit::kit* k)
      : a_(a),
        k_(k),
        began_(k->now()) {}
  void on(page p) { a_->emplace_back(p.n, k_->now() - began_); }
  int on(get) { return static_cast<int>(a_->size()); }
  std::shared_ptr<arrivals> a_;
  testkit::kit* k_;
  time_point began_;
};

struct office {
  testkit::kit k{{.moves_time = false}};
  std::shared_ptr<printer::arrivals> got = std::make_shared<printer::arrivals>();
  printer::ref behind = k.system().spawn<printer>(got, &k);
  printer::ref slow;
  explicit office(throttle_options o) { slow = spawn_throttler(k.system(), behind, std::move(o)); }
};

task<void> turns(rate_limiter r, int n, std::vector<duration>& at, testkit::kit& k) {
  const auto began = k.now();
  for (int i = 0; i < n; ++i) {
    co_await r.acquire();
    at.push_back(k.now() - began);
  }
}

}  // namespace

TEST_CASE("a token bucket gives its burst, then one place an interval, and saves up no more") {
  const time_point t0{1h};
  token_bucket b({.elements = 2, .per = 1s, .burst = 3});
  for (int i = 0; i < 3; ++i) CHECK(b.try_take(t0));
  CHECK(!b.try_take(t0));
  CHECK(b.wait_for(t0) == 500ms);
  CHECK(!b.try_take(t0 + 499ms));
  CHECK(b.try_take(t0 + 500ms));
  CHECK(!b.try_take(t0 + 600ms));
  CHECK(!b.try_take(t0 + 1h, 4));
  CHECK(b.try_take(t0 + 1h, 3));
  CHECK(!b.try_take(t0 + 1h));
  CHECK(thrown_by([] { token_bucket({.elements = 0}); }) == errc::invalid_argument);
  CHECK(thrown_by([] { token_bucket({.per = 0s}); }) == errc::invalid_argument);
}

TEST_CASE("a rate limiter lets tasks through in order, no faster than told") {
  testkit::kit k;
  rate_limiter r(k.get_runtime(), {.elements = 10, .per = 1s, .burst = 2});
  std::vector<duration> at;
  run(k.get_runtime(), turns(r, 5, at, k));
  CHECK(at == std::vector<duration>{0ms, 0ms, 100ms, 200ms, 300ms});
  CHECK(!r.try_acquire());
  k.advance(100ms);
  CHECK(r.try_acquire());
}

TEST_CASE("a rate limiter refuses at once who would wait for longer than its bound") {
  testkit::kit k;
  rate_limiter r(k.get_runtime(), {.elements = 1, .per = 1s}, 2s);
  std::vector<task<void>> waiting;
  for (int i = 0; i < 3; ++i) waiting.push_back(r.acquire());
  CHECK(contains(text_by([&] { run(k.get_runtime(), r.acquire()); }), "is 3 s away"));
  CHECK(r.backlog() == 3s);
}

TEST_CASE("a throttler passes messages on in order at its rate, after its burst") {
  office o({.elements = 2, .per = 1s, .burst = 2});
  for (int i = 0; i < 5; ++i) o.slow.tell(page{i, "x"});
  o.k.advance(10s);
  CHECK(*o.got == printer::arrivals{{0, 0ms}, {1, 0ms}, {2, 500ms}, {3, 1s}, {4, 1500ms}});
}

TEST_CASE("an ask goes through a throttler with its right to be answered") {
  office o({.elements = 1, .per = 1s});
  o.slow.tell(page{1});
  auto n = o.slow.ask<get>();
  o.k.advance(999ms);
  CHECK(!n.is_ready());
  o.k.advance(1ms);
  REQUIRE(n.is_ready());
  CHECK(n.get() == 1);
}

TEST_CASE("a throttler's full queue does what it was told") {
  office o({.elements = 1, .per = 1s, .capacity = 2});
  for (int i = 0; i < 5; ++i) {
    o.slow.tell(page{i});
    o.k.settle();
  }
  o.k.advance(10s);
  CHECK(o.got->size() == 3);
  CHECK(o.got->back().first == 2);
  CHECK(o.k.system().dead_letters().size() == 2);
  CHECK(o.k.system().dead_letters().back().reason == errc::mailbox_full);
  office drop({.elements = 1, .per = 1s, .capacity = 2, .overflow = overflow::drop_oldest});
  for (int i = 0; i < 5; ++i) {
    drop.slow.tell(page{i});
    drop.k.settle();
  }
  drop.k.advance(10s);
  CHECK(drop.got->back().first == 4);
  CHECK(drop.got->size() == 3);
}

TEST_CASE("a throttler ends with its target, and can be stopped in the middle of a rest") {
  office o({.elements = 1, .per = 1s});
  o.slow.tell(page{1});
  o.k.settle();
  o.k.system().stop(o.behind);
  o.k.advance(1s);
  CHECK(o.slow.is_terminated());
  office long_rest({.elements = 1, .per = 1h});
  long_rest.slow.tell(page{1});
  long_rest.k.settle();
  long_rest.k.system().stop(long_rest.slow);
  long_rest.k.settle();
  CHECK(long_rest.slow.is_terminated());
  CHECK(thrown_by([&] { spawn_throttler(o.k.system(), o.behind, {.elements = 0}); }) ==
        errc::invalid_argument);
}

// -- aggregator -----------------------------------------------------------------------------------

TEST_CASE("gathering gives all replies in the order asked") {
  testkit::kit k;
  auto a = k.probe<get>(), b = k.probe<get>();
  std::vector<future<int>> asked;
  asked.push_back(a.ref().ask<get>());
  asked.push_back(b.ref().ask<get>());
  k.settle();
  b.expect_request<get>().reply(2);
  a.expect_request<get>().reply(1);
  auto all = run(k.get_runtime(), gather(std::move(asked)));
  CHECK(all.complete);
  REQUIRE(all.replies.size() == 2);
  CHECK(all.replies[0] == 1);
  CHECK(all.replies[1] == 2);
  CHECK(run(k.get_runtime(), gather(std::vector<future<int>>())).complete);
}

TEST_CASE("gathering ends after its time with what there is, and says why the rest is missing") {
  testkit::kit k;
  auto a = k.probe<get>("silent"), b = k.probe<get>(), c = k.probe<get>();
  std::vector<future<int>> asked;
  for (auto* p : {&a, &b, &c}) asked.push_back(p->ref().ask<get>());
  k.settle();
  b.expect_request<get>().reply(2);
  c.expect_request<get>().reply.fail(error(errc::refused, "closed"));
  const auto began = k.now();
  auto all = run(k.get_runtime(), gather(std::move(asked), {.within = 1s}));
  CHECK(k.now() - began == 1s);
  CHECK(!all.complete);
  CHECK(all.good == 1);
  CHECK(all.replies[0].error() == errc::ask_timeout);
  CHECK(all.replies[1] == 2);
  CHECK(all.replies[2].error() == error(errc::refused, "closed"));
}

TEST_CASE("gathering ends as soon as there are enough good replies") {
  testkit::kit k;
  auto a = k.probe<get>(), b = k.probe<get>(), c = k.probe<get>();
  std::vector<future<int>> asked;
  for (auto* p : {&a, &b, &c}) asked.push_back(p->ref().ask<get>());
  k.settle();
  a.expect_request<get>().reply.fail(errc::refused);
  c.expect_request<get>().reply(3);
  const auto began = k.now();
  auto all = run(k.get_runtime(), gather(std::move(asked), {.within = 1h, .enough = 1}));
  CHECK(k.now() == began);
  CHECK(all.complete);
  CHECK(all.replies[1].error() == errc::cancelled);
  CHECK(all.replies[2] == 3);
}

TEST_CASE("an aggregator gives its messages as soon as all are there, and ends") {
  testkit::kit k;
  auto p = k.probe<sum>();
  auto a = spawn_aggregator<page>(k.system(), {.expected = 3, .within = 1min});
  pipe_to(std::move(a.result), p.ref(), [](aggregated<page> all) {
    int n = 0;
    for (const auto& one : all.messages) n = 10 * n + one.n;
    return sum{n, all.complete};
  });
  for (int i = 1; i <= 4; ++i) a.ref.tell(page{i});
  p.expect(sum{123, true});
  k.settle();
  CHECK(a.ref.is_terminated());
  CHECK(k.system().dead_letters().size() == 1);
}

TEST_CASE("an aggregator gives what it has when its time is over, or when it is stopped") {
  testkit::kit k{{.moves_time = false}};
  auto late = spawn_aggregator<page>(k.system(), {.expected = 3, .within = 1s});
  auto stopped = spawn_aggregator<page>(k.system(), {.expected = 3, .within = 0s});
  late.ref.tell(page{1});
  stopped.ref.tell(page{2});
  k.advance(999ms);
  CHECK(!late.result.is_ready());
  k.advance(1ms);
  auto got = late.result.get();
  CHECK(!got.complete);
  CHECK(got.messages == std::vector{page{1}});
  k.advance(1h);
  CHECK(!stopped.result.is_ready());
  k.system().stop(stopped.ref);
  k.settle();
  CHECK(stopped.result.get().messages == std::vector{page{2}});
}

namespace {

struct begin {
  using reply = int;
};
/// Uses the patterns as its own children.
struct editor : actor<begin> {
  explicit editor(printer::ref p) : printer_(std::move(p)) {}
  task<int> on(begin) {
    auto slow = spawn_throttler(ctx(), printer_, {.elements = 1, .per = 1s});
    auto all = spawn_aggregator<page>(ctx(), {.expected = 2});
    auto child = spawn_backoff<printer>(ctx(), {}, got, kit);
    child.tell(page{7});
    slow.tell(page{8});
    all.ref.tell(page{1});
    all.ref.tell(page{2});
    std::vector<future<int>> asked;
    asked.push_back(slow.ask<get>());
    asked.push_back(child.ask<get>());
    auto counts = co_await gather(std::move(asked));
    co_return static_cast<int>((co_await std::move(all.result)).messages.size()) +
        10 * *counts.replies[0] + 100 * *counts.replies[1];
  }
  static inline std::shared_ptr<printer::arrivals> got;
  static inline testkit::kit* kit = nullptr;
  printer::ref printer_;
};

}  // namespace

TEST_CASE("an actor uses throttlers, aggregators and backoffs as its own children") {
  testkit::kit k;
  editor::got = std::make_shared<printer::arrivals>();
  editor::kit = &k;
  auto behind = k.system().spawn<printer>(std::make_shared<printer::arrivals>(), &k);
  auto e = k.system().spawn<editor>(behind);
  CHECK(e.ask<begin>().get() == 112);
  k.system().stop(e);
  k.settle();
  CHECK(editor::got.use_count() == 1);  // its children ended with it
  editor::got.reset();
}

TEST_CASE("an aggregator ends when its rule says that there is enough") {
  testkit::kit k;
  auto a = spawn_aggregator<page>(k.system(), {.expected = 100},
                                  [](const auto& all) { return all.back().text == "last"; });
  a.ref.tell(page{1});
  a.ref.tell(page{2, "last"});
  auto got = a.result.get();
  CHECK(got.complete);
  CHECK(got.messages.size() == 2);
  auto bad = spawn_aggregator<page>(k.system(), {.expected = 9},
                                    [](const auto&) -> bool { throw std::runtime_error("rule"); });
  bad.ref.tell(page{1});
  CHECK(bad.result.get().messages.size() == 1);
  CHECK(thrown_by([&] { spawn_aggregator<page>(k.system(), {}); }) == errc::invalid_argument);
}
