#include "common.test.hpp"
#include <odeon/pattern/reliable_consumer.hpp>
#include <odeon/pattern/reliable_producer.hpp>

#include <algorithm>
#include <memory>
#include <numeric>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;
namespace rl = odeon::reliable;

namespace {

struct order {
  int n;
};
using send_order = rl::send<order>;
using producer = rl::producer_controller<order>;
using consumer = rl::consumer_controller<order>;
using numbers = std::vector<int>;

/// What the consumer has seen and done, over its lives.
struct book {
  numbers got;        // each delivery
  numbers confirmed;  // dealt with
  int fail_at = 0;    // throws once at that one, before it confirms
  bool confirms = true;
};

struct clerk : actor<rl::delivery<order>> {
  clerk(const std::shared_ptr<book>& b, const actor_ref<rl::start<order>>& from)
      : b_(b),
        from_(from) {}
  void pre_start() { from_.tell(rl::start<order>{self()}); }
  void on(rl::delivery<order> d) {
    b_->got.push_back(d.message.n);
    if (b_->fail_at == d.message.n) {
      b_->fail_at = 0;
      throw std::runtime_error("crashed");
    }
    if (!b_->confirms) return;
    b_->confirmed.push_back(d.message.n);
    d.confirm();
    d.confirm();  // twice is once
  }
  std::shared_ptr<book> b_;
  actor_ref<rl::start<order>> from_;
};

/// A way between the controllers that loses, repeats and reorders.
struct faults {
  unsigned lose = 0, repeat = 0, swap = 0;  // of 100
  bool cut = false;
};
struct line : actor<rl::demand<order>, rl::sequenced<order>> {
  line(const actor_ref<rl::demand<order>>& to, const std::shared_ptr<faults>& f) : to_(to), f_(f) {}
  void on(rl::demand<order> d) {
    back_ = d.to;
    d.to = self();
    if (!lost()) to_.tell(d);
    if (chance(f_->repeat)) to_.tell(d);
  }
  void on(rl::sequenced<order> s) {
    if (lost()) return;
    if (chance(f_->swap) && !held_) {
      held_ = s;
      return;
    }
    back_.tell(s);
    if (chance(f_->repeat)) back_.tell(s);
    if (held_) back_.tell(*std::exchange(held_, std::nullopt));
  }
  bool lost() { return f_->cut || chance(f_->lose); }
  bool chance(unsigned percent) {
    return percent > 0 && ctx().system().get_runtime().random_u64() % 100 < percent;
  }
  actor_ref<rl::demand<order>> to_;
  actor_ref<rl::sequenced<order>> back_;
  std::optional<rl::sequenced<order>> held_;
  std::shared_ptr<faults> f_;
};

/// A queue in memory that fails when told to.
struct shaky_queue final : rl::durable_queue<order> {
  rl::memory_queue<order> inner;
  bool crash_next = false, refuse_next = false;
  int loads = 0;
  task<result<rl::queue_state<order>>> load() override {
    ++loads;
    return inner.load();
  }
  task<result<void>> append(std::uint64_t n, order o) override {
    if (std::exchange(refuse_next, false)) co_return fail(errc::store_full, "no space");
    auto done = co_await inner.append(n, o);
    if (std::exchange(crash_next, false)) throw std::runtime_error("controller crashed");
    co_return done;
  }
  task<result<void>> confirm(std::uint64_t n) override { return inner.confirm(n); }
};

struct trade {
  testkit::kit k;
  std::shared_ptr<faults> f = std::make_shared<faults>();
  std::shared_ptr<book> b = std::make_shared<book>();
  std::shared_ptr<shaky_queue> q;
  producer::ref out;
  line::ref between;
  consumer::ref in;
  clerk::ref end;

  explicit trade(rl::producer_options po = {}, rl::consumer_options co = {}, bool durable = true,
                 std::uint64_t seed = 0)
      : k({.seed = seed, .moves_time = false}) {
    if (durable) q = std::make_shared<shaky_queue>();
    out = k.system().spawn<producer>({.supervision = {.max_retries = 100}}, po,
                                     std::shared_ptr<rl::durable_queue<order>>(q));
    between = k.system().spawn<line>(out, f);
    in = k.system().spawn<consumer>(co, between);
    end = k.system().spawn<clerk>(b, in);
    k.settle();
  }
  void give(int from, int to) {
    for (int i = from; i <= to; ++i) out.tell(send_order{order{i}});
  }
  rl::producer_status sent() { return ask(out, rl::get_producer_status()); }
  rl::consumer_status received() { return ask(in, rl::get_consumer_status()); }
  template <class R, class M>
  typename M::reply ask(const R& ref, M m) {
    auto answer = ref.ask(m);
    k.settle();
    return answer.get();
  }
};

numbers up_to(int n, int from = 1) {
  numbers all(static_cast<std::size_t>(n - from + 1));
  std::iota(all.begin(), all.end(), from);
  return all;
}

}  // namespace

