// The relay without I/O: what nodes and attackers may send, and what it costs.

#include "remote/internal/relay_switch.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::relay_detail;
using namespace std::chrono_literals;

namespace {

const std::string secret = "a secret of the tests";

/// A relay whose connections are bytes in this program.
struct bench {
  explicit bench(relay_limits l = {})
      : bounds(l),
        relay(secret, l, [this](auto out) {
          for (auto& b : out) b = static_cast<std::byte>(++entropy);
        }) {}

  /// All frames that wait for `c`, as if they were written at once.
  std::vector<bytes> frames(relay_switch::id c) {
    std::vector<bytes> all;
    for (;;) {
      const auto batch = relay.take(c, now);
      if (batch.empty()) return all;
      for (const bytes& block : batch)
        CHECK(reader.feed(block, [&](const_bytes body) {
          all.emplace_back(body.begin(), body.end());
          return true;
        }));
      relay.wrote(c, now);
    }
  }
  relay_switch::id open(std::string host = "10.0.0.1") {
    const auto c = next++;
    if (relay.opened(c, std::move(host), now)) return c;
    return 0;
  }
  void send(relay_switch::id c, const frame& f) {
    bytes b;
    append(b, f);
    relay.received(c, b, now);
  }
  registration answer(const bytes& hello, std::string_view name, std::string_view with) {
    const auto c = std::get<challenge>(read_frame(hello).value());
    registration r;
    r.name = name;
    r.tag = node_proof(wire::as_bytes(with), c.random, r.random, name);
    return r;
  }
  relay_switch::id join(const std::string& name, std::string host = "10.0.0.1") {
    const auto c = open(std::move(host));
    REQUIRE(c != 0);
    send(c, answer(frames(c).at(0), name, secret));
    const auto got = frames(c);
    REQUIRE(got.size() == 1);
    REQUIRE(std::holds_alternative<welcome>(read_frame(got[0]).value()));
    return c;
  }
  /// Why a connection was ended; `none` while it was not.
  relay_refusal ended(relay_switch::id c) {
    for (const auto& f : frames(c))
      if (const auto one = read_frame(f).value(); std::holds_alternative<goodbye>(one))
        return relay.is_over(c) ? std::get<goodbye>(one).why : relay_refusal::none;
    return relay_refusal::none;
  }

  relay_limits bounds;
  unsigned entropy = 0;
  time_point now{1h};
  relay_switch::id next = 1;
  frame_reader reader{1U << 20U};
  relay_switch relay;
};

std::string text(const_bytes b) { return std::string(wire::as_text(b)); }

}  // namespace

TEST_CASE("an envelope reaches the node of that name and is acknowledged") {
  bench b;
  const auto alice = b.join("alice"), bob = b.join("bob");
  for (std::uint64_t i = 1; i <= 3; ++i) b.send(alice, envelope{i, "bob", wire::as_bytes("hi")});
  const auto got = b.frames(bob);
  REQUIRE(got.size() == 3);
  const auto d = std::get<delivery>(read_frame(got[0]).value());
  CHECK(d.source == "alice");
  CHECK(text(d.payload) == "hi");
  const auto acks = b.frames(alice);
  REQUIRE(acks.size() == 3);
  CHECK(std::get<ack>(read_frame(acks[2]).value()).first == 3);
  b.send(alice, envelope{4, "carol", {}});
  CHECK(std::get<nack>(read_frame(b.frames(alice).at(0)).value()).why ==
        relay_refusal::unknown_target);
}

TEST_CASE("envelopes that come together are acknowledged together") {
  bench b;
  const auto alice = b.join("alice");
  b.join("bob");
  bytes all;
  for (std::uint64_t i = 1; i <= 5; ++i)
    append(all, envelope{i, i == 4 ? "nobody" : "bob", wire::as_bytes("hi")});
  b.relay.received(alice, all, b.now);
  const auto got = b.frames(alice);
  REQUIRE(got.size() == 3);
  const auto first = std::get<ack>(read_frame(got[0]).value());
  CHECK(first.first == 1);
  CHECK(first.count == 3);
  CHECK(std::get<nack>(read_frame(got[1]).value()).number == 4);
  CHECK(std::get<ack>(read_frame(got[2]).value()).first == 5);
}

