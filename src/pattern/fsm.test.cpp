#include "common.test.hpp"
#include <odeon/pattern/fsm.hpp>

#include <memory>
#include <vector>

using namespace odeon;
using namespace odeon::pattern_test;

namespace {

enum class gate { locked, open, broken };
struct takings {
  int coins = 0;
};
struct coin {};
struct push {};
struct smash {};
struct lie {};
struct collect {
  using reply = int;
};
using trace = std::shared_ptr<std::vector<std::string>>;

class turnstile : public fsm<gate, takings, coin, push, smash, lie, collect> {
 public:
  explicit turnstile(const trace& seen) : fsm(gate::locked) {
    when(gate::locked)
        .on({gate::open},
            [this](takings& t, coin) {
              ++t.coins;
              return go_to(gate::open);
            })
        .on({gate::broken}, [this](takings&, lie) { return go_to(gate::open); });
    when(gate::open)
        .on({gate::locked}, [this](takings&, push) { return go_to(gate::locked); })
        .on([this](takings&, smash) { return go_to(gate::broken).within(1min); })
        .after(10s, {gate::locked}, [this](takings&) { return go_to(gate::locked); })
        .on_enter([seen](takings&) { seen->push_back("enter"); })
        .on_exit([seen](takings&) { seen->push_back("exit"); });
    when(gate::broken)
        .on([this](takings&, lie) { return go_to(gate::broken); })
        .on([this](takings&, push) { return stay().within(3s); })
        .on([this](takings&, smash) { return finish(); })
        .after(1h, {gate::locked}, [this](takings&) { return go_to(gate::locked); });
    whenever()
        .on([this](takings& t, coin) {
          ++t.coins;
          return stay();
        })
        .on([this](takings& t, collect, reply_to<int> to) {
          if (state() != gate::broken) to(std::exchange(t.coins, 0));
          return stay();
        });
    on_transition([seen](gate from, gate to, const takings& t) {
      seen->push_back(std::to_string(static_cast<int>(from)) +
                      std::to_string(static_cast<int>(to)) + " with " + std::to_string(t.coins));
    });
  }
};

struct at_the_gate {
  testkit::kit k{{.moves_time = false}};
  trace seen = std::make_shared<std::vector<std::string>>();
  turnstile::ref gate = k.system().spawn<turnstile>({.name = "gate"}, seen);
  testkit::event_log<fsm_transition> changes = k.events<fsm_transition>();
  template <class M>
  void tell() {
    gate.tell<M>();
    k.settle();
  }
  std::vector<std::string> all() { return std::exchange(*seen, {}); }
};
using strings = std::vector<std::string>;

}  // namespace

TEST_CASE("a state machine goes from state to state, and tells exits, listeners and entries") {
  at_the_gate g;
  g.tell<coin>();
  CHECK(g.all() == strings{"01 with 1", "enter"});
  g.tell<coin>();
  CHECK(g.all().empty());
  g.tell<push>();
  CHECK(g.all() == strings{"exit", "10 with 2"});
  auto n = g.gate.ask<collect>();
  g.k.settle();
  CHECK(n.get() == 2);
  const auto told = g.changes.await(2);
  CHECK(told[0].from == "locked");
  CHECK(told[0].to == "open");
  CHECK(contains(told[0].message, "coin"));
  CHECK(told[1].path == "/user/gate");
}

TEST_CASE("a state that is not left in its time is left by its timeout, a left one is not") {
  at_the_gate g;
  g.tell<coin>();
  g.k.advance(6s);
  g.tell<push>();
  g.tell<coin>();
  (void)g.all();
  g.k.advance(6s);  // past the time of the first entry
  CHECK(g.all().empty());
  g.tell<coin>();  // stays: the time runs on
  g.k.advance(4s);
  CHECK(g.all() == strings{"exit", "10 with 3"});
  CHECK(g.changes.await(4).back().message == "timeout");
}

TEST_CASE("a transition or a stay may give the state another time") {
  at_the_gate g;
  g.tell<coin>();
  g.tell<smash>();
  g.k.advance(59s);
  (void)g.all();
  g.k.advance(1s);
  CHECK(g.all() == strings{"20 with 1"});
  g.tell<coin>();
  g.tell<smash>();
  g.tell<push>();
  (void)g.all();
  g.k.advance(3s);
  CHECK(g.all() == strings{"20 with 2"});
}

