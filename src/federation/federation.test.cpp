// Several systems in one program, on the simulated runtime, joined by a network in memory.

#include "federation/internal/steward.hpp"
#include <odeon/federation/federation.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>

using namespace odeon;
using namespace odeon::federation;
using namespace std::chrono_literals;

namespace federation_test {

struct where {
  using reply = std::string;
};
class greeter : public actor<where> {
 public:
  explicit greeter(std::string text) : text_(std::move(text)) {}
  std::string on(where) { return text_ + " in " + ctx().system().name(); }

 private:
  std::string text_;
};

/// Two of these do something so many steps of their system later: each message is a turn.
struct countdown {
  int left = 0;
  actor_ref<countdown> other;
};
class in_some_steps : public actor<countdown> {
 public:
  explicit in_some_steps(std::function<void()> f) : f_(std::move(f)) {}
  void on(countdown c) {
    if (c.left == 0) return f_();
    c.other.tell<countdown>(c.left - 1, self());
  }

 private:
  std::function<void()> f_;
};

/// Speaks for a member, and leaves it to the test when a join is answered.
class answers_late : public actor<federation::detail::knock, federation::detail::join,
                                  federation::detail::confirm, federation::detail::beat,
                                  federation::detail::update, federation::detail::farewell> {
 public:
  using answer = reply_to<federation::detail::welcomed>;
  explicit answers_late(std::optional<answer>* waits) : waits_(waits) {}
  federation::detail::knocked on(federation::detail::knock) { return {wire::bytes(32)}; }
  void on(federation::detail::join, answer to) { waits_->emplace(std::move(to)); }
  bool on(federation::detail::confirm) { return true; }
  int on(federation::detail::beat) { return 1; }
  void on(federation::detail::update) {}
  void on(federation::detail::farewell) {}

 private:
  std::optional<answer>* waits_;
};

using texts = std::vector<std::string>;

/// One system of the federation, which can be ended before the others.
struct site {
  site(runtime& rt, transport& way, const std::string& name, federation_options o,
       bool spawns = true)
      : system(name, {.runtime = &rt}),
        net(system,
            {.listen = "memory://" + name + ":1",
             .security = remote::plain{.insecure = true},
             .transport = &way},
            {.spawn = spawns}) {
    members.emplace(system, net, std::move(o));
    watching = members->watch([this](const membership_event& e) {
      if (const auto* j = std::get_if<member_joined>(&e)) told.push_back("+" + j->who.node);
      if (const auto* u = std::get_if<member_updated>(&e)) told.push_back("=" + u->who.node);
      if (const auto* l = std::get_if<member_left>(&e))
        told.push_back("-" + l->who.node + " " + std::string(to_string(l->why)));
    });
  }
  [[nodiscard]] texts nodes() const {
    texts all;
    for (const auto& m : members->members()) all.push_back(m.node);
    return all;
  }
  texts told;
  actor_system system;
  remote::endpoint net;
  std::optional<membership> members;
  std::shared_ptr<void> watching;
};

struct sites {
  simulated_runtime rt{{.seed = 5}};
  std::unique_ptr<transport> way = make_memory_transport(rt);
  std::map<std::string, std::unique_ptr<site>> all;

  site& add(const std::string& name, federation_options o = {.seeds = {"a:1"}},
            bool spawns = true) {
    return *(all[name] = std::make_unique<site>(rt, *way, name, std::move(o), spawns));
  }
};

/// What a future comes to, under virtual time.
template <class T>
result<T> come(future<T> f) {
  return std::move(f).within(20s).result();
}

}  // namespace federation_test

using namespace federation_test;

TEST_CASE("members find each other through one seed, and a watcher is told from the beginning") {
  sites s;
  auto& a = s.add("a");
  auto& b = s.add("b");
  auto& c = s.add("c");
  s.rt.advance(25s);
  for (auto* each : {&a, &b, &c}) CHECK(each->nodes().size() == 3);
  CHECK(a.told == texts{"+a:1", "+b:1", "+c:1"});
  CHECK(std::ranges::count(c.told, "+b:1") == 1);
  texts late;
  const auto watching = c.members->watch([&](const membership_event& e) {
    if (const auto* j = std::get_if<member_joined>(&e)) late.push_back(j->who.node);
  });
  s.rt.settle();
  CHECK(late == texts{"c:1", "a:1", "b:1"});
  // Leases are renewed: nobody goes.
  s.rt.advance(5min);
  CHECK(a.told.size() == 3);
}