TEST_CASE("a registration with a wrong proof, or one heard before, registers nobody") {
  bench b;
  const auto first = b.open();
  const auto good = b.answer(b.frames(first).at(0), "alice", secret);
  b.send(first, good);
  CHECK(b.relay.metrics().registered == 1);
  const auto wrong = b.open();
  b.send(wrong, b.answer(b.frames(wrong).at(0), "mallory", "another secret"));
  CHECK(b.ended(wrong) == relay_refusal::authentication);
  const auto replayed = b.open();
  b.send(replayed, good);  // to another challenge
  CHECK(b.ended(replayed) == relay_refusal::authentication);
  const auto renamed = b.open();
  auto changed = b.answer(b.frames(renamed).at(0), "bob", secret);
  changed.name = "carol";
  b.send(renamed, changed);
  CHECK(b.ended(renamed) == relay_refusal::authentication);
  const auto unproved = b.open();
  auto none = b.answer(b.frames(unproved).at(0), "dave", secret);
  none.authenticate = false;
  b.send(unproved, none);
  CHECK(b.ended(unproved) == relay_refusal::authentication);
  const auto old = b.open();
  auto version_2 = b.answer(b.frames(old).at(0), "erin", secret);
  version_2.chosen = 2;
  b.send(old, version_2);
  CHECK(b.ended(old) == relay_refusal::incompatible);
  const auto named = b.open();
  b.send(named, b.answer(b.frames(named).at(0), "no name", secret));
  CHECK(b.ended(named) == relay_refusal::bad_name);
  CHECK(b.relay.metrics().registered == 1);
  CHECK(b.relay.metrics().refused(relay_refusal::authentication) == 4);
}

TEST_CASE("the proofs of node and relay differ, so that neither can be reflected") {
  const nonce r{std::byte(1)}, n{std::byte(2)};
  CHECK(node_proof(wire::as_bytes(secret), r, n, "a") !=
        relay_proof(wire::as_bytes(secret), r, n, "a"));
}

TEST_CASE("frames that do not belong where they come end that connection alone") {
  bench b;
  const auto bob = b.join("bob");
  const auto broken = [&](const frame& f, relay_refusal why = relay_refusal::violation) {
    const auto c = b.join("mallory");
    b.send(c, f);
    CHECK(b.ended(c) == why);
    b.relay.closed(c, b.now);
  };
  broken(envelope{2, "bob", {}});
  broken(envelope{0, "bob", {}});
  broken(delivery{"bob", wire::as_bytes("forged")});
  broken(ack{1, 1});
  broken(nack{1, relay_refusal::overloaded});
  broken(welcome{});
  broken(challenge{});
  broken(registration{.name = "again"});
  const auto early = b.open();
  b.send(early, envelope{1, "bob", {}});
  CHECK(b.ended(early) == relay_refusal::violation);
  const auto raw = [&](std::initializer_list<int> data, bool join) {
    const auto c = join ? b.join("mallory") : b.open();
    bytes in;
    for (int i : data) in.push_back(static_cast<std::byte>(i));
    b.relay.received(c, in, b.now);
    return b.ended(c);
  };
  CHECK(raw({0, 0, 0, 0}, true) == relay_refusal::too_large);
  CHECK(raw({0xff, 0xff, 0xff, 0xff}, true) == relay_refusal::too_large);
  CHECK(raw({0xff, 0xff, 0, 0}, false) == relay_refusal::violation);
  CHECK(raw({1, 0, 0, 0, 0x7f}, true) == relay_refusal::violation);
  CHECK(raw({2, 0, 0, 0, 0x10, 1}, true) == relay_refusal::violation);
  CHECK(raw({'G', 'E', 'T', ' ', '/'}, false) == relay_refusal::violation);
  CHECK(b.frames(bob).empty());
  CHECK(b.relay.metrics().registered == 1);
}

