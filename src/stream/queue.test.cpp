// Queues, actors and watchers: where streams meet the rest of the program.

#include "common.test.hpp"
#include <odeon/stream/actors.hpp>
#include <odeon/stream/kill_switch.hpp>
#include <odeon/stream/queue.hpp>
#include <odeon/stream/watch.hpp>

using namespace odeon;
using namespace odeon::stream_test;
using namespace std::chrono_literals;

using ints = std::vector<int>;

TEST_CASE("a source queue gives what is offered, in order, and completes") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto capacity = *rc::gen::inRange<std::size_t>(1, 4);
    const auto after = *rc::gen::arbitrary<std::vector<bool>>();
    auto [q, all] =
        (source::queue<int>(capacity) | with_holes(after) | to(sink::collect())).run(k.system());
    std::vector<future<offer_result>> offers;
    for (int x : in) offers.push_back(q.offer(x));
    for (auto& o : offers) RC_ASSERT(o.get() == offer_result::enqueued);
    q.complete();
    RC_ASSERT(all.get() == in);
  }));
}

TEST_CASE("an offer waits for room, and is told when the stream has ended instead") {
  testkit::kit k;
  auto [q, done] = (source::queue<int>(1) |
                    map_async(1,
                              [](int x) -> task<int> {
                                return [](int y) -> task<int> {
                                  co_await sleep(10ms);
                                  co_return y;
                                }(x);
                              }) |
                    take(1) | to(sink::collect()))
                       .run(k.system());
  CHECK(q.offer(1).get() == offer_result::enqueued);
  k.settle();
  CHECK(q.try_offer(2) == offer_result::enqueued);
  CHECK(q.try_offer(3) == offer_result::full);
  auto waits = q.offer(4);
  CHECK_FALSE(waits.is_ready());
  CHECK(done.get() == ints{1});
  CHECK(waits.get() == offer_result::closed);
  CHECK(q.is_closed());
  CHECK(q.try_offer(5) == offer_result::closed);
}

TEST_CASE("a full queue drops by its rule") {
  testkit::kit k;
  auto run = [&](on_full what) {
    auto [q, all] = (source::queue<int>(2, what) | to(sink::collect())).run(k.system());
    std::vector<offer_result> said;
    for (int i = 0; i < 4; ++i) said.push_back(q.try_offer(i));
    q.complete();
    return std::pair(all.get(), said);
  };
  constexpr auto in = offer_result::enqueued, out = offer_result::dropped;
  CHECK(run(on_full::drop_newest) == std::pair(ints{0, 1}, std::vector{in, in, out, out}));
  CHECK(run(on_full::drop_oldest) == std::pair(ints{2, 3}, std::vector{in, in, out, out}));
  CHECK(run(on_full::drop_all) == std::pair(ints{2, 3}, std::vector{in, in, out, in}));
  auto [q, all] = (source::queue<int>(1, on_full::fail) | to(sink::collect())).run(k.system());
  (void)q.try_offer(1);
  CHECK(q.try_offer(2) == offer_result::closed);
  CHECK(all.result().error() == errc::limit_exceeded);
}

TEST_CASE("a queue that is failed or let go of fails its stream") {
  testkit::kit k;
  auto [q, all] = (source::queue<int>(2) | to(sink::collect())).run(k.system());
  q.fail(error(errc::refused, "no more"));
  CHECK(all.result().error().text() == "no more");
  auto forgotten = [&] {
    auto [r, result] = (source::queue<int>(2) | to(sink::collect())).run(k.system());
    return std::move(result);
  }();
  CHECK(forgotten.result().error() == errc::no_reply);
}

TEST_CASE("a sink queue gives each element to who pulls, then the end") {
  testkit::kit k;
  CHECK(rc::check([&] {
    const auto in = *rc::gen::arbitrary<ints>();
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto capacity = *rc::gen::inRange<std::size_t>(1, 4);
    auto s = std::make_shared<seen>();
    auto q = (probe_source(in, s, holes) | to(sink::queue(capacity))).run(k.system());
    ints out;
    while (auto v = q.pull().get()) {
      out.push_back(*v);
      RC_ASSERT(s->given <= out.size() + capacity);
    }
    RC_ASSERT(out == in);
    RC_ASSERT(!q.pull().get());
  }));
}

TEST_CASE("a sink queue tells of a failure, and cancels when it is let go") {
  testkit::kit k;
  auto q = (source::failed<int>(errc::refused) | to(sink::queue())).run(k.system());
  CHECK(q.pull().result().error() == errc::refused);
  auto s = std::make_shared<seen>();
  {
    auto r = (probe_source(ints(9, 1), s) | to(sink::queue())).run(k.system());
  }
  k.settle();
  CHECK(s->cancelled);
}

