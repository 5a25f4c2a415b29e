// One reference, near or far: two nodes over a network of the test's own.

#include "fake_hub.test.hpp"
#include <odeon/core/events.hpp>

#include <doctest/doctest.h>

#include <random>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::remote_test;
using namespace std::chrono_literals;

namespace remote_endpoint_test {

struct greet {
  std::string name;
};
struct get_count {
  using reply = int;
};
struct who_sent {
  using reply = std::string;
};
struct fail_now {
  using reply = int;
  std::string text;
};
struct never {
  using reply = int;
};
struct drop_it {
  using reply = int;
};
struct unknown_there {
  int n = 0;
};
struct rows {
  using replies = int;
};
class table : public actor<rows> {
 public:
  void on(rows, replies_to<int> out) {
    (void)out.try_send(1);
    out.finish();
  }
};

class greeter : public actor<greet, get_count, who_sent, fail_now, never, drop_it> {
 public:
  void on(greet m) {
    ++count_;
    last = m.name;
  }
  int on(get_count) { return count_; }
  std::string on(who_sent) { return ctx().sender().path(); }
  int on(fail_now m) { throw std::runtime_error(m.text); }
  void on(never, reply_to<int> to) { kept_.push_back(std::move(to)); }
  void on(drop_it, reply_to<int>) {}

  static inline std::string last;

 private:
  int count_ = 0;
  std::vector<reply_to<int>> kept_;
};

/// Hands every question on.
class forwarder : public actor<who_sent> {
 public:
  explicit forwarder(actor_ref<who_sent> to) : to_(std::move(to)) {}
  std::string on(const who_sent&) {
    ctx().forward(to_);
    return {};
  }

 private:
  actor_ref<who_sent> to_;
};

/// Two nodes that share a runtime.
struct two {
  testkit::kit kit;
  fake_net net{kit.get_runtime()};
  remote_test::node a{net, "a:1", "one"};
  remote_test::node b{net, "b:1", "two"};

  template <class T>
  result<T> wait(future<T> f) {
    return std::move(f).result();
  }
};

bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::vector<errc> reasons(const actor_system& s) {
  std::vector<errc> out;
  for (const auto& l : s.dead_letters()) out.push_back(l.reason);
  return out;
}

}  // namespace remote_endpoint_test

using namespace remote_endpoint_test;

TEST_CASE("an actor of another node is found by its address, told, asked and named") {
  two t;
  t.b.net.expose<greeter>();
  auto near = t.b.system.spawn<greeter>({.name = "greeter"});
  auto found = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter")));
  REQUIRE_MESSAGE(found, found.error().to_string());
  const auto far = *found;
  far.tell<greet>("hi");
  far.tell(greet{"again"});
  CHECK(far.ask<get_count>().get() == 2);
  CHECK(greeter::last == "again");
  CHECK(far.path() == t.b.net.address_of(near)->to_string());
  CHECK(t.wait(t.a.net.lookup<greeter>("b:1", "greeter")).value() == far);
  // At home it is the actor itself.
  CHECK(t.wait(t.b.net.resolve<greeter>(far.path())).value() == near);
}

TEST_CASE("what is wrong with an address is told with the node's address and a code of its own") {
  two t;
  t.b.net.expose<greeter>();
  t.b.system.spawn<greeter>({.name = "greeter"});
  t.a.net.expose<unknown_there>();
  const auto code = [&]<class A>(std::type_identity<A>, const std::string& address) {
    auto r = t.wait(t.a.net.resolve<A>(address));
    REQUIRE_FALSE(r);
    if (r.error() != errc::bad_encoding) CHECK(has(r.error().text(), address.substr(12, 3)));
    return r.error().code();
  };
  constexpr std::type_identity<greeter> known;
  CHECK(code(known, "odeon://two@b:1/user/nobody") == errc::no_such_actor);
  CHECK(code(known, "odeon://sys@b:1/user/greeter") == errc::no_such_actor);
  CHECK(code(known, "odeon://two@b:1/user/greeter#77") == errc::stale);
  CHECK(code(known, "odeon://two@c:1/user/greeter") == errc::connection_refused);
  CHECK(code(known, "not an address") == errc::bad_encoding);
  CHECK(code(std::type_identity<actor_ref<unknown_there>>(), "odeon://two@b:1/user/greeter") ==
        errc::unknown_manifest);
  t.b.net.expose<unknown_there>();
  CHECK(code(std::type_identity<actor_ref<unknown_there>>(), "odeon://two@b:1/user/greeter") ==
        errc::wrong_type);
}

