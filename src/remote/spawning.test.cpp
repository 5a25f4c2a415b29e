// Actors that another node makes, contracts that changed, references in messages, what is bounded.

#include "fake_hub.test.hpp"

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::remote_test;
using namespace std::chrono_literals;

namespace remote_spawning_test {

struct say {
  using reply = std::string;
};
class teller : public actor<say> {
 public:
  teller(std::string text, int times) : text_(std::move(text)), times_(times) {
    if (times < 0) throw std::invalid_argument("no such number of times");
  }
  std::string on(say) {
    std::string out;
    for (int i = 0; i < times_; ++i) out += text_;
    return out;
  }

 private:
  std::string text_;
  int times_;
};

struct pair_of_nodes {
  testkit::kit kit;
  fake_net net{kit.get_runtime()};
  remote_test::node a{net, "a:1", "one"};
  remote_test::node b;
  explicit pair_of_nodes(permissions allowed = {}) : b(net, "b:1", "two", std::move(allowed)) {}
};

// The same manifest in two programs: what one wrote before, and what the other has now.
struct order_then {
  static constexpr auto manifest = "shop.order";
  using reply = int;
  std::string item;
  int count = 1;
};
struct order_more {
  static constexpr auto manifest = "shop.order";
  using reply = int;
  std::string item;
  int count = 1;
  std::string note;
};
struct order_other {
  static constexpr auto manifest = "shop.order";
  using reply = int;
  std::string item;
  std::vector<int> count;
};
struct order_reply {
  static constexpr auto manifest = "shop.order";
  using reply = std::string;
  std::string item;
  int count = 1;
};

template <class M>
class shop : public actor<M> {
 public:
  reply_t<M> on(M) { return {}; }
};

template <class There>
errc resolved_with() {
  pair_of_nodes t;
  t.b.net.expose<shop<There>>();
  t.b.system.spawn<shop<There>>({.name = "shop"});
  auto r = t.a.net.lookup<actor_ref<order_then>>("b:1", "shop").result();
  if (!r) {
    CHECK(r.error().text().find("shop.order") != std::string::npos);
    CHECK(r.error().text().find("b:1") != std::string::npos);
    return r.error().code();
  }
  CHECK(r->template ask<order_then>("tea", 2).result());
  return errc{};
}

struct note {
  int n = 0;
};
struct introduce {
  using reply = actor_ref<note>;
  actor_ref<note> who;
};
class register_of : public actor<introduce> {
 public:
  actor_ref<note> on(introduce m) {
    m.who.tell<note>(1);
    return last_ ? last_ : last_ = m.who;
  }

 private:
  actor_ref<note> last_;
};

}  // namespace remote_spawning_test

using namespace remote_spawning_test;

TEST_CASE("an actor of a registered type is made at another node, with a name and arguments") {
  pair_of_nodes t({.spawn = true, .spawned = 1});
  t.b.net.register_actor<teller, std::string, int>("teller");
  auto made = t.a.net.spawn_at<teller>("b:1", "teller", {.name = "t"}, "ho", 3).result();
  REQUIRE_MESSAGE(made, made.error().to_string());
  CHECK(made->ask<say>().get() == "hohoho");
  CHECK(t.b.system.lookup("t"));
  const auto again = [&](const char* type, int times) {
    return t.a.net.spawn_at<teller>("b:1", type, {.name = "t"}, "ho", times).result().error();
  };
  CHECK(again("teller", 1) == errc::limit_exceeded);
  CHECK(again("nothing", 1) == errc::not_found);
  t.a.system.stop(*made);
  t.kit.settle();
  const error thrown = again("teller", -1);
  CHECK(thrown == errc::spawn_failed);
  CHECK(thrown.text().find("no such number") != std::string::npos);
  CHECK(t.a.net.spawn_at<teller>("b:1", "teller", {.name = "t"}, "ho", 1).result());
}

TEST_CASE("nothing is made from elsewhere without permission, nor of other arguments") {
  pair_of_nodes t;
  t.b.net.register_actor<teller, std::string, int>("teller");
  CHECK(t.a.net.spawn_at<teller>("b:1", "teller", {}, "ho", 3).result().error() == errc::refused);
  pair_of_nodes u({.spawn = true, .may_spawn = [](const peer_info& who, std::string_view) {
                     return who.node == "a:2";
                   }});
  u.b.net.register_actor<teller, std::string, int>("teller");
  CHECK(u.a.net.spawn_at<teller>("b:1", "teller", {}, "ho", 3).result().error() == errc::refused);
  pair_of_nodes v({.spawn = true});
  v.b.net.register_actor<teller, std::string, int>("teller");
  CHECK_FALSE(v.a.net.spawn_at<teller>("b:1", "teller", {}, 3, "ho").result());
  CHECK_THROWS_AS((v.b.net.register_actor<teller, std::string, int>("teller")), actor_error);
}

TEST_CASE("a contract that both sides' readers can bridge is accepted, any other is refused") {
  CHECK(resolved_with<order_then>() == errc{});
  CHECK(resolved_with<order_more>() == errc{});
  CHECK(resolved_with<order_other>() == errc::contract_changed);
  CHECK(resolved_with<order_reply>() == errc::contract_changed);
}

TEST_CASE("references in messages become far ones, come home as themselves, and are equal") {
  pair_of_nodes t;
  t.b.net.expose<register_of, note>();
  t.a.net.expose<note>();
  t.b.system.spawn<register_of>({.name = "r"});
  auto r = t.a.net.lookup<register_of>("b:1", "r").get();
  int got = 0;
  auto mine = t.a.system.spawn(behavior(&got, [](int*& n, note m) { *n += m.n; }));
  CHECK(r.ask<introduce>(mine).get() == mine);
  t.kit.settle();
  CHECK(got == 1);
  // A third node gets the same one.
  remote_test::node c(t.net, "c:1", "three");
  c.net.expose<note>();
  auto rc = c.net.lookup<register_of>("b:1", "r").get();
  const auto theirs = rc.ask<introduce>(actor_ref<note>()).result();
  CHECK_FALSE(theirs);  // an empty reference was told: the handler failed, and says so
}

TEST_CASE("a million references to other nodes leave nothing behind") {
  pair_of_nodes t;
  constexpr std::uint64_t many = 100'000;  // under a sanitizer; the table is the same for more
  for (std::uint64_t i = 1; i <= many; ++i) {
    const any_ref one = t.a.state->resolve(address{"two", "b:1", "/user/x", i}, {}).value();
    const any_ref same = t.a.state->resolve(address{"two", "b:1", "/user/x", i}, {}).value();
    if (one != same) FAIL("two cells of one address");
  }
  CHECK(t.a.state->far.size() == 0);
}
