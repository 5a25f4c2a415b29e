// Many replies to one ask.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct numbers {
  using replies = int;
  int count = 0;
  duration pause{};
};
struct fail_after {
  using replies = int;
  int count = 0;
};
struct refuse_after {
  using replies = int;
  int count = 0;
};
struct forget_after {
  using replies = int;
  int count = 0;
};
struct plain_throw {
  using replies = int;
};
struct try_many {
  using replies = int;
};
struct until_stopped {
  using replies = int;
};
struct sum_of {
  using reply = std::string;
  int kind = 0;
};

class producer : public actor<numbers, fail_after, refuse_after, forget_after, plain_throw,
                              try_many, until_stopped> {
 public:
  explicit producer(journal j) : journal_(std::move(j)) {}
  task<void> on(numbers m, replies_to<int> out) {
    for (int i = 1; i <= m.count; ++i) {
      if (m.pause > duration::zero()) co_await sleep(m.pause);
      if (!co_await out.send(i)) {
        journal_->push_back("gone at " + std::to_string(i));
        co_return;
      }
      journal_->push_back(std::to_string(i));
    }
    out.finish();
  }
  task<void> on(fail_after m, replies_to<int> out) {
    for (int i = 1; i <= m.count; ++i) co_await out.send(i);
    throw std::runtime_error("no more numbers");
  }
  task<void> on(refuse_after m, replies_to<int> out) {
    for (int i = 1; i <= m.count; ++i) co_await out.send(i);
    out.fail({errc::refused, "enough"});
  }
  task<void> on(forget_after m, replies_to<int> out) {
    for (int i = 1; i <= m.count; ++i) co_await out.send(i);
  }
  void on(plain_throw, replies_to<int>) { throw std::runtime_error("at once"); }
  void on(try_many, replies_to<int> out) {
    int taken = 0;
    while (taken < 5000 && out.try_send(taken)) ++taken;
    journal_->push_back("took " + std::to_string(taken));
    out.finish();
  }
  task<void> on(until_stopped, replies_to<int> out) {
    co_await out.send(1);
    while (!co_await stop_requested()) co_await sleep(10ms);
    journal_->push_back(out.is_open() ? "open" : "stopped");
  }

 private:
  journal journal_;
};

class consumer : public actor<sum_of> {
 public:
  explicit consumer(producer::ref p) : producer_(p) {}
  task<std::string> on(sum_of m) {
    auto s = m.kind == 0   ? producer_.request_stream<numbers>(10)
             : m.kind == 1 ? producer_.request_stream<fail_after>(3)
             : m.kind == 2 ? producer_.request_stream<refuse_after>(3)
             : m.kind == 3 ? producer_.request_stream<forget_after>(3)
                           : producer_.request_stream<plain_throw>();
    int sum = 0;
    try {
      while (auto n = co_await s.next()) sum += *n;
    } catch (const actor_error& e) {
      co_return std::to_string(sum) + " " + e.what();
    }
    co_return std::to_string(sum);
  }

 private:
  producer::ref producer_;
};

struct setup {
  testkit::kit k;
  journal said = new_journal();
  producer::ref p = k.system().spawn<producer>({.name = "p"}, said);
  consumer::ref c = k.system().spawn<consumer>(p);
};

}  // namespace

TEST_CASE("a stream gives its replies in order, and nothing at its end") {
  setup t;
  CHECK(t.c.ask<sum_of>(0).get() == "55");
  auto s = t.p.request_stream<numbers>(3);
  for (int i = 1; i <= 3; ++i) CHECK(s.next().get() == i);
  CHECK(s.next().get() == std::nullopt);
  CHECK(s.next().get() == std::nullopt);
}

TEST_CASE("a stream waits for replies that take time") {
  setup t;
  const auto before = t.k.now();
  auto s = t.p.request_stream<numbers>(3, 10s);
  for (int i = 1; i <= 3; ++i) CHECK(s.next().get() == i);
  CHECK(t.k.now() - before == 30s);
}