TEST_CASE(
    "asks fail with what happened there: a handler's failure, no reply, a queue at its bound") {
  two t;
  t.b.net.expose<greeter>();
  t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  auto failed = far.ask<fail_now>("no paper").result();
  REQUIRE_FALSE(failed);
  CHECK(failed.error() == errc::handler_failed);
  CHECK(has(failed.error().text(), "no paper"));
  CHECK(has(failed.error().text(), "b:1"));
  CHECK(far.ask<drop_it>().result().error() == errc::no_reply);
  t.net.queue_most = 0;
  CHECK(far.ask<get_count>().result().error() == errc::peer_overloaded);
  CHECK(far.try_tell<greet>("x").error() == errc::peer_overloaded);
  CHECK(reasons(t.a.system) == std::vector{errc::peer_overloaded, errc::peer_overloaded});
}

TEST_CASE("an ask that times out is given up on both sides, and says where it was") {
  two t;
  t.b.net.expose<greeter>();
  t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  auto r = far.ask<never>().within(50ms).result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::ask_timeout);
  CHECK(has(r.error().text(), "b:1"));
  t.kit.settle();
  CHECK(t.a.state->asks.size() == 0);
  far.ask<never>().cancel();
  t.kit.settle();
  CHECK(t.a.state->asks.size() == 0);
}

TEST_CASE("asks to a node that is lost fail at once, and what is told then is a dead letter") {
  two t;
  t.b.net.expose<greeter>();
  t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  auto asked = far.ask<never>();
  t.kit.settle();
  const auto before = t.kit.now();
  t.net.cut("a:1", "b:1");
  auto r = asked.result();
  REQUIRE_FALSE(r);
  CHECK(r.error() == errc::unreachable);
  CHECK(t.kit.now() == before);
  far.tell<greet>("lost");
  CHECK(reasons(t.a.system) == std::vector{errc::connection_refused});
  t.net.heal("a:1", "b:1");
  CHECK(far.ask<get_count>().get() == 0);
}

TEST_CASE("the handler knows who sent it, and may answer, forward and ask back") {
  two t;
  t.b.net.expose<greeter>();
  auto near = t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  struct run {};
  auto seen = std::make_shared<std::string>();
  auto a = t.a.system.spawn(
      behavior(0, [far, seen](int&, run) -> task<void> { *seen = co_await far.ask<who_sent>(); }),
      {.name = "asker"});
  a.tell<run>();
  t.kit.settle();
  CHECK(*seen == t.a.net.address_of(a)->to_string());
  // From a third node through an actor of a, which forwards it to b: the answer goes back the whole
  // way, and the sender stays who it was.
  remote_test::node c(t.net, "c:1", "three");
  t.a.system.spawn<forwarder>({.name = "relay"}, far);
  t.a.net.expose<actor_ref<who_sent>>();
  auto relay = t.wait(c.net.resolve<actor_ref<who_sent>>(t.a.at("/user/relay"))).value();
  auto from_c = c.system.spawn(
      behavior(0,
               [relay, seen](int&, run) -> task<void> { *seen = co_await relay.ask<who_sent>(); }),
      {.name = "asker"});
  from_c.tell<run>();
  t.kit.settle();
  CHECK(*seen == c.net.address_of(from_c)->to_string());
}

TEST_CASE("a message for an earlier incarnation is a dead letter where its successor lives") {
  two t;
  t.b.net.expose<greeter>();
  auto first = t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  t.b.system.stop(first);
  t.kit.settle();
  t.b.system.spawn<greeter>({.name = "greeter"});
  far.tell<greet>("too late");
  CHECK(far.ask<get_count>().result().error() == errc::stale);
  t.kit.settle();
  CHECK(reasons(t.b.system) == std::vector{errc::stale, errc::stale});
}

TEST_CASE("what cannot be encoded or was not exposed is an error at once, and a dead letter") {
  two t;
  t.b.net.expose<greeter>();
  t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  CHECK(far.try_tell<greet>(std::string("\xff not text")).error() == errc::bad_encoding);
  const auto other = actor_ref<unknown_there>::assume(far);
  auto refused = other.try_tell<unknown_there>();
  REQUIRE_FALSE(refused);
  CHECK(refused.error() == errc::no_codec);
  CHECK(has(refused.error().text(), "expose"));
  t.a.net.expose<unknown_there>();
  CHECK(other.try_tell<unknown_there>());
  t.kit.settle();
  CHECK(reasons(t.a.system) == std::vector{errc::bad_encoding, errc::no_codec});
  CHECK(reasons(t.b.system) == std::vector{errc::unknown_manifest});
}

