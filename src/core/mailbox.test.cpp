// Bounds, overflow, priority, the control lane, and the high-water mark.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct item {
  int n = 0;
};
struct count_up {
  using reply = int;
};
struct gate {
  duration shut_for{};
};
struct send_item {
  int n = 0;
};
struct send_waiting {
  using reply = std::string;
  int n = 0;
};
struct go {};

/// Writes down its items; shut for a while when told.
class sink : public actor<item, count_up, gate> {
 public:
  explicit sink(journal j) : journal_(std::move(j)) {}
  void on(item m) { journal_->push_back(std::to_string(m.n)); }
  int on(count_up) { return static_cast<int>(journal_->size()); }
  task<void> on(gate m) { co_await sleep(m.shut_for); }

 private:
  journal journal_;
};

class feeder : public actor<send_item, send_waiting> {
 public:
  explicit feeder(sink::ref to) : to_(to) {}
  void on(send_item m) { to_.tell<item>(m.n); }
  task<std::string> on(send_waiting m) {
    co_await to_.tell_wait<item>(m.n);
    co_return "sent" + std::to_string(m.n);
  }

 private:
  sink::ref to_;
};

struct setup {
  explicit setup(mailbox_options box, duration shut_for = 1s)
      : s(k.system().spawn<sink>({.name = "s", .mailbox = box}, said)) {
    s.tell<gate>(shut_for);
    k.settle();
  }
  void open() { k.advance(1s); }
  void send(int from, int to) {
    for (int i = from; i <= to; ++i) s.tell<item>(i);
  }
  testkit::kit k;
  journal said = new_journal();
  testkit::event_log<mailbox_overflow> overflows = k.events<mailbox_overflow>();
  sink::ref s;
};

}  // namespace

TEST_CASE("drop_newest drops the new message of a full mailbox, and counts it as accepted") {
  setup t(mailbox::bounded(3, overflow::drop_newest));
  t.send(1, 3);
  CHECK(t.s.try_tell<item>(4).has_value());
  CHECK(t.s.ask<count_up>().result().error() == errc::mailbox_full);
  t.open();
  CHECK(all_of(t.said) == "1 2 3");
  CHECK(letters(t.k.system()) == lines({"mailbox_full item", "mailbox_full count_up"}));
  const auto e = t.overflows.await(2)[0];
  CHECK(e.path == "/user/s");
  CHECK(e.capacity == 3);
  CHECK(contains(e.message, "item"));
  CHECK(t.k.system().metrics().mailbox_overflows == 2);
}

TEST_CASE("drop_oldest drops the message that waits longest, and takes the new one") {
  setup t(mailbox::bounded(3, overflow::drop_oldest));
  auto asked = t.s.ask<count_up>();
  t.send(1, 5);
  CHECK(asked.result().error() == errc::mailbox_full);
  t.open();
  CHECK(all_of(t.said) == "3 4 5");
  CHECK(letters(t.k.system()) ==
        lines({"mailbox_full count_up", "mailbox_full item", "mailbox_full item"}));
  CHECK(t.overflows.count() == 3);
}

TEST_CASE("fail refuses the new message: the tell is a dead letter, try_tell and ask say so") {
  setup t(mailbox::bounded(3, overflow::fail));
  t.send(1, 4);
  const auto r = t.s.try_tell<item>(5);
  CHECK(r.error() == errc::mailbox_full);
  CHECK(contains(r.error().text(), "/user/s"));
  CHECK(contains(r.error().text(), "3"));
  const auto before = t.k.now();
  CHECK(t.s.ask<count_up>().result().error() == errc::mailbox_full);
  CHECK(t.k.now() == before);
  t.open();
  CHECK(all_of(t.said) == "1 2 3");
  CHECK(letters(t.k.system()).size() == 3);
  CHECK(t.overflows.count() == 3);
}

TEST_CASE("dead_letter refuses as fail does, without the event") {
  setup t(mailbox::bounded(3, overflow::dead_letter));
  t.send(1, 4);
  CHECK(t.s.try_tell<item>(5).error() == errc::mailbox_full);
  t.open();
  CHECK(all_of(t.said) == "1 2 3");
  CHECK(letters(t.k.system()) == lines({"mailbox_full item", "mailbox_full item"}));
  t.overflows.expect_none();
}

