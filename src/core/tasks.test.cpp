// Tasks that a handler forks: they take turns with the actor's messages, and end with the actor.

#include "common.test.hpp"
#include <odeon/task/effects.hpp>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct sum_of {
  using reply = int;
  std::vector<int> parts;
};
struct speak {
  using reply = std::string;
};
struct leave_one {
  duration after{};
};
struct leave_broken {};
struct wait_for_resume {
  using reply = int;
};
struct ask_beside {
  using reply = int;
};
struct busy {};
struct stop_beside {
  using reply = int;
};
struct quiet_ask {
  using reply = int;
};

class never_answers : public actor<quiet_ask> {
 public:
  void on(quiet_ask, reply_to<int> to) { kept_.push_back(std::move(to)); }

 private:
  std::vector<reply_to<int>> kept_;
};

class family : public actor<sum_of, speak, leave_one, leave_broken, wait_for_resume, ask_beside,
                            busy, stop_beside> {
 public:
  family(journal j, never_answers::ref mute) : journal_(std::move(j)), mute_(std::move(mute)) {}

  task<int> on(sum_of m) {
    std::vector<task<int>> parts;
    for (int n : m.parts) parts.push_back(later(n));
    int sum = 0;
    for (int n : co_await all(std::move(parts))) sum += n;
    co_return sum;
  }
  task<std::string> on(speak) {
    std::string said;
    co_await consume(batch(say("a", 2ms), say("b", 1ms)), [&](const std::string& m) { said += m; });
    co_return said;
  }
  task<void> on(leave_one m) { (void)co_await fork(noted(m.after)); }
  task<void> on(leave_broken) { co_await spawn(breaks(), {.name = "broken"}); }
  task<int> on(wait_for_resume) {
    waiting_ = co_await current();
    done_ = false;
    while (!done_) co_await suspend();
    co_return 5;
  }
  task<int> on(ask_beside) {
    auto asks = [](never_answers::ref to, journal j) -> task<int> {
      auto r = co_await to.try_ask<quiet_ask>();
      j->push_back("gave up: " + std::string(to_string(r.error().code())));
      co_return 0;
    };
    co_return co_await fork(asks(mute_, journal_)).join();
  }
  void on(busy) { journal_->push_back("busy"); }
  task<int> on(stop_beside) {
    auto looks = [](journal j) -> task<void> {
      while (!co_await stop_requested()) co_await sleep(1ms);
      j->push_back("saw the stop");
    };
    co_await fork(looks(journal_)).join();
    co_return 1;
  }

  /// Another thread, or the test, wakes the handler.
  void finish() {
    done_ = true;
    waiting_.resume();
  }
  inline static family* last = nullptr;
  void pre_start() { last = this; }

 private:
  task<int> later(int n) {
    co_await sleep(std::chrono::milliseconds(n));
    co_return n;
  }
  effect<std::string> say(std::string text, duration every) {
    for (int i = 0; i < 2; ++i) {
      co_await sleep(every);
      co_await send(text + std::to_string(i));
    }
  }
  task<void> noted(duration after) {
    struct at_end {
      journal j;
      ~at_end() { j->push_back("frame gone"); }
    } const guard{journal_};
    co_await sleep(after);
    journal_->push_back("done");
  }
  task<void> breaks() {
    co_await sleep(1ms);
    throw std::runtime_error("in the background");
  }

  journal journal_;
  never_answers::ref mute_;
  task_handle waiting_;
  bool done_ = false;
};

struct fixture {
  testkit::kit k;
  journal log = new_journal();
  never_answers::ref mute = k.system().spawn<never_answers>();
  family::ref f = k.system().spawn<family>(log, mute);
};

}  // namespace

TEST_CASE("a handler forks tasks and joins them; the actor waits meanwhile") {
  fixture x;
  auto sum = x.f.ask<sum_of>(std::vector{3, 1, 2});
  x.f.tell<busy>();
  x.k.advance(2ms);
  CHECK(x.log->empty());
  x.k.advance(1ms);
  CHECK(sum.get() == 6);
  x.k.settle();
  CHECK(all_of(x.log) == "busy");
  CHECK(x.f.ask<sum_of>(std::vector<int>{}).get() == 0);
}

TEST_CASE("a handler takes the messages of its tasks") {
  fixture x;
  auto said = x.f.ask<speak>();
  x.k.advance(10ms);
  CHECK(said.get() == "b0a0b1a1");
}

TEST_CASE("a task that a handler left goes on beside the mailbox") {
  fixture x;
  x.f.tell<leave_one>(5ms);
  x.f.tell<leave_one>(7ms);
  x.f.tell<busy>();
  x.k.settle();
  CHECK(all_of(x.log) == "busy");
  x.k.advance(5ms);
  CHECK(all_of(x.log) == "busy done frame gone");
  x.k.advance(2ms);
  CHECK(x.log->size() == 5);
}

TEST_CASE("a task that a handler left is destroyed with its actor") {
  fixture x;
  x.f.tell<leave_one>(1h);
  x.k.settle();
  x.k.system().stop(x.f);
  x.k.settle();
  CHECK(all_of(x.log) == "frame gone");
  CHECK(x.f.is_terminated());
}

TEST_CASE("the error of a task that nobody looked at is an event, and harms nobody") {
  fixture x;
  auto failed = x.k.events<task_failed>();
  x.f.tell<leave_broken>();
  x.k.advance(2ms);
  const auto e = failed.await_one();
  CHECK(e.task == "broken");
  CHECK(e.what == "in the background");
  CHECK(e.path == x.f.path());
  x.f.tell<busy>();
  x.k.settle();
  CHECK(all_of(x.log) == "busy");
}

TEST_CASE("a handler suspends until somebody resumes it") {
  fixture x;
  auto five = x.f.ask<wait_for_resume>();
  x.k.settle();
  CHECK(!five.is_ready());
  family::last->finish();
  x.k.settle();
  CHECK(five.get() == 5);
  // Once more, and the actor goes meanwhile.
  auto never = x.f.ask<wait_for_resume>();
  x.k.settle();
  x.k.system().kill(x.f);
  x.k.settle();
  CHECK(never.result().error() == errc::killed);
}

TEST_CASE("the asker's deadline bounds the asks of forked tasks") {
  fixture x;
  auto r = x.f.ask<ask_beside>().within(100ms);
  x.k.advance(99ms);
  CHECK(!r.is_ready());
  CHECK(x.log->empty());
  x.k.advance(2ms);
  CHECK(all_of(x.log) == "gave up: ask_timeout");
}

TEST_CASE("a forked task sees that its asker gave up") {
  fixture x;
  {
    auto r = x.f.ask<stop_beside>();
    x.k.advance(5ms);
    CHECK(x.log->empty());
  }
  x.k.advance(5ms);
  CHECK(all_of(x.log) == "saw the stop");
}
