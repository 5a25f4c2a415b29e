// What right frames of a peer may hold: names, chunks, credit, records and packed payloads that are
// none. What it costs is bounded, and what no peer sends ends the connection.

#include "remote/attacker.test.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace session_test;

namespace {

void violated(const side& victim) {
  REQUIRE(victim.failed);
  CHECK(*victim.failed == errc::protocol_violation);
  CHECK(victim.s.state() == session_state::closed);
}

}  // namespace

TEST_CASE("names cannot make a table grow beyond its bound") {
  session_options o = options_of(role::acceptor);
  o.limits.names = 100;
  const auto define = [](std::uint64_t slot, std::size_t size) {
    return [=](buffer& out) {
      append_tell(
          out, [&](buffer& b) { append_definition(b, slot, std::string(size, 'n'), 1); }, 0);
    };
  };
  {  // a slot beyond the table
    side b(o);
    attacker x(b);
    for (std::uint64_t slot = 0; slot < 100; ++slot)
      REQUIRE(x.send(lane::ordinary, define(slot, 8)));
    REQUIRE(x.send(lane::ordinary, define(7, 9)));  // one in use may change
    CHECK_FALSE(x.send(lane::ordinary, define(100, 8)));
    violated(b);
  }
  {  // a slot behind empty ones
    side b(o);
    attacker x(b);
    CHECK_FALSE(x.send(lane::ordinary, define(1, 8)));
    violated(b);
  }
  {  // texts beyond what all may have
    side b(o);
    attacker x(b);
    std::uint64_t slot = 0;
    while (!b.failed && slot < 100) (void)x.send(lane::ordinary, define(slot++, 2000));
    CHECK(slot == 4);  // 6400 bytes hold three
    violated(b);
  }
  {  // one text too long, also as a literal
    side b(o);
    attacker x(b);
    CHECK_FALSE(x.send(lane::ordinary, define(0, 2049)));
    violated(b);
  }
  {  // a reference to nothing, and to a name of the other kind
    side b(o);
    attacker x(b);
    REQUIRE(x.send(lane::ordinary, define(0, 8)));
    const auto as_type = [](buffer& out) {
      out.push_back(std::byte{1});
      for (const unsigned r : {0U, 0U, 3U, 0U}) append_varint(out, r);
    };
    CHECK_FALSE(x.send(lane::ordinary, as_type));
    violated(b);
    side c(o);
    attacker y(c);
    CHECK_FALSE(y.send(lane::ordinary, [](buffer& out) {
      append_tell(out, [](buffer& r) { append_varint(r, 3); }, 0);
    }));
    violated(c);
  }
}

TEST_CASE("a name that is replaced inside a message stays what it was for that message") {
  side b(options_of(role::acceptor));
  attacker x(b);
  REQUIRE(x.send(lane::ordinary, [](buffer& out) {
    append_tell(
        out, [](buffer& r) { append_definition(r, 0, "/user/first/with/a/long/path", 1); }, 0);
    out.push_back(std::byte{1});
    append_varint(out, 3);  // the first
    append_definition(out, 0, "/user/second/with/a/long/path", 2);
    append_varint(out, 0);
    append_varint(out, 0);
  }));
  REQUIRE(b.messages.size() == 2);
  CHECK(b.messages[1].to == "/user/first/with/a/long/path");
  CHECK(b.messages[1].from == "/user/second/with/a/long/path");
}