TEST_CASE("a pull that was given up takes no element with it") {
  testkit::kit k;
  auto [in, q] = (source::queue<int>(4) | to(sink::queue())).run(k.system());
  {
    auto given_up = q.pull();
  }
  k.settle();
  CHECK(in.try_offer(1) == offer_result::enqueued);
  CHECK(q.pull().get() == 1);
  auto first = q.pull();
  auto second = q.pull();
  CHECK(first.result().error() == errc::invalid_argument);
  in.complete();
  CHECK_FALSE(second.get().has_value());
}

TEST_CASE("queues work between real threads") {
  testkit::kit k({.threaded = true});
  auto [in, out] =
      (source::queue<int>(8) | map([](int x) { return x + 1; }) | async() | to(sink::queue(8)))
          .run(k.system());
  long sum = 0;
  for (int i = 0; i < 2'000; ++i) {
    CHECK(in.offer(i).get() == offer_result::enqueued);
    sum += *out.pull().get();
  }
  CHECK(sum == 2'001'000);
  in.complete();
  CHECK_FALSE(out.pull().get().has_value());
}

TEST_CASE("an actor source gives what its actor is told, and ends with it") {
  testkit::kit k;
  auto [ref, all] = (source::from_actor<int>(4) | to(sink::collect())).run(k.system());
  for (int i = 0; i < 10; ++i) ref.tell<stream_element<int>>(i);
  CHECK(ref.ask<stream_element<int>>(10).get() == offer_result::enqueued);
  ref.tell<stream_complete>();
  CHECK(all.get() == ints{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10});
  k.settle();
  CHECK(ref.is_terminated());
}

TEST_CASE("an actor source fails when its actor says so or is stopped") {
  testkit::kit k;
  auto [a, x] = (source::from_actor<int>(4) | to(sink::collect())).run(k.system());
  a.tell<stream_fail>(error(errc::refused, "bad"));
  CHECK(x.result().error() == errc::refused);
  auto [b, y] = (source::from_actor<int>(4) | to(sink::collect())).run(k.system());
  k.system().stop(b);
  CHECK(y.result().error() == errc::actor_stopped);
}

namespace {
struct put {
  using reply = void;
  int x;
};
}  // namespace

TEST_CASE("an actor sink sends the next element after the acknowledgement of the one before") {
  testkit::kit k;
  auto p = k.probe<put>();
  auto s = std::make_shared<seen>();
  auto done =
      (probe_source<int>({1, 2, 3}, s) | to(sink::to_actor(p.ref(), [](int x) { return put{x}; })))
          .run(k.system());
  for (int i = 1; i <= 3; ++i) {
    auto r = p.expect_request<put>();
    CHECK(r.message.x == i);
    CHECK(s->given == std::size_t(i));
    p.expect_no_mail();
    r.reply();
  }
  done.get();
}

TEST_CASE("an actor sink fails when an element is refused or the actor is gone") {
  testkit::kit k;
  auto p = k.probe<put>();
  auto s = std::make_shared<seen>();
  auto done =
      (probe_source<int>({1, 2}, s) | to(sink::to_actor(p.ref(), [](int x) { return put{x}; })))
          .run(k.system());
  p.expect_request<put>().reply.fail(errc::refused);
  CHECK(done.result().error() == errc::refused);
  CHECK(s->cancelled);
  p.stop();
  k.settle();
  CHECK((source::single(1) | to(sink::to_actor(p.ref(), [](int x) { return put{x}; })))
            .run(k.system())
            .result()
            .error() == errc::actor_stopped);
}

TEST_CASE("watch_termination tells how a stream ended, and keeps the laws") {
  check_laws(watch_termination(), [](ints v) { return v; }, {.failure_keeps_all = true});
  testkit::kit k;
  auto ended_by = [&](auto src, auto flow) {
    auto [how, done] = (std::move(src) | watch_termination() | std::move(flow) | to(sink::ignore()))
                           .run(k.system());
    (void)done.result();
    return how.result();
  };
  CHECK(ended_by(source::from({1, 2}), take(9)) == ending::completed);
  CHECK(ended_by(source::from({1, 2}), take(1)) == ending::cancelled);
  CHECK(ended_by(source::failed<int>(errc::refused), take(1)).error() == errc::refused);
  auto thrower = map([](int x) -> int { throw std::runtime_error(std::to_string(x)); });
  CHECK(ended_by(source::single(7) | thrower, take(1)).error().text() == "7");
  CHECK(ended_by(source::single(7), thrower) == ending::cancelled);
}

TEST_CASE("via_mat puts two materialised values together") {
  testkit::kit k;
  auto [both, sum] = (source::queue<int>(2) |
                      via_mat(map([](int x) { return x; }) | kill_switch(),
                              [](source_queue<int> q, shared_kill_switch s) {
                                return std::pair(std::move(q), std::move(s));
                              }) |
                      to(sink::fold(0, std::plus{})))
                         .run(k.system());
  (void)both.first.try_offer(3);
  k.settle();
  both.second.shutdown();
  CHECK(sum.get() == 3);
}