TEST_CASE("what changes at any step while a member is being joined is told to it as well") {
  for (int steps = 0; steps < 40; ++steps) {
    CAPTURE(steps);
    sites s;
    auto& a = s.add("a");
    const auto set = [&] { a.members->set_capabilities({"gpu"}); };
    const auto one = a.system.spawn<in_some_steps>(set), other = a.system.spawn<in_some_steps>(set);
    // From when A knows B on, which it joins itself then.
    const auto watching = a.members->watch([&](const membership_event& e) {
      const auto* j = std::get_if<member_joined>(&e);
      if (j && j->who.node == "b:1") one.tell<countdown>(steps, other);
    });
    auto& b = s.add("b");
    s.rt.advance(25s);
    CHECK(b.members->members().at(1).capabilities == texts{"gpu"});
  }
}

TEST_CASE("one that leaves while it is being joined does not come back with its answer") {
  namespace inner = federation::detail;
  sites s;
  auto& a = s.add("a");
  std::optional<reply_to<inner::welcomed>> waits;
  actor_system system("m", {.runtime = &s.rt});
  remote::endpoint net(system, {.listen = "memory://m:1",
                                .security = remote::plain{.insecure = true},
                                .transport = s.way.get()});
  net.expose<inner::steward_ref>();
  system.spawn<answers_late>({.name = "federation"}, &waits);
  const auto at = come(net.lookup<inner::steward_ref>("a:1", "federation")).value();
  member who;
  who.node = "m:1";
  who.system = "m";
  who.incarnation = 99;
  (void)come(at.ask<inner::knock>(who.node)).value();
  const wire::bytes mine(32, std::byte{7});
  const auto in = come(at.ask<inner::join>(who, mine, wire::bytes{}, wire::bytes{})).value();
  s.rt.advance(1s);
  REQUIRE(waits.has_value());
  at.tell<inner::farewell>(who.node, who.incarnation, in.ticket);
  s.rt.advance(1s);
  CHECK(a.told == texts{"+a:1", "+m:1", "-m:1 left"});
  CHECK((*waits)(
      inner::welcomed{.who = who, .nodes = {}, .ticket = 5, .proof = {}, .tenant_proof = {}}));
  s.rt.advance(1s);
  CHECK(a.told == texts{"+a:1", "+m:1", "-m:1 left"});
  CHECK(a.nodes() == texts{"a:1"});
}

TEST_CASE("one that leaves is gone at once, one that is silent when its lease has run out") {
  sites s;
  auto& a = s.add("a");
  s.add("b");
  s.add("c");
  s.rt.advance(25s);
  s.all["b"]->members.reset();
  s.rt.settle();
  CHECK(a.told.back() == "-b:1 left");
  CHECK(a.nodes().size() == 2);
  // C vanishes without a word: its network does.
  s.all["c"]->system.stop(s.all["c"]->system.lookup("federation"));
  s.rt.advance(15s);
  CHECK(a.nodes().size() == 2);
  s.rt.advance(30s);
  CHECK(a.told.back() == "-c:1 expired");
}

TEST_CASE("a member that was started again replaces what it was") {
  sites s;
  auto& a = s.add("a");
  s.add("b");
  s.rt.advance(15s);
  s.all["b"]->system.stop(s.all["b"]->system.lookup("federation"));
  s.rt.settle();
  s.all.erase("b");
  s.add("b", {.seeds = {"a:1"}, .capabilities = {"gpu"}});
  s.rt.advance(25s);
  CHECK(std::ranges::count(a.told, "-b:1 replaced") == 1);
  CHECK(a.members->members().at(1).capabilities == texts{"gpu"});
}

TEST_CASE("who does not know the secret does not join, and is told of nobody") {
  sites s;
  const std::string secret = "a secret of the federation";
  auto& a = s.add("a", {.secret = secret});
  auto& b = s.add("b", {.seeds = {"a:1"}, .secret = secret});
  auto& m = s.add("m", {.seeds = {"a:1"}, .secret = "the secret of somebody"});
  auto& n = s.add("n", {.seeds = {"a:1"}});
  s.rt.advance(30s);
  CHECK(a.nodes() == texts{"a:1", "b:1"});
  CHECK(b.nodes() == texts{"b:1", "a:1"});
  CHECK(m.nodes() == texts{"m:1"});
  CHECK(n.nodes() == texts{"n:1"});
}

TEST_CASE("an actor is placed here first, and else where its needs are met") {
  sites s;
  auto& a = s.add("a", {.capabilities = {"cpu"}});
  auto& b = s.add("b", {.seeds = {"a:1"}, .capabilities = {"gpu"}});
  a.members->offer<greeter, std::string>();
  b.members->offer<greeter, std::string>();
  s.rt.advance(15s);
  auto here = come(a.members->spawn<greeter>({.on = placement::automatic}, "hello"));
  REQUIRE_MESSAGE(here.has_value(), here.error().to_string());
  CHECK(here->ask<where>().get() == "hello in a");
  auto there =
      come(a.members->spawn<greeter>({.on = placement::automatic, .needs = {"gpu"}}, "hello"));
  REQUIRE_MESSAGE(there.has_value(), there.error().to_string());
  CHECK(there->ask<where>().get() == "hello in b");
  const auto no = come(a.members->spawn<greeter>({.needs = {"tpu"}}, "hello"));
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::placement_failed);
  CHECK(no.error().text().contains("none of 2 members has 'tpu'"));
  // What changes is told.
  b.members->set_capabilities({"gpu", "tpu"});
  s.rt.settle();
  CHECK(a.told.back() == "=b:1");
  CHECK(come(a.members->spawn<greeter>({.needs = {"tpu"}}, "now")).has_value());
}