TEST_CASE("messages arrive once, in order, and are told to be confirmed") {
  trade t;
  CHECK(t.ask(t.out, send_order{order{1}}) == 1);
  CHECK(t.ask(t.out, rl::deliver<order>{order{2}}) == 2);
  t.give(3, 200);
  t.k.settle();
  CHECK(t.b->got == up_to(200));
  const auto s = t.sent();
  CHECK(s.accepted == 200);
  CHECK(s.confirmed == 200);
  CHECK(s.kept == 0);
  CHECK(s.sent == 200);
  CHECK(t.received().doubles == 0);
}

TEST_CASE("a way that loses, repeats and reorders costs no message, no double and no order") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    trade t({.capacity = 1000}, {.window = 1 + 4 * seed}, seed % 2 == 0, seed);
    *t.f = {.lose = 30, .repeat = 20, .swap = 20};
    t.give(1, 300);
    for (int i = 0; i < 2'000 && t.b->got.size() < 300; ++i) t.k.advance(1s);
    CHECK_MESSAGE(t.b->got == up_to(300), "seed ", seed);
    *t.f = {};
    t.k.advance(5s);
    CHECK(t.sent().confirmed == 300);
    CHECK(t.sent().sent > 350);  // the faults were there
    CHECK(t.received().doubles > 0);
  }
}

TEST_CASE("a whole run of messages that was lost is sent again") {
  trade t({}, {.window = 10});
  t.give(1, 5);
  t.k.settle();
  t.f->cut = true;
  t.give(6, 40);
  t.k.advance(10s);
  CHECK(t.b->got == up_to(5));
  t.f->cut = false;
  t.k.advance(3s);
  CHECK(t.b->got == up_to(40));
}

TEST_CASE("nothing is sent beyond what the consumer's side asked for, nor kept beyond capacity") {
  trade t({.capacity = 20}, {.window = 5});
  t.b->confirms = false;
  t.give(1, 20);
  t.k.advance(1min);
  CHECK(t.b->got == up_to(1));
  CHECK(t.received().waiting == 5);
  CHECK(t.received().received == 5);
  auto more = t.out.ask<rl::ready>().within(1h);
  auto refused = t.out.ask(send_order{order{21}});
  t.k.settle();
  CHECK(!more.is_ready());
  const auto r = refused.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::mailbox_full);
  CHECK(contains(r.error().text(), "keeps 20 messages"));
  t.b->confirms = true;
  t.k.system().stop(t.end);
  t.k.settle();
  t.b->got.clear();
  t.end = t.k.system().spawn<clerk>(t.b, t.in);
  t.k.advance(2s);
  CHECK(t.b->got == up_to(20));
  REQUIRE(more.is_ready());
  const std::size_t n = more.get();
  CHECK(n >= 1);
  CHECK(n <= 5);
}

TEST_CASE("a consumer that is restarted before it confirmed gets the message again, no other one") {
  trade t;
  t.b->fail_at = 7;
  t.give(1, 20);
  t.k.settle();
  numbers expected = up_to(7);
  for (int n : up_to(20, 7)) expected.push_back(n);
  CHECK(t.b->got == expected);
  CHECK(t.b->confirmed == up_to(20));
}

TEST_CASE(
    "the successor of a consumer's controller loses nothing, and after a stop repeats nothing") {
  for (bool killed : {false, true}) {
    trade t({}, {.window = 8});
    t.give(1, 9);
    t.k.settle();
    t.f->cut = true;  // the confirmations of these do not come through while it lives
    t.give(10, 12);
    t.k.settle();
    t.f->cut = false;
    t.b->confirms = false;
    t.give(13, 14);
    t.k.advance(2s);
    if (killed)
      t.k.system().kill(t.in);
    else
      t.k.system().stop(t.in);
    t.k.system().stop(t.end);
    t.k.settle();
    t.b->confirms = true;
    t.b->got = t.b->confirmed;
    t.give(15, 30);
    t.in = t.k.system().spawn<consumer>(rl::consumer_options{.window = 8}, t.between);
    t.end = t.k.system().spawn<clerk>(t.b, t.in);
    t.k.advance(5s);
    numbers seen = t.b->confirmed;
    if (killed) seen.erase(std::unique(seen.begin(), seen.end()), seen.end());
    CHECK(seen == up_to(30));
  }
}

namespace {

/// Its copy fails once when told to: that fails the controller which makes it.
struct fragile {
  explicit fragile(int k) : n(k) {}
  fragile(const fragile& o) : n(o.n) {
    if (std::exchange(breaks, false)) throw std::runtime_error("a copy failed");
  }
  fragile(fragile&&) = default;
  int n;
  static inline bool breaks = false;
};
struct breaker_of_copies : actor<rl::delivery<fragile>> {
  breaker_of_copies(const std::shared_ptr<book>& b, const actor_ref<rl::start<fragile>>& from)
      : b_(b),
        from_(from) {}
  void pre_start() { from_.tell(rl::start<fragile>{self()}); }
  void on(const rl::delivery<fragile>& d) {
    b_->got.push_back(d.message.n);
    fragile::breaks = d.message.n == 3;
    d.confirm();
  }
  std::shared_ptr<book> b_;
  actor_ref<rl::start<fragile>> from_;
};

}  // namespace

