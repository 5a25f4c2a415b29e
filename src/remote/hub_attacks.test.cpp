// Attacks by nodes that were let in: nothing of theirs is delivered that should not be, the node
// and its other peers go on, memory has its bound, and what ended a connection was counted.

#include "remote/intruder.test.hpp"

using namespace hub_test;

namespace {

/// A node under attack, and a polite one that is connected to it all the time.
struct besieged {
  explicit besieged(endpoint_options o = {}) : a(rt, net, "a:1", std::move(o)) {
    rejected = a.watch<peer_rejected>();
    overloaded = a.watch<peer_overloaded>();
    to_a = polite.find("a:1");
    to_polite = a.find("polite:1");
    rt.settle();
  }
  /// The polite node's messages arrive, and no other ever did.
  void is_well() {
    const std::size_t before = a.told.messages.size();
    CHECK(to_a->send(tell("polite")).has_value());
    CHECK(to_polite->send(tell("answer")).has_value());
    rt.settle();
    CHECK(a.told.messages.size() == before + 1);
    CHECK(std::ranges::count(a.told.messages, "polite") == long(a.told.messages.size()));
    CHECK(polite.told.messages.back() == "answer");
    CHECK(a.told.count("down polite:1") == 0);
  }
  [[nodiscard]] std::uint64_t count(rejection why) const {
    return a.my_hub->metrics().rejected[std::size_t(why)];
  }
  /// The connection was ended, and that was counted and told once.
  void has_ended(const intruder& x, rejection why) {
    rt.settle();
    CHECK(x.is_closed());
    CHECK(count(why) == 1);
    REQUIRE(rejected->size() == 1);
    CHECK(rejected->front().why == why);
    CHECK_FALSE(rejected->front().reason.text().empty());
  }

  simulated_runtime rt{{.seed = 11}};
  test_net net{rt};
  node a;
  node polite{rt, net, "polite:1"};
  std::shared_ptr<std::vector<peer_rejected>> rejected;
  std::shared_ptr<std::vector<peer_overloaded>> overloaded;
  std::shared_ptr<peer> to_a, to_polite;
};

void append_item(wire::buffer& out, std::uint8_t kind, std::initializer_list<std::uint64_t> all) {
  append_word(out, kind);
  for (const std::uint64_t n : all) append_varint(out, n);
}

}  // namespace

TEST_CASE("a hello that comes byte by byte has the time of a handshake, and no more") {
  besieged s;
  std::unique_ptr<connection> slow;
  s.net.connect("a:1", {}, [&](result<std::unique_ptr<connection>> c) { slow = std::move(*c); });
  s.rt.settle();
  session_options o = session_test::options_of(role::dialer);
  o.to = "a:1";
  handshake me(o);
  const wire::bytes hello = me.out().to_bytes();
  for (std::size_t i = 0; i < 20; ++i) {
    slow->write(const_bytes(hello).subspan(i, 1), [](const result<void>&) {});
    s.rt.advance(500ms);
  }
  CHECK(s.count(rejection::handshake_time) == 1);
  CHECK(s.a.my_hub->metrics().handshakes == 0);
  s.is_well();
}

TEST_CASE("a frame that never ends holds what has come of it, and ends with the peer's silence") {
  besieged s;
  intruder x(s.rt, s.net, "a:1", "x:1");
  REQUIRE(x.is_in());
  const std::uint32_t claims = (std::uint32_t{4} << 20U) - 4;
  wire::bytes head(8);
  std::memcpy(head.data(), &claims, 4);
  head[4] = std::byte{1};
  head[5] = std::byte{1};
  x.raw(head);
  for (int second = 0; second < 120; ++second) {
    x.raw(wire::bytes(1));
    s.rt.advance(1s);
  }
  CHECK_FALSE(x.is_closed());
  s.is_well();
  s.rt.advance(10s);
  CHECK(x.is_closed());
  CHECK(s.a.told.count("down x:1") == 1);
  s.is_well();
}