TEST_CASE("a failing producer ends the stream with its text, after what it had sent") {
  setup t;
  const auto text = t.c.ask<sum_of>(1).get();
  CHECK(text.starts_with("6 handler_failed: no more numbers"));
  CHECK(contains(t.c.ask<sum_of>(4).get(), "0 handler_failed: at once"));
}

TEST_CASE("a producer may end its stream with an error, and an end nobody meant is one") {
  setup t;
  CHECK(t.c.ask<sum_of>(2).get() == "6 refused: enough");
  CHECK(t.c.ask<sum_of>(3).get().starts_with("6 no_reply"));
}

TEST_CASE("a producer waits when its consumer is behind") {
  setup t;
  auto s = t.p.request_stream<numbers>(2000);
  t.k.settle();
  const auto ahead = t.said->size();
  CHECK(ahead >= reply_stream_capacity);
  CHECK(ahead <= reply_stream_capacity + 1);
  int sum = 0;
  while (auto n = s.next().get()) sum += *n;
  CHECK(sum == 2000 * 2001 / 2);
  CHECK(t.said->size() == 2000);
}

TEST_CASE("try_send does not wait: it says when there is no room") {
  setup t;
  auto s = t.p.request_stream<try_many>();
  t.k.settle();
  CHECK(all_of(t.said) == "took " + std::to_string(reply_stream_capacity));
  std::size_t n = 0;
  while (s.next().get()) ++n;
  CHECK(n == reply_stream_capacity);
}

TEST_CASE("a producer learns that its consumer has gone") {
  setup t;
  {
    auto s = t.p.request_stream<numbers>(100, 10ms);
    CHECK(s.next().get() == 1);
  }
  t.k.advance(10s);
  CHECK(all_of(t.said) == "1 gone at 2");
}

TEST_CASE("a waiting producer learns that its consumer has gone") {
  setup t;
  {
    auto s = t.p.request_stream<numbers>(5000);
    t.k.settle();
  }
  t.k.settle();
  CHECK(contains(t.said->back(), "gone at "));
}

TEST_CASE("a dropped stream asks its producer's task to stop") {
  setup t;
  {
    auto s = t.p.request_stream<until_stopped>();
    CHECK(s.next().get() == 1);
  }
  t.k.advance(100ms);
  CHECK(all_of(t.said) == "stopped");
}

TEST_CASE("a wait for the next reply may be bounded, and no reply is lost by giving up") {
  setup t;
  auto s = t.p.request_stream<numbers>(3, 100ms);
  CHECK(s.next().within(30ms).result().error() == errc::ask_timeout);
  CHECK(s.next().within(30ms).result().error() == errc::ask_timeout);
  for (int i = 1; i <= 3; ++i) CHECK(s.next().get() == i);
  CHECK(s.next().get() == std::nullopt);
}

TEST_CASE("a stream fails when its producer stops or was never there") {
  setup t;
  auto s = t.p.request_stream<numbers>(3, 10s);
  CHECK(s.next().get() == 1);
  t.k.system().kill(t.p);
  CHECK(!s.next().result());
  auto late = t.p.request_stream<numbers>(3);
  CHECK(late.next().result().error() == errc::actor_stopped);
}

TEST_CASE("a stream that waits in the mailbox of an actor that stops fails") {
  setup t;
  auto busy = t.p.request_stream<numbers>(1, 1s);
  auto waiting = t.p.request_stream<numbers>(3);
  t.k.settle();
  t.k.system().stop(t.p);
  CHECK(waiting.next().result().error() == errc::actor_stopped);
  CHECK(busy.next().get() == 1);
}

TEST_CASE("a stream request that is told is produced for nobody") {
  setup t;
  t.p.tell<numbers>(3);
  t.k.settle();
  CHECK(all_of(t.said) == "gone at 1");
}

TEST_CASE("a stream that is replaced lets its producer go") {
  setup t;
  auto s = t.p.request_stream<numbers>(100, 10ms);
  CHECK(s.next().get() == 1);
  s = t.p.request_stream<numbers>(0);
  t.k.advance(1s);
  CHECK(contains(all_of(t.said), "gone at 2"));
  CHECK(s.next().get() == std::nullopt);
}