TEST_CASE("only types that were offered are made, and only where the endpoint permits it") {
  sites s;
  auto& a = s.add("a");
  auto& b = s.add("b", {.seeds = {"a:1"}, .capabilities = {"gpu"}}, false);
  s.rt.advance(15s);
  const auto unknown = come(a.members->spawn<greeter>({.needs = {"gpu"}}, "hello"));
  CHECK(unknown.error() == errc::placement_failed);
  CHECK(unknown.error().text().contains("offer"));
  b.members->offer<greeter, std::string>();
  s.rt.settle();
  CHECK(come(a.members->spawn<greeter>({.needs = {"gpu"}}, "hello")).error() == errc::refused);
}

TEST_CASE("names are found in their scopes across members") {
  sites s;
  auto& a = s.add("a", {.tenant = "red"});
  auto& b = s.add("b", {.seeds = {"a:1"}, .tenant = "blue"});
  auto& c = s.add("c", {.seeds = {"a:1"}, .tenant = "blue"});
  b.net.expose<greeter>();
  auto g = b.system.spawn<greeter>({.name = "g"}, "hello");
  CHECK(b.members->share("all", g).has_value());
  CHECK(b.members->share("ours", g, name_scope::tenant).has_value());
  CHECK(b.members->share("mine", g, name_scope::local).has_value());
  s.rt.advance(25s);
  auto far = come(a.members->find<greeter>("all"));
  REQUIRE_MESSAGE(far.has_value(), far.error().to_string());
  CHECK(far->ask<where>().get() == "hello in b");
  CHECK(come(a.members->find<greeter>("ours")).error() == errc::no_such_actor);
  CHECK(come(c.members->find<greeter>("ours")).has_value());
  CHECK(come(c.members->find<greeter>("mine")).error() == errc::no_such_actor);
  CHECK(come(b.members->find<greeter>("mine")).has_value());
  auto other = b.system.spawn<greeter>("other");
  CHECK(b.members->share("all", other).error() == errc::name_taken);
  CHECK(b.members->unshare("all"));
  CHECK_FALSE(b.members->unshare("all"));
  s.rt.settle();
  CHECK(come(a.members->find<greeter>("all")).error() == errc::no_such_actor);
}

TEST_CASE(
    "who joins under another's address, or another system's name, is refused, secret or not") {
  const std::string secret = "a secret of the federation";
  sites s;
  auto& a = s.add("a", {.secret = secret});
  auto& b = s.add("b", {.seeds = {"a:1"}, .secret = secret});
  s.rt.advance(25s);
  // M has the secret, an endpoint, and its own words.
  actor_system system("m", {.runtime = &s.rt});
  remote::endpoint net(system, {.listen = "memory://m:1",
                                .security = remote::plain{.insecure = true},
                                .transport = s.way.get()});
  net.expose<federation::detail::steward_ref>();
  const auto at = come(net.lookup<federation::detail::steward_ref>("a:1", "federation")).value();
  const auto join_as = [&](const std::string& node, const std::string& name) {
    member who;
    who.node = node;
    who.system = name;
    who.incarnation = 99;
    who.capabilities = {"gpu"};
    const auto nonce = come(at.ask<federation::detail::knock>(node)).value().nonce;
    const wire::bytes mine(32, std::byte{7});
    return come(at.ask<federation::detail::join>(
                    who, mine, federation::detail::proof(secret, "join", nonce, mine, who),
                    wire::bytes{}))
        .error();
  };
  for (const char* other : {"b:1", "c:1"}) {  // a member, and nobody
    const error why = join_as(other, "b");
    CHECK(why == errc::authentication_failed);
    CHECK(why.text().contains(other));
  }
  CHECK(join_as("a:1", "a") == errc::invalid_argument);
  // An update, a beat and a farewell need the ticket that it was not given.
  member b_as_told = a.members->members().at(1);
  b_as_told.version = 100;
  b_as_told.capabilities = {"gpu"};
  at.tell<federation::detail::update>(b_as_told, 12345U);
  at.tell<federation::detail::farewell>("b:1", b_as_told.incarnation, 12345U);
  CHECK(come(at.ask<federation::detail::beat>("b:1", b_as_told.incarnation, 12345U)).value() == 0);
  s.rt.advance(2min);
  CHECK(a.nodes() == texts{"a:1", "b:1"});
  CHECK(b.nodes() == texts{"b:1", "a:1"});
  CHECK(a.members->members().at(1).capabilities.empty());
  CHECK(a.told == texts{"+a:1", "+b:1"});
}

