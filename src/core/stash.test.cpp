// Setting messages aside.

#include "common.test.hpp"

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct open {};
struct item {
  using reply = int;
  int n = 0;
};
struct text_item {
  std::string text;
};
struct give_back_wrong {
  std::string text;
};
struct twice {
  int n = 0;
};
struct in_coroutine {
  int n = 0;
};
struct size {
  using reply = std::size_t;
};
struct after_handler {};
struct fails {};

/// Takes items only once it is open.
class gate : public actor<open, item, text_item, give_back_wrong, twice, in_coroutine, size,
                          after_handler, fails> {
 public:
  explicit gate(journal j) : journal_(std::move(j)) {}
  void on(open) {
    open_ = true;
    ctx().unstash_all();
  }
  int on(const item& m) {
    if (!open_) {
      ctx().stash();
      return 0;
    }
    journal_->push_back("item" + std::to_string(m.n));
    return m.n;
  }
  void on(text_item m) {
    if (!open_) return ctx().stash(std::move(m));
    journal_->push_back(m.text);
  }
  void on(give_back_wrong m) {
    try {
      if (m.text == "by value")
        ctx().stash();
      else
        ctx().stash(text_item{"another type"});
    } catch (const actor_error& e) {
      journal_->push_back(std::string(to_string(e.which())));
    }
  }
  void on(const twice& m) {
    ctx().stash();
    try {
      ctx().stash();
    } catch (const actor_error& e) {
      journal_->push_back(std::string(to_string(e.which())) + std::to_string(m.n * 0));
    }
  }
  task<void> on(const in_coroutine& m) {
    if (!open_) {
      ctx().stash();
      co_return;
    }
    journal_->push_back("co" + std::to_string(m.n));
  }
  std::size_t on(size) { return ctx().stash_size(); }
  void on(after_handler) { journal_->push_back("after"); }
  void on(fails) { throw std::runtime_error("restart me"); }

 private:
  journal journal_;
  bool open_ = false;
};

/// Runs a function outside of any handler.
class outside : public actor<size> {
 public:
  explicit outside(journal j) : journal_(std::move(j)) {}
  void pre_start() {
    try {
      ctx().stash();
    } catch (const actor_error& e) {
      journal_->push_back(std::string(to_string(e.which())));
    }
  }
  std::size_t on(size) { return ctx().stash_size(); }

 private:
  journal journal_;
};

}  // namespace

TEST_CASE("stashed messages come next, in order, before what waits in the mailbox") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<gate>(j);
  a.tell<item>(1);
  a.tell<text_item>("two");
  a.tell<item>(3);
  CHECK(a.ask<size>().get() == 3);
  CHECK(all_of(j).empty());
  a.tell<open>();
  a.tell<item>(4);
  k.settle();
  CHECK(all_of(j) == "item1 two item3 item4");
  CHECK(a.ask<size>().get() == 0);
}

TEST_CASE("a stashed request keeps its asker, who is answered later") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<gate>(j);
  auto f = a.ask<item>(5);
  k.settle();
  CHECK(!f.is_ready());
  a.tell<open>();
  CHECK(f.get() == 5);
}

TEST_CASE("a stashed message keeps its sender") {
  testkit::kit k;
  auto p = k.probe<note>("p");
  auto j = new_journal();
  auto a = k.system().spawn(behavior(
      false,
      [](bool& is_open, open, context& c) {
        is_open = true;
        c.unstash_all();
      },
      [j](bool& is_open, const text_item& m, context& c) {
        if (!is_open) return c.stash();
        j->push_back(m.text + "<" + c.sender().path());
      }));
  p.tell(a, text_item{"x"});
  a.tell<open>();
  k.settle();
  CHECK(all_of(j) == "x</user/p");
}

TEST_CASE("a full stash refuses with its size") {
  testkit::kit k;
  auto a = k.system().spawn<gate>({.name = "a", .stash_capacity = 2}, new_journal());
  a.tell<item>(1);
  a.tell<item>(2);
  const auto r = a.ask<item>(3).result();
  CHECK(r.error() == errc::handler_failed);
  CHECK(contains(r.error().text(), "the stash of /user/a holds 2"));
}

TEST_CASE("a message taken by value is not stashed unless it is given back") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<gate>(j);
  a.tell<give_back_wrong>("by value");
  a.tell<give_back_wrong>("another");
  k.settle();
  CHECK(all_of(j) == "invalid_argument invalid_argument");
}

TEST_CASE("a message is stashed once, and not outside of a handler") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<gate>(j);
  a.tell<twice>(1);
  CHECK(a.ask<size>().get() == 1);
  auto b = k.system().spawn<outside>(j);
  CHECK(b.ask<size>().get() == 0);
  CHECK(all_of(j) == "invalid_argument0 invalid_argument");
}

TEST_CASE("a coroutine handler stashes before its first suspension") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<gate>(j);
  a.tell<in_coroutine>(1);
  CHECK(a.ask<size>().get() == 1);
  a.tell<open>();
  k.settle();
  CHECK(all_of(j) == "co1");
}

TEST_CASE("a restart brings back what was stashed, before the mailbox") {
  testkit::kit k;
  auto j = new_journal();
  auto a = k.system().spawn<gate>(j);
  auto f = a.ask<item>(1);
  a.tell<fails>();
  a.tell<after_handler>();
  a.tell<open>();
  CHECK(f.get() == 1);
  CHECK(all_of(j) == "after item1");
}

TEST_CASE("what is in the stash of an actor that ends becomes dead letters, and its askers know") {
  testkit::kit k;
  auto a = k.system().spawn<gate>(new_journal());
  auto f = a.ask<item>(1);
  a.tell<text_item>("two");
  k.settle();
  k.system().stop(a);
  CHECK(f.result().error() == errc::actor_stopped);
  CHECK(letters(k.system()) == lines({"actor_stopped item", "actor_stopped text_item"}));
}
