// Scheduled messages and the receive timeout.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct tick {
  int n = 0;
};
struct after {
  duration d;
  int n = 0;
};
struct every {
  duration initial;
  duration interval;
  int n = 0;
};
struct with_delay {
  duration initial;
  duration delay;
};
struct cancel {};
struct block {
  duration d;
};
struct cancel_after_firing {};
struct quiet_for {
  duration d;
};
struct any_message {};
struct fails {};
struct is_active {
  using reply = bool;
};

/// Writes the virtual milliseconds at which things came.
class clocked : public actor<tick, after, every, with_delay, cancel, block, cancel_after_firing,
                             quiet_for, any_message, fails, is_active> {
 public:
  clocked(journal j, simulated_runtime* rt) : journal_(std::move(j)), rt_(rt), began_(rt->now()) {}
  void on(tick t) { say("t" + std::to_string(t.n)); }
  void on(after m) { timer_ = ctx().send_after(m.d, tick{m.n}); }
  void on(every m) { timer_ = ctx().send_every(m.initial, m.interval, tick{m.n}); }
  void on(with_delay m) { timer_ = ctx().send_with_delay(m.initial, m.delay, tick{7}); }
  void on(cancel) {
    timer_.cancel();
    timer_.cancel();
  }
  task<void> on(block m) { co_await sleep(m.d); }
  task<void> on(cancel_after_firing) {
    timer_ = ctx().send_after(10ms, tick{1});
    co_await sleep(20ms);  // by now it waits in the mailbox
    timer_.cancel();
  }
  void on(quiet_for m) { ctx().receive_timeout(m.d); }
  void on(any_message) { say("m"); }
  void on(fails) { throw std::runtime_error("restart"); }
  bool on(is_active) { return timer_.is_active(); }
  void on(receive_timeout) { say("quiet"); }

 private:
  void say(const std::string& what) {
    journal_->push_back(what + "@" + std::to_string((rt_->now() - began_) / 1ms));
  }
  journal journal_;
  simulated_runtime* rt_;
  time_point began_;
  timer timer_;
};

struct setup {
  testkit::kit k;
  journal said = new_journal();
  clocked::ref a = k.system().spawn<clocked>(said, &k.simulation());
};

}  // namespace

TEST_CASE("a message comes after its delay, once") {
  setup t;
  t.a.tell<after>(100ms, 1);
  t.k.advance(10s);
  CHECK(all_of(t.said) == "t1@100");
}

TEST_CASE("a delay of zero or less comes at the next tick, never inside the handler") {
  setup t;
  t.a.tell<after>(0ms, 1);
  t.a.tell<after>(-5s, 2);
  t.a.tell<any_message>();
  t.k.advance(1ms);
  CHECK(all_of(t.said) == "m@0 t1@1 t2@1");
}

TEST_CASE("a fixed rate keeps its beat however late a message was handled") {
  setup t;
  t.a.tell<every>(10ms, 100ms, 1);
  t.k.advance(150ms);
  t.a.tell<block>(250ms);
  t.k.advance(400ms);
  CHECK(all_of(t.said) == "t1@10 t1@110 t1@400 t1@400 t1@410 t1@510");
}

TEST_CASE("a fixed delay counts from the message before") {
  setup t;
  t.a.tell<with_delay>(50ms, 100ms);
  t.k.advance(300ms);
  CHECK(all_of(t.said) == "t7@50 t7@150 t7@250");
}

TEST_CASE("cancel is idempotent, and no message comes any more") {
  setup t;
  t.a.tell<every>(10ms, 10ms, 1);
  t.k.advance(25ms);
  CHECK(t.a.ask<is_active>().get());
  t.a.tell<cancel>();
  t.k.advance(1s);
  CHECK(all_of(t.said) == "t1@10 t1@20");
  CHECK(!t.a.ask<is_active>().get());
  CHECK(t.k.simulation().timers(clock_domain::user).size() == 0);
}

TEST_CASE("a cancelled message is not delivered although it waits in the mailbox already") {
  setup t;
  t.a.tell<cancel_after_firing>();
  t.k.advance(1s);
  CHECK(t.said->empty());
  CHECK(t.k.system().dead_letters().empty());
}

TEST_CASE("a repeated message's copies that wait are cancelled with it") {
  setup t;
  t.a.tell<every>(10ms, 10ms, 1);
  t.k.settle();
  t.a.tell<block>(100ms);
  t.a.tell<cancel>();
  t.k.advance(1s);
  // `cancel` stands before the copies in the mailbox.
  CHECK(t.said->empty());
}

TEST_CASE("a timer ends with its actor and with its restart") {
  setup t;
  t.a.tell<every>(10ms, 10ms, 1);
  t.a.tell<after>(15ms, 2);
  t.k.advance(12ms);
  SUBCASE("restart") {
    t.a.tell<fails>();
    t.k.advance(1s);
    CHECK(all_of(t.said) == "t1@10");
    t.a.tell<any_message>();
    t.k.settle();
    CHECK(t.said->size() == 2);
  }
  SUBCASE("stop") {
    t.k.system().stop(t.a);
    t.k.advance(1s);
    CHECK(all_of(t.said) == "t1@10");
    CHECK(t.k.system().dead_letters().empty());
  }
  CHECK(t.k.simulation().timers(clock_domain::user).size() == 0);
}

TEST_CASE("an interval of zero is refused") {
  setup t;
  auto failed = t.k.events<actor_failed>();
  t.a.tell<every>(10ms, 0ms, 1);
  CHECK(contains(failed.await_one().why.what, "interval above zero"));
}

TEST_CASE("the receive timeout comes each time no message came for so long") {
  setup t;
  t.a.tell<quiet_for>(100ms);
  t.k.advance(50ms);
  t.a.tell<any_message>();
  t.k.advance(250ms);
  CHECK(all_of(t.said) == "m@50 quiet@150 quiet@250");
  t.a.tell<quiet_for>(0ms);
  t.k.advance(10s);
  CHECK(t.said->size() == 3);
}

TEST_CASE("a receive timeout given at spawn holds from the start and after a restart") {
  testkit::kit k;
  auto said = new_journal();
  auto a = k.system().spawn<clocked>({.receive_timeout = 100ms}, said, &k.simulation());
  k.advance(100ms);
  CHECK(all_of(said) == "quiet@100");
  a.tell<fails>();
  k.advance(100ms);
  CHECK(said->size() == 2);
  k.system().stop(a);
  k.advance(1s);
  CHECK(said->size() == 2);
  CHECK(k.simulation().timers(clock_domain::user).size() == 0);
}

TEST_CASE("a receive timeout may be changed from its own signal") {
  testkit::kit k;
  auto said = new_journal();
  auto a = k.system().spawn(behavior(
      1, [](int&, any_message, context& c) { c.receive_timeout(10ms); },
      [said](int& n, receive_timeout, context& c) {
        said->push_back(std::to_string(n));
        c.receive_timeout(n < 3 ? 10ms * ++n : 0ms);
      }));
  a.tell<any_message>();
  k.advance(1s);
  CHECK(all_of(said) == "1 2 3");
}

TEST_CASE("a great many timers fire in the order of their times") {
  setup t;
  for (int i = 500; i > 0; --i) t.a.tell<after>(i * 13ms, i);
  t.k.advance(500 * 13ms);
  REQUIRE(t.said->size() == 500);
  CHECK(t.said->front() == "t1@13");
  CHECK(t.said->back() == "t500@6500");
}