TEST_CASE("block lets a teller from outside wait for room") {
  setup t(mailbox::bounded(2, overflow::block));
  const auto before = t.k.now();
  t.send(1, 2);
  CHECK(t.k.now() == before);
  t.send(3, 3);  // waits until the gate opens
  CHECK(t.k.now() - before == 1s);
  t.k.settle();
  CHECK(all_of(t.said) == "1 2 3");
  CHECK(t.k.system().dead_letters().empty());
  t.overflows.expect_none();
}

TEST_CASE("block lets a coroutine wait for room without holding up others, in order") {
  setup t(mailbox::bounded(1, overflow::block));
  std::vector<feeder::ref> feeders;
  std::vector<future<std::string>> sent;
  for (int i = 1; i <= 4; ++i) {
    feeders.push_back(t.k.system().spawn<feeder>(t.s));
    sent.push_back(feeders.back().ask<send_waiting>(i));
    t.k.settle();
  }
  CHECK(sent[0].is_ready());
  for (int i = 1; i <= 3; ++i) CHECK(!sent[static_cast<std::size_t>(i)].is_ready());
  t.open();
  for (int i = 0; i < 4; ++i)
    CHECK(sent[static_cast<std::size_t>(i)].get() == "sent" + std::to_string(i + 1));
  CHECK(all_of(t.said) == "1 2 3 4");
}

TEST_CASE("a plain tell of an actor to a full blocking mailbox is refused") {
  setup t(mailbox::bounded(1, overflow::block));
  auto f = t.k.system().spawn<feeder>(t.s);
  f.tell<send_item>(1);
  f.tell<send_item>(2);
  t.k.settle();
  CHECK(letters(t.k.system()) == lines({"mailbox_full item"}));
  t.open();
  CHECK(all_of(t.said) == "1");
}

TEST_CASE("those who wait for room are told when the actor ends") {
  setup t(mailbox::bounded(1, overflow::block));
  auto f = t.k.system().spawn<feeder>(t.s);
  auto first = f.ask<send_waiting>(1);
  auto second = f.ask<send_waiting>(2);
  t.k.settle();
  t.k.system().kill(t.s);
  CHECK(first.get() == "sent1");
  const auto e = second.result().error();
  CHECK(contains(e.to_string(), "actor_stopped"));
  CHECK(letters(t.k.system(), "/user/s").size() == 3);
}

TEST_CASE("a timer's message to a full blocking mailbox does not hold up the timers") {
  testkit::kit k;
  auto said = new_journal();
  auto a = k.system().spawn(behavior(
                                0,
                                [](int&, go, context& c) -> task<void> {
                                  c.send_every(100ms, 100ms, item{1});
                                  co_await sleep(1s);
                                },
                                [said](int&, item) { said->push_back("item"); }),
                            {.mailbox = mailbox::bounded(1, overflow::block)});
  a.tell<go>();
  const auto before = k.now();
  k.advance(1050ms);
  CHECK(k.now() - before == 1050ms);
  CHECK(all_of(said) == "item");
  CHECK(letters(k.system()).size() == 9);
}

TEST_CASE("the higher priority is taken first, equal ones in the order sent") {
  setup t(mailbox::priority());
  t.s.tell(item{1}, {.priority = 0});
  t.s.tell(item{2}, {.priority = -5});
  t.s.tell(item{3}, {.priority = 10});
  t.s.tell<item>(4);
  t.s.tell(item{5}, {.priority = 10});
  t.s.tell(item{6}, {.priority = -5});
  t.open();
  CHECK(all_of(t.said) == "3 5 1 4 2 6");
}

TEST_CASE("a bounded priority mailbox drops the oldest of the least urgent") {
  setup t(mailbox::priority(3, overflow::drop_oldest));
  t.s.tell(item{1}, {.priority = 5});
  t.s.tell(item{2}, {.priority = 1});
  t.s.tell(item{3}, {.priority = 1});
  t.s.tell(item{4}, {.priority = 9});
  t.open();
  CHECK(all_of(t.said) == "4 1 3");
}

