// Messages and actors of unusual size, alignment and behaviour.

#include "common.test.hpp"

#include <cstdint>

using namespace odeon;
using namespace odeon::core_test;

namespace {

struct large {
  std::array<std::uint64_t, 1000> data{};
};
struct large_request {
  using reply = large;
  std::array<char, 5000> padding{};
  std::string text;
};
struct alignas(64) aligned {
  int n = 0;
};
struct alignas(256) very_aligned {
  int n = 0;
};
struct move_only {
  std::unique_ptr<int> p;
};
struct no_members {};
struct query {
  using reply = std::uintptr_t;
};
struct counted {
  using reply = int;
  static inline int alive = 0;
  static inline int throw_at_copy = -1;  // counts down
  int n = 0;
  explicit counted(int v) : n(v) { ++alive; }
  counted(const counted& o) : n(o.n) {
    step();
    ++alive;
  }
  counted(counted&& o) : n(std::exchange(o.n, -1)) {
    step();
    ++alive;
  }
  ~counted() { --alive; }
  static void step() {
    if (throw_at_copy >= 0 && throw_at_copy-- == 0) throw std::runtime_error("copy refused");
  }
};
struct throwing_reply {
  static inline bool throws = false;
  int n = 0;
  explicit throwing_reply(int v) : n(v) {}
  throwing_reply(const throwing_reply& o) : n(o.n) { maybe(); }
  throwing_reply(throwing_reply&& o) : n(o.n) { maybe(); }
  throwing_reply& operator=(const throwing_reply&) = default;
  static void maybe() {
    if (throws) throw std::runtime_error("reply refused");
  }
};
struct give {
  using reply = throwing_reply;
  int n = 0;
};
struct give_later {
  using reply = throwing_reply;
  int n = 0;
};
struct give_async {
  using reply = throwing_reply;
  int n = 0;
};

class taker : public actor<large, large_request, aligned, very_aligned, move_only, no_members,
                           query, counted> {
 public:
  explicit taker(journal j) : journal_(std::move(j)) {}
  void on(const large& m) { say(std::to_string(m.data[999])); }
  large on(large_request m) {
    large out;
    out.data[0] = m.text.size();
    return out;
  }
  void on(const aligned& m) { check(&m, 64); }
  void on(const very_aligned& m) { check(&m, 256); }
  void on(move_only m) { say(std::to_string(*m.p)); }
  void on(no_members) { say("none"); }
  std::uintptr_t on(query) { return reinterpret_cast<std::uintptr_t>(this) % 64; }
  int on(counted m) { return m.n; }

 private:
  void say(std::string text) { journal_->push_back(std::move(text)); }
  void check(const void* p, std::uintptr_t alignment) {
    say(reinterpret_cast<std::uintptr_t>(p) % alignment == 0 ? "aligned" : "not aligned");
  }
  journal journal_;
};

class giver : public actor<give, give_later, give_async> {
 public:
  throwing_reply on(give m) { return throwing_reply(m.n); }
  void on(give_later m, reply_to<throwing_reply> r) {
    throwing_reply value(m.n);
    r(value);
  }
  task<throwing_reply> on(give_async m) {
    co_await sleep(1ms);
    co_return throwing_reply(m.n);
  }
};

/// An object that fits no pool block, aligned to a cache line, with arguments kept behind it.
class alignas(64) huge : public actor<query, no_members> {
 public:
  explicit huge(std::string text) : text_(std::move(text)) { bytes_.fill('x'); }
  std::uintptr_t on(query) {
    return reinterpret_cast<std::uintptr_t>(this) % 64 + text_.size() +
           static_cast<std::uintptr_t>(bytes_[99'999] - 'x');
  }
  void on(no_members) { throw std::runtime_error("make another"); }

 private:
  std::array<char, 100'000> bytes_;
  std::string text_;
};

struct setup {
  testkit::kit k;
  journal said = new_journal();
  taker::ref a = k.system().spawn<taker>(said);
};

}  // namespace

TEST_CASE("a message larger than a pool block arrives whole, and so does such a reply") {
  setup t;
  large m;
  m.data[999] = 7;
  t.a.tell(m);
  t.a.tell<large>();
  t.a.tell(std::move(m), {.ttl = 1h, .priority = 1});
  CHECK(t.a.ask<large_request>(std::array<char, 5000>{}, "four").get().data[0] == 4);
  CHECK(all_of(t.said) == "7 0 7");
}

TEST_CASE("a large message that nobody takes is destroyed") {
  setup t;
  t.k.system().stop(t.a);
  t.k.settle();
  t.a.tell<large>();
  CHECK(t.a.ask<large_request>().result().error() == errc::actor_stopped);
}

TEST_CASE("messages keep their alignment") {
  setup t;
  for (int i = 0; i < 5; ++i) {
    t.a.tell<aligned>(i);
    t.a.tell<very_aligned>(i);
  }
  t.k.settle();
  CHECK(t.said->size() == 10);
  CHECK(std::ranges::count(*t.said, "aligned") == 10);
}

TEST_CASE("messages may be move-only or empty") {
  setup t;
  t.a.tell<move_only>(std::make_unique<int>(5));
  t.a.tell(move_only{std::make_unique<int>(6)});
  t.a.tell<no_members>();
  t.k.settle();
  CHECK(all_of(t.said) == "5 6 none");
}

TEST_CASE("a message whose copy throws is not sent, and nothing is lost with it") {
  setup t;
  {
    const counted m(3);
    counted::throw_at_copy = 0;
    CHECK_THROWS_AS(t.a.tell(m), std::runtime_error);
    counted::throw_at_copy = 0;
    CHECK_THROWS_AS((void)t.a.ask(m), std::runtime_error);
    counted::throw_at_copy = -1;
    CHECK(t.a.ask(m).get() == 3);
    // The handler takes it by value: that copy fails the handler.
    counted::throw_at_copy = 1;
    CHECK(t.a.ask(m).result().error() == errc::handler_failed);
    counted::throw_at_copy = -1;
    CHECK(t.a.ask(m).get() == 3);
  }
  t.k.settle();
  CHECK(counted::alive == 0);
}

TEST_CASE("every message that is made is destroyed, handled or not") {
  {
    setup t;
    auto bounded = t.k.system().spawn<taker>({.mailbox = mailbox::bounded(2)}, t.said);
    for (int i = 0; i < 10; ++i) {
      t.a.tell<counted>(i);
      bounded.tell<counted>(i);
      t.a.tell(counted(i), {.ttl = 1ns});
    }
    t.k.system().stop(bounded);
    t.k.advance(1ms);
    for (int i = 0; i < 10; ++i) t.a.tell<counted>(i);
    {
      auto dropped = t.a.ask<counted>(1);
    }
  }
  CHECK(counted::alive == 0);
}

TEST_CASE("a reply whose copy throws fails the ask with the text, at once") {
  testkit::kit k;
  auto g = k.system().spawn<giver>({.supervision = {.otherwise = directive::resume}});
  CHECK(g.ask<give>(4).get().n == 4);
  const auto before = k.now();
  for (auto ask : {+[](const giver::ref& r) { return r.ask<give>(1).result(); },
                   +[](const giver::ref& r) { return r.ask<give_later>(1).result(); },
                   +[](const giver::ref& r) { return r.ask<give_async>(1).result(); }}) {
    throwing_reply::throws = true;
    auto r = ask(g);
    throwing_reply::throws = false;
    REQUIRE(!r);
    CHECK(r.error() == errc::handler_failed);
    CHECK(contains(r.error().text(), "reply refused"));
  }
  CHECK(k.now() - before <= 1ms);
  CHECK(g.ask<give_later>(6).get().n == 6);
}

TEST_CASE("an actor larger than a pool block lives, restarts and is aligned") {
  testkit::kit k;
  auto a = k.system().spawn<huge>("kept text");
  CHECK(a.ask<query>().get() == 9);
  a.tell<no_members>();
  CHECK(a.ask<query>().get() == 9);
  k.system().stop(a);
  k.settle();
  CHECK(a.is_terminated());
}