TEST_CASE("chunks cannot make a node hold more than one message's bound") {
  session_options o = options_of(role::acceptor);
  o.limits.message_bytes = 100'000;
  const auto begin = [](std::uint64_t transfer, std::uint64_t total, std::size_t size) {
    return [=](buffer& out) {
      out.push_back(std::byte{1});
      append_varint(out, transfer);
      append_varint(out, total);
      append_tell(out, nobody, size);
      out.append(bytes(size));
    };
  };
  const auto more = [](std::uint64_t transfer, std::size_t size) {
    return [=](buffer& out) {
      out.push_back(std::byte{2});
      append_varint(out, transfer);
      append_varint(out, size);
      out.append(bytes(size));
    };
  };
  const auto refused = [&](auto&&... items) {
    side b(o);
    attacker x(b);
    std::vector<bool> ok{x.send(lane::large, items).has_value()...};
    for (std::size_t i = 0; i + 1 < ok.size(); ++i) CHECK_MESSAGE(ok[i], "item ", i);
    CHECK_FALSE(ok.back());
    CHECK(b.messages.empty());
    violated(b);
  };
  refused(begin(0, 100'001, 1));                      // too large
  refused(begin(0, 60'000, 1), begin(1, 60'000, 1));  // too large together
  refused(begin(16, 10, 1));                          // too many
  refused(begin(3, 10, 1), begin(3, 10, 1));          // a number in use
  refused(more(3, 10));                               // not begun
  refused(begin(3, 10, 4), more(3, 7));               // beyond its total
  refused(begin(3, 10, 4), more(3, 0));               // nothing, for ever
  refused(begin(3, 10, 0));                           // the same
  refused(begin(3, 50'000, 32'769));                  // a chunk too large
  refused([](buffer& out) { out.push_back(std::byte{9}); });
}

TEST_CASE("a peer cannot use more than the credit it was told") {
  session_options o = options_of(role::acceptor);
  for (const lane l : {lane::ordinary, lane::large}) {
    side b(o);
    attacker x(b);
    // The victim's owner tells no more credit: it does not write.
    std::size_t sent = 0;
    const auto kilobytes = [&](buffer& out) {
      for (int i = 0; i < 8; ++i) {
        if (l == lane::large)
          for (const unsigned n : {1U, 0U, 4096U}) append_varint(out, n);
        append_tell(out, nobody, 4096);
        out.append(bytes(4096));
      }
    };
    while (x.send(l, kilobytes)) {
      sent += 8 * 4096;
      REQUIRE(sent <= o.limits.credit_bytes);
    }
    CHECK(sent > o.limits.credit_bytes - 16 * 4096);
    violated(b);
  }
}

TEST_CASE("credit that was never used cannot be given") {
  side a(options_of(role::dialer));
  attacker x(a);
  const auto credit = [](std::uint8_t on, std::uint64_t n) {
    return [=](buffer& out) {
      out.push_back(std::byte{6});
      out.push_back(std::byte{on});
      append_varint(out, n);
    };
  };
  CHECK_FALSE(x.send(lane::control, credit(1, 1)));
  CHECK(a.failed == errc::protocol_violation);
  for (const std::uint8_t on : {std::uint8_t{0}, std::uint8_t{3}, std::uint8_t{255}}) {
    side c(options_of(role::dialer));
    attacker y(c);
    CHECK_FALSE(y.send(lane::control, credit(on, 1)));
    violated(c);
  }
}

TEST_CASE("acknowledgements of what was not sent, gaps, and records on other streams are refused") {
  const auto record = [](std::uint64_t number, std::size_t size, bool last) {
    return [=](buffer& out) {
      out.push_back(last ? std::byte{1} : std::byte{2});
      append_varint(out, number);
      append_varint(out, size);
      out.append(bytes(size));
    };
  };
  {
    side b(options_of(role::acceptor));
    attacker x(b);
    CHECK_FALSE(x.send(lane::control, [](buffer& out) {
      out.push_back(std::byte{3});
      append_varint(out, 1);
    }));
    CHECK(b.failed == errc::protocol_violation);
  }
  {
    side b(options_of(role::acceptor));
    attacker x(b);
    REQUIRE(x.send(lane::control, record(1, 3, true)));
    REQUIRE(x.send(lane::control, record(1, 3, true)));  // sent again
    CHECK(b.records.size() == 1);
    CHECK_FALSE(x.send(lane::control, record(3, 3, true)));
    CHECK(b.records.size() == 1);
    violated(b);
  }
  {  // a record without an end
    side b(options_of(role::acceptor));
    attacker x(b);
    std::uint64_t number = 0;
    while (!b.failed && number < 100)
      (void)x.send(lane::control, record(++number, std::size_t{32} << 10U, false));
    CHECK(number == 33);
    CHECK(b.failed == errc::limit_exceeded);
    CHECK(b.records.empty());
  }
  {
    session_options a = options_of(role::dialer);
    a.stream = 1;
    a.streams = 2;
    session_options o = options_of(role::acceptor);
    o.streams = 2;
    pair p(a, o);
    p.run();
    REQUIRE(p.b.s.state() == session_state::open);
    REQUIRE(p.a.outbox.add(bytes_of("x")));
    p.run();
    CHECK(p.b.records.empty());
  }
}

TEST_CASE("what expands to more than it may is refused before it is expanded") {
  packer pack;
  const bytes zeros(1'000'000);
  const auto bomb = pack.pack(zeros);
  REQUIRE(bomb.size() < 200);
  const bytes packed(bomb.begin(), bomb.end());
  const auto send = [&](std::uint64_t claims) {
    return [&, claims](buffer& out) {
      out.push_back(std::byte{1 | 128});
      for (int i = 0; i < 3; ++i) append_varint(out, 0);
      append_varint(out, packed.size());
      append_varint(out, claims);
      out.append(packed);
    };
  };
  for (const std::uint64_t claims : {std::uint64_t{1'000'000}, std::uint64_t{1000},
                                     std::uint64_t{32'768}, std::uint64_t{0}, ~std::uint64_t{0}}) {
    side b(options_of(role::acceptor));
    attacker x(b);
    CHECK_FALSE(x.send(lane::ordinary, send(claims)));
    CHECK(b.messages.empty());
    violated(b);
  }
}

TEST_CASE("many heartbeats are answered by one") {
  side b(options_of(role::acceptor));
  attacker x(b);
  (void)b.take();
  REQUIRE(x.send(lane::control, [](buffer& out) {
    for (std::uint64_t i = 0; i < 5000; ++i) {
      out.push_back(std::byte{4});
      append_word(out, i);
    }
  }));
  CHECK(b.take().size() == 16 + 9 + 4);
}

TEST_CASE("property: any items in right frames end in messages or a violation, nothing else") {
  rc::check([] {
    const auto how = *rc::gen::element(protection::none, protection::secret);
    side b(options_of(role::acceptor, how));
    attacker x(b, how);
    const auto frames = *rc::gen::container<std::vector<bytes>>(rc::gen::map(
        rc::gen::container<std::vector<std::uint8_t>>(rc::gen::weightedElement<std::uint8_t>(
            {{4, 0}, {4, 1}, {4, 2}, {4, 3}, {1, 4}, {1, 6}, {1, 8}, {1, 200}})),
        [](const std::vector<std::uint8_t>& v) {
          bytes out;
          for (const auto each : v) out.push_back(std::byte{each});
          return out;
        }));
    for (const bytes& f : frames) {
      const auto l = static_cast<lane>(*rc::gen::inRange(0, 3));
      const auto ok = x.send(l, [&](buffer& out) { out.append(f); });
      if (!ok) {
        RC_ASSERT(ok.error() == errc::protocol_violation || ok.error() == errc::limit_exceeded);
        RC_ASSERT(!ok.error().text().empty());
        break;
      }
    }
  });
}
