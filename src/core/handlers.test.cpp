// The handler forms of class actors.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct by_value {
  using reply = int;
  std::string text;
};
struct by_const_ref {
  using reply = int;
  std::string text;
};
struct by_rvalue {
  using reply = int;
  std::string text;
};
struct with_context {
  using reply = std::string;
};
struct by_task {
  using reply = int;
  int n = 0;
};
struct by_task_with_context {
  using reply = std::string;
};
struct later {
  using reply = int;
  int n = 0;
};
struct later_with_context {
  using reply = std::string;
};
struct later_task {
  using reply = int;
  int n = 0;
};
struct either {
  using reply = int;
  bool good = true;
};
struct either_task {
  using reply = int;
  bool good = true;
};
struct nothing_back {
  using reply = void;
  bool good = true;
};
struct convertible {
  using reply = std::string;
};
struct told {
  int n = 0;
};
struct told_const {
  std::vector<int> n;
};
struct told_task {
  int n = 0;
};
struct sum {
  using reply = int;
};

class all_forms
    : public actor<by_value, by_const_ref, by_rvalue, with_context, by_task, by_task_with_context,
                   later, later_with_context, later_task, either, either_task, nothing_back,
                   convertible, told, told_const, told_task, sum> {
 public:
  int on(by_value m) { return static_cast<int>(m.text.size()); }
  int on(const by_const_ref& m) { return static_cast<int>(m.text.size()) + 1; }
  int on(by_rvalue&& m) {
    const std::string taken = std::move(m.text);
    return static_cast<int>(taken.size()) + 2;
  }
  std::string on(with_context, context& c) { return c.path() + (&c == &ctx() ? "!" : "?"); }
  task<int> on(by_task m) {
    co_await sleep(10ms);
    co_return m.n + 1;
  }
  task<std::string> on(by_task_with_context, context& c) {
    co_await sleep(10ms);
    co_return c.path();
  }
  void on(later m, reply_to<int> r) { kept_.emplace_back(m.n, std::move(r)); }
  void on(later_with_context, reply_to<std::string> r, context& c) { r(c.path()); }
  task<void> on(later_task m, reply_to<int> r) {
    co_await sleep(10ms);
    r(m.n * 2);
    co_await sleep(10ms);
    sum_ += 1000;
  }
  result<int> on(either m) {
    if (m.good) return 1;
    return fail(errc::refused, "not today");
  }
  task<result<int>> on(either_task m) {
    co_await sleep(1ms);
    if (m.good) co_return 2;
    co_return fail(errc::refused, "not tomorrow");
  }
  result<void> on(nothing_back m) {
    if (m.good) return {};
    return fail(errc::refused, "no");
  }
  const char* on(convertible) { return "made of a literal"; }
  void on(told m) {
    sum_ += m.n;
    for (auto& [n, r] : kept_) r(n + 10);
    kept_.clear();
  }
  void on(const told_const& m) {
    for (int n : m.n) sum_ += n;
  }
  task<void> on(told_task m) {
    co_await sleep(5ms);
    sum_ += m.n;
  }
  int on(sum) { return sum_; }

 private:
  int sum_ = 0;
  std::vector<std::pair<int, reply_to<int>>> kept_;
};

/// A coroutine handler that takes its message by reference looks at it again after a suspension.
struct keep_looking {
  using reply = std::string;
  std::string text;
};
class by_reference_across_awaits : public actor<keep_looking, told> {
 public:
  task<std::string> on(const keep_looking& m) {
    const std::string before = m.text;
    co_await sleep(10ms);
    co_return before + m.text;
  }
  void on(told) {}
};

}  // namespace

TEST_CASE("a value that a handler returns is the reply, however it takes its message") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>();
  CHECK(a.ask<by_value>("four").get() == 4);
  CHECK(a.ask<by_const_ref>("four").get() == 5);
  CHECK(a.ask<by_rvalue>("four").get() == 6);
  CHECK(a.ask(by_value{"six!!!"}).get() == 6);
  CHECK(a.ask<convertible>().get() == "made of a literal");
}

TEST_CASE("a last parameter context& is the actor's own context") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>({.name = "a"});
  CHECK(a.ask<with_context>().get() == "/user/a!");
  CHECK(a.ask<by_task_with_context>().get() == "/user/a");
  CHECK(a.ask<later_with_context>().get() == "/user/a");
}

TEST_CASE("a task handler answers when its coroutine ends") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>();
  const auto before = k.now();
  CHECK(a.ask<by_task>(4).get() == 5);
  CHECK(k.now() - before == 10ms);
}

TEST_CASE("a reply_to answers later, from another handler") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>();
  auto first = a.ask<later>(1);
  auto second = a.ask<later>(2);
  k.settle();
  CHECK(!first.is_ready());
  a.tell<told>(0);
  CHECK(first.get() == 11);
  CHECK(second.get() == 12);
}

TEST_CASE("a coroutine with a reply_to answers in its middle and goes on") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>();
  CHECK(a.ask<later_task>(21).get() == 42);
  CHECK(a.ask<sum>().get() == 1000);
}

TEST_CASE("an unexpected value fails the ask and not the actor") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>();
  auto failed = k.events<actor_failed>();
  CHECK(a.ask<either>(true).get() == 1);
  CHECK(a.ask<either>(false).result().error() == error(errc::refused, "not today"));
  CHECK(a.ask<either_task>(true).get() == 2);
  CHECK(a.ask<either_task>(false).result().error() == error(errc::refused, "not tomorrow"));
  CHECK(a.ask<nothing_back>(true).result().has_value());
  CHECK(a.ask<nothing_back>(false).result().error() == errc::refused);
  CHECK(failed.count() == 0);
  CHECK(!a.is_terminated());
}

TEST_CASE("messages that are told need no reply, and a request may be told") {
  testkit::kit k;
  auto a = k.system().spawn<all_forms>();
  a.tell<told>(1);
  a.tell(told{2});
  a.tell<told_const>(std::vector{3, 4});
  a.tell<told_task>(5);
  a.tell<by_value>("dropped reply");
  a.tell<by_task>(1);
  a.tell<either>(false);
  a.tell<later>(1);
  a.tell<told>(0);
  CHECK(a.ask<sum>().get() == 15);
  CHECK(k.system().dead_letters().empty());
}

TEST_CASE("a coroutine handler may use its message by reference until its end") {
  testkit::kit k;
  auto a = k.system().spawn<by_reference_across_awaits>();
  const std::string text(100, 'x');
  auto f = a.ask<keep_looking>(text);
  for (int i = 0; i < 10; ++i) a.tell<told>(i);
  CHECK(f.get() == text + text);
}

TEST_CASE("messages arrive by value, const reference, and in place") {
  testkit::kit k;
  auto p = k.probe<note>();
  const note constant{"constant"};
  note moved{"moved along with its text, which is a long one"};
  p.ref().tell(constant);
  p.ref().tell(std::move(moved));
  p.ref().tell<note>("in place");
  p.expect_all_in_order(note{"constant"}, note{"moved along with its text, which is a long one"},
                        note{"in place"});
}