TEST_CASE("going to the same state is a transition, and its time begins anew") {
  at_the_gate g;
  g.tell<coin>();
  g.tell<smash>();
  g.k.advance(50s);
  g.tell<lie>();
  (void)g.all();
  g.k.advance(59min);
  CHECK(g.all().empty());
  g.k.advance(1min);
  CHECK(g.all() == strings{"20 with 1"});
}

TEST_CASE("a message that a state does not handle is a dead letter, and an ask fails with it") {
  at_the_gate g;
  auto letters = g.k.events<dead_letter>();
  g.tell<push>();
  const auto l = letters.await_one();
  CHECK(l.reason == errc::unhandled);
  CHECK(l.to == "/user/gate");
  CHECK(!g.gate.is_terminated());
}

TEST_CASE("a request that is left unanswered fails, and finish stops the machine") {
  at_the_gate g;
  g.tell<coin>();
  g.tell<smash>();
  auto n = g.gate.ask<collect>();
  g.k.settle();
  CHECK(n.result().error() == errc::no_reply);
  g.tell<smash>();
  CHECK(g.gate.is_terminated());
}

TEST_CASE("a way that was not declared is a failure, and the restart begins at the start state") {
  at_the_gate g;
  auto failed = g.k.events<actor_failed>();
  g.tell<coin>();
  g.tell<push>();
  g.tell<lie>();
  CHECK(contains(failed.await_one().why.what, "from locked to open on"));
  (void)g.all();
  g.tell<coin>();
  CHECK(g.all() == strings{"01 with 1", "enter"});
}

TEST_CASE("a state machine draws itself: declared ways, taken ways, its start") {
  at_the_gate g;
  auto picture = [&] {
    auto d = g.gate.ask<fsm_dot>();
    g.k.settle();
    return d.get();
  };
  const std::string before = picture();
  CHECK(before ==
        "digraph fsm {\n  rankdir=LR;\n  \"\" [shape=point];\n  \"locked\";\n  \"open\";\n"
        "  \"broken\";\n  \"\" -> \"locked\";\n"
        "  \"locked\" -> \"open\" [label=\"coin\"];\n"
        "  \"locked\" -> \"broken\" [label=\"lie\"];\n"
        "  \"open\" -> \"locked\" [label=\"push\"];\n"
        "  \"open\" -> \"locked\" [label=\"after 10 s\"];\n"
        "  \"broken\" -> \"locked\" [label=\"after 3600 s\"];\n}\n");
  g.tell<coin>();
  g.tell<smash>();
  const std::string after = picture();
  CHECK(contains(after, "  \"open\" -> \"broken\" [label=\"smash\", style=dashed];\n"));
  CHECK(after.size() > before.size());
  CHECK(picture() == after);
}

namespace {

enum class one { only };
struct bad_machine : fsm<one, int, coin, collect> {
  explicit bad_machine(int what) : fsm(one::only) {
    if (what == 0) {
      when(one::only).on([this](int&, coin) { return stay(); });
      when(one::only).on([this](int&, coin) { return stay(); });
    } else if (what == 1) {
      whenever().after(1s, {}, [this](int&) { return stay(); });
    } else {
      on_unhandled([this](one, std::string_view message) {
        seen = std::string(message);
        ctx().stop();
      });
    }
  }
  std::string seen;
};

}  // namespace

TEST_CASE("a machine with two handlers for one message, or a timeless time, is refused") {
  testkit::kit k;
  CHECK(contains(text_by([&] { k.system().spawn<bad_machine>(0); }), "two handlers of"));
  CHECK(contains(text_by([&] { k.system().spawn<bad_machine>(1); }), "belongs to a state"));
}

TEST_CASE("the hook for unhandled messages gets them, and the ask fails with the state's name") {
  testkit::kit k;
  auto m = k.system().spawn<bad_machine>(2);
  auto n = m.ask<collect>();
  k.settle();
  const auto r = n.result();
  REQUIRE(!r);
  CHECK(r.error() == errc::unhandled);
  CHECK(contains(r.error().text(), "in its state only"));
  CHECK(m.is_terminated());
}
