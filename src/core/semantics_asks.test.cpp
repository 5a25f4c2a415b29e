// Guarantees of docs/reference/semantics.md about asks that no other test holds.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct good {
  using reply = int;
};
struct refuses {
  using reply = int;
};
struct throws {
  using reply = int;
};
struct forgets {
  using reply = int;
};
struct never {
  using reply = int;
};
struct waits {
  using reply = int;
};
struct answers_and_throws {
  using reply = int;
};
struct answers_twice {
  using reply = int;
};
struct waits_for_token {};

class server : public actor<good, refuses, throws, forgets, never, waits, answers_and_throws,
                            answers_twice> {
 public:
  explicit server(journal j = new_journal()) : journal_(std::move(j)) {}
  int on(good) { return 7; }
  result<int> on(refuses) { return fail(errc::refused, "not today"); }
  int on(throws) { throw std::runtime_error("broken"); }
  void on(forgets, reply_to<int>) {}
  void on(never, reply_to<int> r) { kept_.push_back(std::move(r)); }
  task<int> on(waits) {
    co_await sleep(10h);
    co_return 1;
  }
  void on(answers_and_throws, reply_to<int> r) {
    r(3);
    throw std::runtime_error("after the answer");
  }
  void on(answers_twice, reply_to<int> r) {
    for (int n : {1, 2}) journal_->push_back(r(n) ? "taken" : "refused");
  }

 private:
  journal journal_;
  std::vector<reply_to<int>> kept_;
};

}  // namespace

TEST_CASE("every ask ends exactly once, with its reply or with the reason there is none") {
  testkit::kit k;
  auto& s = k.system();
  auto a = s.spawn<server>({.supervision = {.otherwise = directive::resume}});
  auto gone = s.spawn<server>();
  s.stop(gone);
  auto busy = s.spawn<server>();
  auto full = s.spawn<server>({.mailbox = mailbox::bounded(1)});
  full.tell<waits>();
  k.settle();
  full.tell<good>();

  struct outcome {
    errc why;
    int times = 0;
    result<int> last = 0;
  };
  std::vector<std::unique_ptr<outcome>> seen;
  auto expect = [&](errc why, future<int> f) {
    auto& o = *seen.emplace_back(std::make_unique<outcome>(why));
    std::move(f).then([&o](result<int> r) {
      ++o.times;
      o.last = std::move(r);
    });
  };
  expect(errc{}, a.ask<good>());
  expect(errc::refused, a.ask<refuses>());
  expect(errc::handler_failed, a.ask<throws>());
  expect(errc::no_reply, a.ask<forgets>());
  expect(errc::ask_timeout, a.ask<never>().within(100ms));
  expect(errc::actor_stopped, gone.ask<good>());
  expect(errc::mailbox_full, full.ask<good>());
  expect(errc::killed, busy.ask<waits>());
  expect(errc::actor_stopped, busy.ask<good>());
  k.settle();
  s.kill(busy);
  k.advance(1min);
  for (const auto& o : seen) {
    CAPTURE(to_string(o->why));
    REQUIRE(o->times == 1);
    if (o->why == errc{})
      CHECK(o->last.value() == 7);
    else
      CHECK(o->last.error() == o->why);
  }
  k.end_system();  // what was kept is let go now, and answers nobody twice
  for (const auto& o : seen) CHECK(o->times == 1);
}

TEST_CASE("an answer stands, whatever its handler does after it") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<server>(j);
  CHECK(a.ask<answers_and_throws>().get() == 3);
  k.settle();
  CHECK(k.system().metrics().failures == 1);
  CHECK(a.ask<answers_twice>().get() == 1);
  CHECK(all_of(j) == "taken refused");
}

TEST_CASE("a stop request reaches foreign code by its token") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn(behavior(j, [](journal& said, waits) -> task<int> {
    const std::stop_token token = co_await this_stop_token();
    const std::stop_callback told(token, [&] { said->push_back("told"); });
    while (!token.stop_requested()) co_await sleep(10ms);
    co_return 0;
  }));
  {
    auto dropped = a.ask<waits>();
    k.advance(1s);
    CHECK(j->empty());
  }
  k.settle();
  CHECK(all_of(j) == "told");
}

TEST_CASE("an asker from outside waits for room in a blocking mailbox, as a teller does") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(
                                0, [](int&, good) { return 7; },
                                [](int&, waits) -> task<int> {
                                  co_await sleep(1s);
                                  co_return 1;
                                }),
                            {.mailbox = mailbox::bounded(1, overflow::block)});
  a.tell<waits>();
  k.settle();
  a.tell<good>();
  const auto before = k.now();
  auto f = a.ask<good>();
  CHECK(k.now() - before == 1s);
  CHECK(f.get() == 7);
  CHECK(k.system().dead_letters().empty());
}
