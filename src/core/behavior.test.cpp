// Actors without a class, and changing behaviour.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct increment {
  int by = 1;
};
struct get_count {
  using reply = int;
};
struct reset {};
struct fails {};

auto counter(int from) {
  return behavior(
      from, [](int& n, increment m) { n += m.by; }, [](int& n, get_count) { return n; },
      [](int& n, reset, context& c) { n = c.path().empty() ? -1 : 0; },
      [](int&, fails) { throw std::runtime_error("on request"); });
}

struct open {};
struct shut {};
struct push {};
struct say {
  using reply = std::string;
};

/// A door: what `push` does depends on its behaviour.
class door : public actor<open, shut, push, say> {
 public:
  explicit door(journal j) : journal_(std::move(j)) {}
  void on(open) {
    ctx().become(behavior(
        0, [j = journal_](int& pushed, push) { j->push_back("open" + std::to_string(++pushed)); },
        [](int&, shut, context& c) { c.unbecome(); },
        [](int& pushed, say) { return "pushed " + std::to_string(pushed); },
        [](int&, open, context& c) {
          c.become(behavior(0, [](int&, say) { return std::string("wide open"); }));
        }));
  }
  void on(shut) { ctx().unbecome(); }
  void on(push) { journal_->push_back("closed"); }
  std::string on(say) { return "closed"; }

 private:
  journal journal_;
};

}  // namespace

TEST_CASE("a behavior is an actor made of a state and handlers") {
  testkit::kit k;
  auto a = k.system().spawn(counter(10), {.name = "a"});
  static_assert(std::same_as<decltype(a), actor_ref<increment, get_count, reset, fails>>);
  a.tell<increment>(5);
  CHECK(a.ask<get_count>().get() == 15);
  a.tell<reset>();
  CHECK(a.ask<get_count>().get() == 0);
  CHECK(a.path() == "/user/a");
}

TEST_CASE("a restarted behavior begins with a fresh copy of its state") {
  testkit::kit k;
  auto a = k.system().spawn(counter(10));
  a.tell<increment>(5);
  a.tell<fails>();
  CHECK(a.ask<get_count>().get() == 10);
}

TEST_CASE("a behavior's handlers may be coroutines, answer later, and take signals") {
  testkit::kit k;
  auto p = k.probe<note>();
  auto a = k.system().spawn(behavior(
      std::string("s"),
      [](std::string& s, get_count) -> task<int> {
        co_await sleep(5ms);
        s += "!";
        co_return static_cast<int>(s.size());
      },
      [](std::string& s, say, reply_to<std::string> r) { r(s); },
      [](std::string&, increment, context& c) { c.receive_timeout(1s); },
      [to = p.ref()](std::string&, receive_timeout) { to.tell<note>("quiet"); }));
  CHECK(a.ask<get_count>().get() == 2);
  CHECK(a.ask<say>().get() == "s!");
  a.tell<increment>();
  k.advance(1s);
  CHECK(p.expect<note>().text == "quiet");
}

TEST_CASE("become changes the handlers from the next message on, and unbecome brings back") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<door>(j);
  a.tell<push>();
  a.tell<open>();
  a.tell<push>();
  a.tell<push>();
  CHECK(a.ask<say>().get() == "pushed 2");
  a.tell<shut>();
  a.tell<push>();
  CHECK(a.ask<say>().get() == "closed");
  a.tell<open>();
  CHECK(a.ask<say>().get() == "pushed 0");
  CHECK(all_of(j) == "closed open1 open2 closed");
}

TEST_CASE("what the present behaviour does not handle is unhandled") {
  testkit::kit k;
  auto a = k.system().spawn<door>(new_journal());
  a.tell<open>();
  a.tell<open>();
  CHECK(a.ask<say>().get() == "wide open");
  a.tell<push>();
  k.settle();
  CHECK(letters(k.system()) == lines({"unhandled push"}));
}

TEST_CASE("unbecome without a behaviour to leave does nothing") {
  testkit::kit k;
  auto a = k.system().spawn<door>(new_journal());
  a.tell<shut>();
  a.tell<shut>();
  CHECK(a.ask<say>().get() == "closed");
}

TEST_CASE("a behaviour that is left and another taken in one handler leaves the other") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(
      0,
      [](int&, open, context& c) {
        c.become(behavior(
            0, [](int&, say) { return std::string("first"); },
            [](int&, push, context& inner) {
              inner.unbecome();
              inner.become(behavior(0, [](int&, say) { return std::string("second"); }));
            }));
      },
      [](int&, push) {}, [](int&, say) { return std::string("base"); }));
  a.tell<open>();
  CHECK(a.ask<say>().get() == "first");
  a.tell<push>();
  CHECK(a.ask<say>().get() == "second");
}

TEST_CASE("a coroutine of a behaviour that was left goes on with its state") {
  testkit::kit k;
  auto p = k.probe<note>();
  auto a = k.system().spawn(behavior(
      0,
      [to = p.ref()](int&, open, context& c) {
        c.become(behavior(std::string("a state that is long enough to stand on the heap"),
                          [to](std::string& s, push, context& inner) -> task<void> {
                            inner.unbecome();
                            co_await sleep(10ms);
                            to.tell<note>(s);
                          }));
      },
      [](int&, push) {}, [](int&, say) { return std::string("base"); }));
  a.tell<open>();
  a.tell<push>();
  k.settle();
  CHECK(p.expect<note>().text == "a state that is long enough to stand on the heap");
  CHECK(a.ask<say>().get() == "base");
}

TEST_CASE("a restart forgets the behaviours that were taken on") {
  testkit::kit k;
  auto a = k.system().spawn(behavior(
      0,
      [](int&, open, context& c) {
        c.become(behavior(
            0, [](int&, say) { return std::string("new"); },
            [](int&, fails) { throw std::runtime_error("back"); }));
      },
      [](int&, fails) {}, [](int&, say) { return std::string("base"); }));
  a.tell<open>();
  CHECK(a.ask<say>().get() == "new");
  a.tell<fails>();
  CHECK(a.ask<say>().get() == "base");
}