TEST_CASE("control messages overtake a full mailbox and are never dropped") {
  for (auto box : {mailbox::bounded(1, overflow::fail), mailbox::bounded(1, overflow::drop_oldest),
                   mailbox::priority(1), mailbox::control_aware()}) {
    setup t(box, 100ms);
    auto w = t.k.probe<item>();
    t.send(1, 5);
    w.watch(t.s);
    t.k.system().stop(t.s);
    t.k.advance(100ms);
    CHECK(w.expect_terminated(t.s).kind == exit_kind::stopped);
    CHECK(t.said->empty());
  }
}

TEST_CASE("crossing the high-water mark is told once per crossing") {
  for (auto box :
       {mailbox_options{.high_water = 100},
        mailbox_options{.kind = mailbox_kind::bounded, .capacity = 10'000, .high_water = 100}}) {
    setup t(box);
    auto marks = t.k.events<mailbox_high_water>();
    t.send(1, 90);
    t.k.settle();
    CHECK(marks.count() == 0);
    t.send(91, 200);
    t.k.settle();
    CHECK(marks.count() == 1);
    t.send(201, 400);
    t.k.settle();
    const auto m = marks.await_one();
    CHECK(m.limit == 100);
    CHECK(m.depth >= 100);
    CHECK(m.path == "/user/s");
    CHECK(marks.count() == 0);
    t.open();
    CHECK(t.said->size() == 400);
    t.s.tell<gate>(1s);
    t.k.settle();
    t.send(1, 150);
    t.k.settle();
    CHECK(marks.count() == 1);
    CHECK(t.k.system().metrics().high_water_crossings == 2);
  }
}

TEST_CASE("the mark is ten thousand unless told") {
  setup t(mailbox::unbounded());
  auto marks = t.k.events<mailbox_high_water>();
  t.send(1, 9'999);
  t.k.settle();
  CHECK(marks.count() == 0);
  t.send(1, 300);
  t.k.settle();
  CHECK(marks.await_one().limit == 10'000);
}

TEST_CASE("messages of one sender keep their order through every kind of mailbox") {
  for (auto box : {mailbox::unbounded(), mailbox::bounded(100'000), mailbox::priority()}) {
    testkit::kit k;
    auto said = new_journal();
    auto s = k.system().spawn<sink>({.mailbox = box}, said);
    std::vector<feeder::ref> feeders;
    for (int f = 0; f < 4; ++f) feeders.push_back(k.system().spawn<feeder>(s));
    for (int i = 0; i < 500; ++i)
      for (int f = 0; f < 4; ++f) feeders[static_cast<std::size_t>(f)].tell<send_item>(f + 10 * i);
    k.settle();
    REQUIRE(said->size() == 2000);
    int last[4] = {-1, -1, -1, -1};
    for (const auto& line : *said) {
      const int n = std::stoi(line);
      CHECK(n > last[n % 10]);
      last[n % 10] = n;
    }
  }
}

TEST_CASE("a message whose time to live has passed when it is taken is expired") {
  setup t(mailbox::unbounded());
  t.s.tell(item{1}, {.ttl = 500ms});
  t.s.tell(item{2}, {.ttl = 2s});
  t.s.tell<item>(3);
  t.open();
  CHECK(all_of(t.said) == "2 3");
  CHECK(letters(t.k.system()) == lines({"expired item"}));
}

TEST_CASE("a message taken within its time to live is handled, however long that takes") {
  testkit::kit k;
  auto said = new_journal();
  auto a = k.system().spawn(behavior(0, [said](int&, item) -> task<void> {
    co_await sleep(10s);
    said->push_back("done");
  }));
  a.tell(item{}, {.ttl = 1s});
  k.advance(10s);
  CHECK(all_of(said) == "done");
}

TEST_CASE("a bounded mailbox holds at least one message") {
  testkit::kit k;
  CHECK(thrown_by([&] {
          k.system().spawn<sink>({.mailbox = mailbox::bounded(0)}, new_journal());
        }) == errc::invalid_argument);
}