TEST_CASE("a tenant's name that is known is known all the time that two members join each other") {
  for (int steps = 0; steps < 20; ++steps) {
    CAPTURE(steps);
    sites s;
    auto& b = s.add("b", {.tenant = "blue"});
    const auto g = b.system.spawn<greeter>({.name = "g"}, "hello");
    CHECK(b.members->share("ours", g, name_scope::tenant).has_value());
    const auto change = [&] { b.members->set_capabilities({"gpu"}); };
    const auto one = b.system.spawn<in_some_steps>(change),
               other = b.system.spawn<in_some_steps>(change);
    const auto joined = b.members->watch([&](const membership_event& e) {
      const auto* j = std::get_if<member_joined>(&e);
      if (j && j->who.node == "c:1") one.tell<countdown>(steps, other);
    });
    auto& c = s.add("c", {.seeds = {"b:1"}, .tenant = "blue"});
    std::vector<bool> knows;
    const auto watching = c.members->watch([&](const membership_event& e) {
      std::visit(
          [&](const auto& one) {
            if (one.who.node == "b:1") knows.push_back(!one.who.names.empty());
          },
          e);
    });
    s.rt.advance(25s);
    REQUIRE_FALSE(knows.empty());
    CHECK(std::ranges::is_sorted(knows));  // never again not
    CHECK(knows.back());
    CHECK(c.members->members().at(1).capabilities == texts{"gpu"});
    // And what is taken back is gone.
    CHECK(b.members->unshare("ours"));
    s.rt.settle();
    CHECK(c.members->members().at(1).names.empty());
  }
}

TEST_CASE("a tenant's names are told to that tenant alone, and who is of it must know its secret") {
  const std::string tenants = "the secret of the blue tenant";
  sites s;
  auto& a = s.add("a", {.tenant = "red"});
  const auto blue = [&](const std::string& knows) {
    return federation_options{.seeds = {"a:1"}, .tenant = "blue", .tenant_secret = knows};
  };
  auto& b = s.add("b", blue(tenants));
  auto& c = s.add("c", blue(tenants));
  auto& d = s.add("d", blue("what somebody has guessed"));
  b.net.expose<greeter>();
  auto g = b.system.spawn<greeter>({.name = "g"}, "hello");
  CHECK(b.members->share("all", g).has_value());
  CHECK(b.members->share("ours", g, name_scope::tenant).has_value());
  s.rt.advance(1min);
  CHECK(a.nodes() == texts{"a:1", "b:1", "c:1", "d:1"});
  CHECK(c.nodes() == texts{"c:1", "a:1", "b:1"});
  CHECK(d.nodes() == texts{"d:1", "a:1"});
  // Not only is it not found: it is nowhere that another tenant could look.
  const auto names = [](const site& at, const std::string& node) {
    texts all;
    for (const auto& m : at.members->members())
      if (m.node == node)
        for (const auto& n : m.names) all.push_back(n.name);
    return all;
  };
  CHECK(names(a, "b:1") == texts{"all"});
  CHECK(names(c, "b:1") == texts{"all", "ours"});
  CHECK(come(a.members->find<greeter>("ours", name_scope::tenant)).error() == errc::no_such_actor);
  CHECK(come(a.members->find<greeter>("ours")).error() == errc::no_such_actor);
  CHECK(come(d.members->find<greeter>("ours")).error() == errc::no_such_actor);
  CHECK(come(c.members->find<greeter>("ours", name_scope::tenant)).has_value());
  // What is shared later goes the same ways.
  CHECK(c.members->share("later", c.system.spawn<greeter>("x"), name_scope::tenant).has_value());
  s.rt.settle();
  CHECK(names(b, "c:1") == texts{"later"});
  CHECK(names(a, "c:1").empty());
  CHECK_THROWS_AS(s.add("e", {.tenant_secret = tenants}), actor_error);
}

TEST_CASE("options that cannot be meant are refused, and fixed members need no seeds") {
  sites s;
  CHECK_THROWS_AS(s.add("x", {.secret = "short"}), actor_error);
  CHECK_THROWS_AS(s.add("y", {.lease = 1s, .heartbeat = 2s}), actor_error);
  member known;
  known.node = "b:1";
  known.incarnation = 1;
  known.capabilities = {"gpu"};
  auto& a = s.add("a", {.fixed = {known}});
  s.rt.advance(1h);
  CHECK(a.nodes() == texts{"a:1", "b:1"});
}
