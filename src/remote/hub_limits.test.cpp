#include "remote/hub_net.test.hpp"

using namespace hub_test;

namespace {

/// A connection of somebody who is no hub.
struct stranger {
  explicit stranger(test_net& net, std::string_view to) {
    net.connect(to, {}, [this](result<std::unique_ptr<connection>> c) {
      if (c) mine = std::move(*c);
    });
  }
  void write(std::string text) {
    said = std::move(text);
    mine->write(wire::as_bytes(said), [](const result<void>&) {});
  }
  /// Whether the other side has ended it.
  [[nodiscard]] bool is_closed(simulated_runtime& rt) {
    auto over = std::make_shared<bool>(false);
    read_on(over);
    rt.settle();
    return *over;
  }
  void read_on(const std::shared_ptr<bool>& over) {
    mine->read(room, [this, over](result<std::size_t> n) {
      if (!n || *n == 0)
        *over = true;
      else
        read_on(over);
    });
  }
  std::unique_ptr<connection> mine;
  std::string said;
  std::array<std::byte, 512> room{};
};

std::uint64_t rejected(const node& n, rejection why) {
  return n.my_hub->metrics().rejected[std::size_t(why)];
}

}  // namespace

TEST_CASE("a handshake that takes too long ends, is counted, and is an event") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1");
  const auto events = a.watch<peer_rejected>();
  stranger s(net, "a:1");
  rt.settle();
  REQUIRE(s.mine != nullptr);
  rt.advance(4s);
  CHECK(a.my_hub->metrics().handshakes == 1);
  rt.advance(2s);
  CHECK(s.is_closed(rt));
  CHECK(rejected(a, rejection::handshake_time) == 1);
  REQUIRE(events->size() == 1);
  CHECK(events->front().why == rejection::handshake_time);
  CHECK(events->front().address == s.mine->local_address());
  CHECK(a.my_hub->metrics().handshakes == 0);
}

TEST_CASE("garbage in place of a hello ends that connection alone") {
  simulated_runtime rt;
  test_net net(rt);
  node a(rt, net, "a:1"), b(rt, net, "b:1");
  const auto to_b = a.find("b:1");
  rt.settle();
  stranger s(net, "a:1");
  rt.settle();
  s.write(std::string(600, 'G'));
  rt.settle();
  CHECK(s.is_closed(rt));
  CHECK(rejected(a, rejection::violation) + rejected(a, rejection::incompatible) == 1);
  CHECK(to_b->send(tell("on")).has_value());
  rt.settle();
  CHECK(b.told.messages == std::vector<std::string>{"on"});
  CHECK(a.told.life == std::vector<std::string>{"up b:1"});
}

TEST_CASE("more handshakes at a time than allowed: the newest is turned away") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.handshakes = 2;
  node a(rt, net, "a:1", o);
  stranger one(net, "a:1"), two(net, "a:1"), three(net, "a:1");
  rt.settle();
  CHECK(rejected(a, rejection::handshakes) == 1);
  CHECK(int(one.is_closed(rt)) + int(two.is_closed(rt)) + int(three.is_closed(rt)) == 1);
  rt.advance(6s);
  // They are over: there is room again.
  node b(rt, net, "b:1");
  CHECK(b.find("a:1")->ready(2s).result().has_value());
}

TEST_CASE("more connections of one host than allowed: the newest is turned away") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.connections_per_host = 2;
  node a(rt, net, "a:1", o);
  node b(rt, net, "b:1"), c(rt, net, "c:1"), d(rt, net, "d:1");  // all dial from "local"
  CHECK(b.find("a:1")->ready(2s).result().has_value());
  CHECK(c.find("a:1")->ready(2s).result().has_value());
  const auto events = a.watch<peer_rejected>();
  auto r = d.find("a:1")->ready(2s).result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error().text().contains("a:1"));
  rt.settle();
  CHECK(rejected(a, rejection::connections) >= 1);
  REQUIRE_FALSE(events->empty());
  CHECK(events->front().why == rejection::connections);
  CHECK(b.find("a:1")->send(tell("still here")).has_value());
  rt.settle();
  CHECK(a.told.messages == std::vector<std::string>{"still here"});
}

TEST_CASE("a peer that sends too many messages in a second loses its connection") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.messages_per_second = 100;
  node a(rt, net, "a:1", o), b(rt, net, "b:1"), c(rt, net, "c:1");
  const auto to_a = b.find("a:1");
  const auto polite = c.find("a:1");
  for (int second = 0; second < 5; ++second) {
    for (int i = 0; i < 80; ++i) CHECK(polite->send(tell("p")).has_value());
    rt.advance(1s);
  }
  CHECK(a.told.messages.size() == 400);
  CHECK(rejected(a, rejection::messages) == 0);
  for (int i = 0; i < 1000; ++i) (void)to_a->send(tell("flood"));
  rt.settle();
  CHECK(rejected(a, rejection::messages) >= 1);
  CHECK(a.told.count("down b:1") >= 1);
  CHECK(a.told.count("down c:1") == 0);
}

TEST_CASE("more peers than allowed: those that are held stay, the newest is turned away") {
  simulated_runtime rt;
  test_net net(rt);
  endpoint_options o;
  o.limits.peers = 2;
  node a(rt, net, "a:1", o), b(rt, net, "b:1"), c(rt, net, "c:1"), d(rt, net, "d:1");
  const auto to_b = a.find("b:1");
  const auto to_c = a.find("c:1");
  rt.settle();
  CHECK(a.my_hub->find("d:1").error() == errc::limit_exceeded);
  auto r = d.find("a:1")->ready(2s).result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::limit_exceeded);
  rt.settle();
  CHECK(rejected(a, rejection::peers) >= 1);
}