TEST_CASE("a consumer's controller that fails and is restarted in place goes on by itself") {
  testkit::kit k{{.moves_time = false}};
  auto failed = k.events<actor_restarted>();
  auto b = std::make_shared<book>();
  auto out = k.system().spawn<rl::producer_controller<fragile>>(rl::producer_options());
  auto in = k.system().spawn<rl::consumer_controller<fragile>>(rl::consumer_options(), out);
  auto end = k.system().spawn<breaker_of_copies>(b, in);
  k.settle();
  for (int i = 1; i <= 10; ++i) out.tell(rl::send<fragile>{fragile(i)});
  k.advance(5s);
  CHECK(failed.await_one().ref == in);
  CHECK(b->got == up_to(10));
}

TEST_CASE("a producer's controller that is restarted goes on from its durable queue") {
  for (std::uint64_t seed = 1; seed <= 6; ++seed) {
    trade t({}, {.window = 3}, true, seed);
    if (seed % 2 == 0) *t.f = {.lose = 20, .repeat = 20, .swap = 20};
    for (int n = 1; n <= 60; ++n) {
      if (n % 10 == 0) t.q->crash_next = true;
      t.out.tell(send_order{order{n}});
      if (n % 3 == 0) t.k.settle();
      if (n % 7 == 0) t.k.advance(1s);
    }
    for (int i = 0; i < 300 && t.b->got.size() < 60; ++i) t.k.advance(1s);
    CHECK_MESSAGE(t.b->got == up_to(60), "seed ", seed);
    CHECK(t.q->loads == 7);
  }
}

TEST_CASE("a new controller with the same durable queue delivers what the old one kept") {
  trade t({}, {.window = 3});
  t.f->cut = true;
  t.give(1, 10);
  t.k.settle();
  t.k.system().kill(t.out);
  t.k.system().kill(t.in);
  t.k.settle();
  auto out = t.k.system().spawn<producer>(rl::producer_options(),
                                          std::shared_ptr<rl::durable_queue<order>>(t.q));
  auto in = t.k.system().spawn<consumer>(rl::consumer_options(), out);
  auto end = t.k.system().spawn<clerk>(t.b, in);
  t.k.advance(2s);
  CHECK(t.b->got == up_to(10));
  CHECK(t.ask(out, send_order{order{11}}) == 11);
}

TEST_CASE("without a durable queue a new controller begins a new count, and messages go on") {
  trade t({}, {.window = 3}, false);
  t.give(1, 5);
  t.k.settle();
  t.k.system().kill(t.out);
  t.k.settle();
  auto out = t.k.system().spawn<producer>(rl::producer_options());
  auto way = t.k.system().spawn<line>(out, t.f);
  auto in = t.k.system().spawn<consumer>(rl::consumer_options(), way);
  t.k.system().stop(t.end);
  t.k.settle();
  t.end = t.k.system().spawn<clerk>(t.b, in);
  CHECK(t.ask(out, send_order{order{6}}) == 1);
  t.k.advance(2s);
  CHECK(t.b->got == up_to(6));
}

TEST_CASE("a message that the durable queue refuses is refused, and takes no number") {
  trade t;
  t.q->refuse_next = true;
  auto refused = t.out.ask(send_order{order{1}});
  t.k.settle();
  CHECK(refused.result().error() == error(errc::store_full, "no space"));
  CHECK(t.ask(t.out, send_order{order{2}}) == 1);
  t.k.settle();
  CHECK(t.b->got == numbers{2});
}

TEST_CASE("a consumer that forgets to confirm gets the message again where that is chosen") {
  trade t({}, {.deliver_after = 5s});
  t.b->confirms = false;
  t.give(1, 2);
  t.k.advance(20s);
  CHECK(t.b->got.size() >= 3);
  CHECK(t.b->got.back() == 1);
}

TEST_CASE("options and queues that make no sense are refused with a reason") {
  testkit::kit k;
  CHECK(thrown_by([&] { k.system().spawn<producer>(rl::producer_options{.capacity = 0}); }) ==
        errc::spawn_failed);
  CHECK(contains(text_by([&] {
                   k.system().spawn<consumer>(rl::consumer_options{.window = 0},
                                              actor_ref<rl::demand<order>>());
                 }),
                 "a window of at least one"));
  CHECK(contains(text_by([] { rl::detail::check_loaded("p", 5, 2, 4, 2); }),
                 "2 messages from number 4, confirmed up to 2, appended up to 5"));
}