TEST_CASE("a stream of replies from another node fails at the call, which says what to do") {
  two t;
  t.b.net.expose<table>();
  auto near = t.b.system.spawn<table>({.name = "table"});
  const auto far = t.wait(t.a.net.resolve<table>(t.b.at("/user/table"))).value();
  const std::size_t messages = t.net.messages;
  auto s = far.request_stream<rows>();
  const auto first = s.next().result();
  REQUIRE_FALSE(first);
  CHECK(first.error() == errc::invalid_argument);
  CHECK(has(first.error().text(), "odeon://two@b:1/user/table"));
  CHECK(has(first.error().text(), "one page after the other"));
  CHECK(t.net.messages == messages);
  CHECK(near.request_stream<rows>().next().get() == 1);
}

TEST_CASE("a ttl goes along: what took too long on its way is expired") {
  two t;
  t.b.net.expose<greeter>();
  t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  far.tell(greet{"in time"}, {.ttl = 50ms, .key = 3, .priority = 1});
  CHECK(far.ask<get_count>().get() == 1);
}

TEST_CASE("a system and its endpoint may end in either order, with asks open") {
  testkit::kit kit;
  fake_net net(kit.get_runtime());
  std::optional<remote_test::node> a(std::in_place, net, "a:1");
  auto b = std::make_unique<remote_test::node>(net, "b:1");
  b->net.expose<greeter>();
  b->system.spawn<greeter>({.name = "greeter"});
  auto far = a->net.resolve<greeter>(b->at("/user/greeter")).get();
  auto open = far.ask<never>();
  kit.settle();
  b.reset();
  CHECK(open.result().error() == errc::unreachable);
  auto again = far.ask<get_count>().result();
  CHECK(again.error() == errc::connection_refused);
  a->system.terminate_and_wait(1s);
  CHECK(a->state->is_closed());
  CHECK(far.try_tell<greet>("x").error() == errc::unreachable);
  a.reset();
  far.tell<greet>("nobody");
}

TEST_CASE("what a peer makes up harms nobody: records, messages, answers and names that are none") {
  two t;
  t.b.net.expose<greeter>();
  auto near = t.b.system.spawn<greeter>({.name = "greeter"});
  const auto far = t.wait(t.a.net.resolve<greeter>(t.b.at("/user/greeter"))).value();
  auto open = far.ask<never>();
  t.kit.settle();
  const auto a = t.net.hubs.at("b:1")->peer_at("a:1");
  const auto c = t.net.hubs.at("b:1")->peer_at("c:1");  // it has never spoken
  std::mt19937_64 chance(t.kit.seed());
  const wire::bytes good = remote::detail::records::to_bytes(
      remote::detail::records::watch{{"/user/greeter", 0}, {"/user/none", chance()}});
  for (int i = 0; i < 3'000; ++i) {
    wire::bytes bytes = good;
    for (int k = 0; k < 3; ++k) bytes[chance() % bytes.size()] = std::byte(chance());
    bytes.resize(chance() % (bytes.size() + 1));
    t.b.state->on_control(*a, bytes);
  }
  const std::string_view paths[] = {"",          "/",    "/user", "/user/greeter",
                                    "odeon://x", "\xff", "/user/"};
  for (int i = 0; i < 3'000; ++i) {
    remote::detail::user_message m;
    m.kind = static_cast<remote::detail::user_kind>(chance() % 6);
    m.to = {paths[chance() % 7], chance() % 3};
    m.from = {paths[chance() % 7], chance() % 3};
    m.ask = chance() % 1'000;
    m.limit = duration(static_cast<std::int64_t>(chance()));
    const std::byte body[] = {std::byte(chance()), std::byte(chance())};
    m.message = {i % 2 ? wire::manifest<greet> : wire::manifest<get_count>, int(chance() % 3),
                 static_cast<wire::format>(chance() % 7), std::span(body).first(chance() % 3)};
    t.b.state->on_message(*a, m);
  }
  // An answer to somebody else's ask.
  for (std::uint64_t id = 0; id < 100'000; id += 16) {
    remote::detail::user_message m;
    m.kind = remote::detail::user_kind::reply;
    m.ask = (std::uint64_t{1} << 32U) + id;
    t.a.state->on_message(*c, m);
  }
  t.kit.settle();
  CHECK_FALSE(open.is_ready());
  CHECK_FALSE(t.b.system.is_terminating());
  CHECK_FALSE(near.is_terminated());
  CHECK(far.ask<get_count>().result());
}