TEST_CASE(
    "large messages that are begun and never ended are bounded, and go with their connection") {
  endpoint_options o;
  o.limits.message_bytes = 1'000'000;
  besieged s(o);
  for (int round = 0; round < 50; ++round) {
    intruder x(s.rt, s.net, "a:1", "x:1");
    REQUIRE(x.is_in());
    for (std::uint64_t transfer = 0; transfer < 16; ++transfer)
      x.send(lane::large, [&](wire::buffer& out) {
        append_item(out, 1, {transfer, 60'000});
        session_test::append_tell(out, session_test::nobody, 30'000);
        out.append(wire::bytes(30'000));
      });
    CHECK_FALSE(x.is_closed());
  }
  CHECK(s.rejected->empty());
  intruder x(s.rt, s.net, "a:1", "x:1");
  x.send(lane::large, [](wire::buffer& out) {
    append_item(out, 1, {0, 1'000'001});
    session_test::append_tell(out, session_test::nobody, 1);
    out.append(wire::bytes(1));
  });
  s.has_ended(x, rejection::violation);
  s.is_well();
}

TEST_CASE(
    "credit that would overflow, acknowledgements ahead, bombs and unknown items are counted") {
  const auto ends = [](lane l, const std::function<void(wire::buffer&)>& write) {
    besieged s;
    intruder x(s.rt, s.net, "a:1", "x:1");
    REQUIRE(x.is_in());
    x.send(l, write);
    s.has_ended(x, rejection::violation);
    s.is_well();
  };
  ends(lane::control, [](wire::buffer& out) {
    append_word(out, std::uint8_t{6});
    append_word(out, std::uint8_t{1});
    append_varint(out, ~std::uint64_t{0});
  });
  ends(lane::control, [](wire::buffer& out) { append_item(out, 3, {7}); });
  ends(lane::control, [](wire::buffer& out) { append_item(out, 99, {}); });
  ends(lane::large, [](wire::buffer& out) {  // a chunk that expands to more than it says
    append_item(out, 1, {0, 30'000});
    session_test::append_tell(out, session_test::nobody, 1);
    out.append(wire::bytes(1));
    packer pack;
    const auto bomb = pack.pack(wire::bytes(5'000'000));
    append_item(out, 3, {0, bomb.size(), 20'000});
    out.append(bomb);
  });
  ends(lane::ordinary, [](wire::buffer& out) {  // a name that was never defined
    session_test::append_tell(out, [](wire::buffer& b) { append_varint(b, 4'000); }, 0);
  });
}

TEST_CASE("a peer that never gives credit again costs its queue, and is told of once") {
  endpoint_options o;
  o.limits.queue_bytes = 1 << 20;
  besieged s(o);
  intruder x(s.rt, s.net, "a:1", "x:1");
  REQUIRE(x.is_in());
  const auto to_x = s.a.find("x:1");
  const std::string text(10'000, 'x');
  std::size_t taken = 0;
  errc why{};
  for (int i = 0; i < 3'000; ++i) {
    const auto ok = to_x->send(tell(text));
    if (ok)
      ++taken;
    else
      why = ok.error().code();
    if (i % 100 == 0) {
      x.pong();
      s.rt.advance(100ms);
    }
  }
  CHECK(why == errc::peer_overloaded);
  // Its credit, the queue, and what is between the two.
  CHECK(taken * text.size() < (std::size_t{4} << 20U) + 3 * o.limits.queue_bytes);
  CHECK(x.bytes_read() < std::size_t{5} << 20U);
  CHECK(s.overloaded->size() == 1);
  s.is_well();
}

TEST_CASE("an incarnation that comes while another of its address lives is turned away") {
  besieged s;
  intruder x(s.rt, s.net, "a:1", "polite:1");
  CHECK_FALSE(x.is_in());
  REQUIRE(x.refusal().has_value());
  CHECK(*x.refusal() == errc::name_taken);
  CHECK(x.refusal()->text().contains("remote.advertise"));
  s.has_ended(x, rejection::address_in_use);
  CHECK(s.a.told.count("gone polite:1") == 0);
  s.is_well();
  // Through a break of its connection, too: who was there comes back as itself.
  s.net.break_all();
  s.rt.advance(3s);
  CHECK(s.a.told.count("gone polite:1") == 0);
  CHECK(s.a.told.life.back() == "up polite:1");
}

TEST_CASE("names of nodes by the thousand leave no more peers than are allowed") {
  endpoint_options o;
  o.limits.peers = 50;
  besieged s(o);
  for (int i = 0; i < 1'000; ++i) {
    intruder x(s.rt, s.net, "a:1", "x" + std::to_string(i) + ":1", 1'000 + std::uint64_t(i));
  }
  CHECK(s.a.my_hub->metrics().peers.size() <= 50);
  CHECK(s.a.my_hub->metrics().connections == 1);
  s.is_well();
}