TEST_CASE("a slow receiver is bounded, costs others nothing, and is closed when it takes nothing") {
  bench b({.queue_bytes = 128 * 1024, .silent_after = 15s});
  const auto alice = b.join("alice"), slow = b.join("slow"), bob = b.join("bob");
  const bytes payload(10'000);
  for (std::uint64_t i = 1; i <= 40; i += 2) {
    b.send(alice, envelope{i, "slow", payload});
    b.send(alice, envelope{i + 1, "bob", payload});
    CHECK(b.frames(bob).size() == 1);
  }
  CHECK(b.relay.metrics().queued_bytes < 150'000);
  CHECK(b.relay.metrics().refused(relay_refusal::overloaded) == 7);
  std::size_t crossings = 0;
  for (const auto& e : b.relay.events()) crossings += e.what == relay_event::kind::overloaded;
  CHECK(crossings == 1);
  (void)b.relay.take(slow, b.now);  // what is being written is never done
  for (int i = 0; i < 20; ++i) {
    b.now += 1s;
    b.send(alice, ping{1});
    b.send(bob, ping{1});
    b.send(slow, ping{1});
    b.relay.tick(b.now);
    (void)b.frames(alice), (void)b.frames(bob);
  }
  CHECK(b.relay.is_lost(slow));
  CHECK(b.relay.metrics().refused(relay_refusal::stalled) == 1);
  CHECK_FALSE(b.relay.is_lost(alice));
}

TEST_CASE("a node that sends and never reads the acknowledgements is closed") {
  bench b({.envelope_bytes = 1024, .queue_bytes = 1024});
  const auto c = b.join("alice");
  std::uint64_t n = 0;
  while (!b.relay.is_lost(c) && n < 1000) b.send(c, envelope{++n, "nobody", {}});
  CHECK(b.relay.is_lost(c));
  CHECK(n < 200);
}

TEST_CASE("an envelope to oneself is one like any other, and a flood of them meets its bounds") {
  bench b({.envelope_bytes = 1024, .queue_bytes = 16 * 1024});
  const auto bob = b.join("bob"), loop = b.join("loop");
  b.send(loop, envelope{1, "loop", wire::as_bytes("hi")});
  const auto got = b.frames(loop);
  REQUIRE(got.size() == 2);
  CHECK(std::get<delivery>(read_frame(got[0]).value()).source == "loop");
  CHECK(std::get<ack>(read_frame(got[1]).value()).first == 1);
  // It reads nothing more: what it is told is bounded, and then it is closed.
  const bytes payload(1000);
  std::uint64_t n = 1;
  while (!b.relay.is_lost(loop) && n < 100'000) b.send(loop, envelope{++n, "loop", payload});
  CHECK(b.relay.is_lost(loop));
  CHECK(b.relay.metrics().queued_bytes < 3 * b.bounds.queue_bytes);
  b.relay.closed(loop, b.now);
  b.send(bob, ping{1});
  CHECK(b.frames(bob).size() == 1);
  CHECK(b.relay.metrics().registered == 1);
}

TEST_CASE("pings whose answers are never read close who sends them") {
  bench b({.queue_bytes = 4096});
  const auto c = b.join("alice");
  int n = 0;
  while (!b.relay.is_lost(c) && n < 10'000) b.send(c, ping{std::uint64_t(++n)});
  CHECK(b.relay.is_lost(c));
  CHECK(b.relay.metrics().refused(relay_refusal::stalled) == 1);
  CHECK(b.relay.metrics().queued_bytes < 4 * 4096);
}

TEST_CASE("a name that is registered again and again is the last one's, and leaves nothing") {
  bench b({.names = 2, .connections = 200, .connections_per_host = 200, .handshakes = 200});
  const auto bob = b.join("bob");
  std::vector<relay_switch::id> all;
  for (int i = 0; i < 100; ++i) all.push_back(b.join("alice"));
  for (std::size_t i = 0; i + 1 < all.size(); ++i)
    CHECK(b.ended(all[i]) == relay_refusal::replaced);
  b.send(all.front(), envelope{1, "bob", wire::as_bytes("forged")});  // it is over
  CHECK(b.frames(bob).empty());
  b.send(bob, envelope{1, "alice", wire::as_bytes("hi")});
  CHECK(b.frames(all.back()).size() == 1);
  for (const auto c : all) b.relay.closed(c, b.now);
  CHECK(b.relay.metrics().registered == 1);
  CHECK(b.relay.metrics().connections == 1);
  b.send(bob, envelope{2, "alice", {}});
  CHECK(b.relay.metrics().refused(relay_refusal::unknown_target) == 1);
}

TEST_CASE("an envelope of one byte more than is taken ends its connection by its length alone") {
  bench b({.envelope_bytes = 1024});
  const auto bob = b.join("bob"), alice = b.join("alice");
  bytes empty, big;
  append(empty, envelope{1, "bob", {}});
  const std::size_t most = head_size + b.bounds.envelope_bytes - empty.size();
  b.send(alice, envelope{1, "bob", bytes(most)});
  CHECK(b.frames(bob).size() == 1);
  CHECK(b.frames(alice).size() == 1);
  append(big, envelope{2, "bob", bytes(most + 1)});
  b.relay.received(alice, const_bytes(big).first(head_size), b.now);
  CHECK(b.ended(alice) == relay_refusal::too_large);
  b.relay.received(alice, const_bytes(big).subspan(head_size), b.now);
  CHECK(b.frames(bob).empty());
}

TEST_CASE("each bound on connections and names refuses what exceeds it, and no more") {
  bench b({.names = 2, .connections = 6, .connections_per_host = 3, .handshakes = 2});
  b.join("a");
  b.join("b");
  const auto third = b.open();
  b.send(third, b.answer(b.frames(third).at(0), "c", secret));
  CHECK(b.ended(third) == relay_refusal::names_full);
  CHECK(b.open() == 0);  // the fourth of that host
  CHECK(b.relay.metrics().refused(relay_refusal::host_full) == 1);
  b.relay.closed(third, b.now);
  CHECK(b.join("b") != 0);  // a name that is there already takes no more room
  const auto x = b.open("10.0.0.2"), y = b.open("10.0.0.3");
  CHECK(y == 0);  // the one that was replaced is still there
  CHECK(b.relay.metrics().refused(relay_refusal::handshakes_full) == 1);
  CHECK(x != 0);
  b.now += 6s;
  b.relay.tick(b.now);
  CHECK(b.ended(x) == relay_refusal::handshake_late);
}

TEST_CASE("a node above its rate is read more slowly, not refused") {
  bench b({.envelopes_per_second = 10, .silent_after = 15s});
  const auto alice = b.join("alice"), bob = b.join("bob");
  for (std::uint64_t i = 1; i <= 31; ++i) b.send(alice, envelope{i, "bob", {}});
  CHECK(b.frames(bob).size() == 31);
  CHECK_FALSE(b.relay.may_read(alice));
  b.relay.tick(b.now);
  CHECK(b.relay.metrics().throttled_total == 1);
  b.now += 1s;
  b.relay.tick(b.now);
  CHECK_FALSE(b.relay.may_read(alice));
  b.now += 1s + 100ms;
  b.relay.tick(b.now);
  CHECK(b.relay.may_read(alice));
  (void)b.relay.changed();
}

TEST_CASE("silent nodes are asked, and closed when they do not answer") {
  bench b;
  const auto alice = b.join("alice"), bob = b.join("bob");
  bool asked = false;
  relay_refusal last = relay_refusal::none;
  for (int i = 0; i < 17; ++i) {
    b.now += 1s;
    b.relay.tick(b.now);
    if (const auto why = b.ended(alice); why != relay_refusal::none) last = why;
    for (const auto& f : b.frames(bob))
      if (const auto one = read_frame(f).value(); const auto* p = std::get_if<ping>(&one)) {
        asked = true;
        b.send(bob, pong{p->token});
      }
  }
  CHECK(asked);
  CHECK(last == relay_refusal::silent);
  CHECK(b.relay.is_over(alice));
  CHECK(b.relay.metrics().registered == 1);
}

TEST_CASE("however the bytes are cut, the same frames are read") {
  rc::check("cut anywhere", [] {
    bytes all;
    const auto count = *rc::gen::inRange(1, 12);
    for (int i = 0; i < count; ++i) {
      const auto size = static_cast<std::size_t>(*rc::gen::inRange(0, 3000));
      append(all, envelope{static_cast<std::uint64_t>(i), "bob", bytes(size, std::byte(i))});
    }
    frame_reader r(4096);
    int seen = 0;
    const_bytes rest = all;
    while (!rest.empty()) {
      const auto n = std::min(rest.size(), static_cast<std::size_t>(*rc::gen::inRange(1, 2000)));
      RC_ASSERT(r.feed(rest.first(n), [&](const_bytes body) {
        const auto f = std::get<envelope>(read_frame(body).value());
        RC_ASSERT(f.number == static_cast<std::uint64_t>(seen));
        ++seen;
        return true;
      }));
      rest = rest.subspan(n);
      RC_ASSERT(r.held() <= 4096 + head_size);
    }
    RC_ASSERT(seen == count);
    RC_ASSERT(r.held() == 0u);
  });
}
