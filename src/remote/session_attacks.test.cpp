#include "remote/attacker.test.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

using namespace session_test;

namespace {

constexpr protection checked[] = {protection::none, protection::secret};

void violated(const side& victim) {
  REQUIRE(victim.failed);
  CHECK(*victim.failed == errc::protocol_violation);
  CHECK(victim.s.state() == session_state::closed);
}

/// A connected pair, and three frames that a has written and b has not read.
struct intercepted {
  explicit intercepted(protection how, std::uint8_t fresh = 0) : p(how) {
    if (fresh != 0) {
      p.a.s = session([&] {
        session_options o = options_of(role::dialer, how);
        o.fresh = nonce_of(fresh);
        return o;
      }());
    }
    p.run();
    for (int i = 0; i < 3; ++i) {
      REQUIRE(p.a.s.add(tell("/user/x", bytes_of("message " + std::to_string(i))).view()));
      frames.push_back(p.a.take());
    }
  }
  pair p;
  std::vector<bytes> frames;
};

}  // namespace

TEST_CASE("a replayed, reordered, left out or reflected frame ends the connection undelivered") {
  for (const protection how : checked) {
    intercepted replay(how);
    REQUIRE(replay.p.b.feed(replay.frames[0]));
    CHECK_FALSE(replay.p.b.feed(replay.frames[0]));
    CHECK(replay.p.b.messages.size() == 1);
    violated(replay.p.b);

    intercepted order(how);
    CHECK_FALSE(order.p.b.feed(order.frames[1]));
    CHECK(order.p.b.messages.empty());
    violated(order.p.b);

    intercepted gap(how);
    REQUIRE(gap.p.b.feed(gap.frames[0]));
    CHECK_FALSE(gap.p.b.feed(gap.frames[2]));
    CHECK(gap.p.b.messages.size() == 1);
    violated(gap.p.b);

    intercepted reflected(how);
    CHECK_FALSE(reflected.p.a.feed(reflected.frames[0]));
    CHECK(reflected.p.a.messages.empty());
    violated(reflected.p.a);
  }
}

TEST_CASE("nothing is delivered after a violation, however right it is") {
  intercepted i(protection::secret);
  CHECK_FALSE(i.p.b.feed(i.frames[1]));
  CHECK(i.p.b.feed(i.frames[0]));
  CHECK(i.p.b.messages.empty());
}

TEST_CASE("a frame of another connection is refused, also of the same two nodes and secret") {
  for (const protection how : checked) {
    intercepted one(how);
    intercepted other(how, 55);
    CHECK(one.frames[0].size() == other.frames[0].size());
    CHECK_FALSE(other.p.b.feed(one.frames[0]));
    CHECK(other.p.b.messages.empty());
    violated(other.p.b);
  }
}

TEST_CASE("every flipped bit of a frame is found, and nothing of the frame delivered") {
  for (const protection how : checked) {
    const intercepted model(how);
    for (std::size_t bit = 0; bit < model.frames[0].size() * 8; ++bit) {
      intercepted i(how);
      i.frames[0][bit / 8] ^= std::byte(1U << bit % 8);
      // A longer length waits for more, which then comes.
      for (const bytes& f : i.frames) (void)i.p.b.feed(f);
      CHECK_MESSAGE(i.p.b.messages.empty(), "bit ", bit);
      const bool longer = bit < 32;  // than what has come: silence, which is the hub's to end
      CHECK((longer || i.p.b.failed == errc::protocol_violation));
    }
  }
}

TEST_CASE("a frame that was cut does not let the next one pass") {
  for (const protection how : checked) {
    const intercepted model(how);
    for (std::size_t cut = 1; cut < model.frames[0].size(); ++cut) {
      intercepted i(how);
      bytes all(i.frames[0].begin(), i.frames[0].begin() + static_cast<std::ptrdiff_t>(cut));
      for (const int k : {1, 2, 1, 2, 1, 2})
        all.insert(all.end(), i.frames[k].begin(), i.frames[k].end());
      (void)i.p.b.feed(all);
      CHECK(i.p.b.messages.empty());
      // Inside the length, the rest may make a longer one: silence, which is the hub's to end.
      CHECK((cut < 4 || i.p.b.failed == errc::protocol_violation));
    }
  }
}

TEST_CASE("two halves of right frames are no frame") {
  for (const protection how : checked) {
    const intercepted i(how);
    REQUIRE(i.frames[1].size() == i.frames[2].size());
    for (std::size_t half = 1; half < i.frames[1].size(); ++half) {
      intercepted fresh(how);
      REQUIRE(fresh.p.b.feed(fresh.frames[0]));
      bytes spliced = i.frames[1];
      std::copy(i.frames[2].begin() + static_cast<std::ptrdiff_t>(half), i.frames[2].end(),
                spliced.begin() + static_cast<std::ptrdiff_t>(half));
      if (spliced == i.frames[1]) continue;
      CHECK_FALSE(fresh.p.b.feed(spliced));
      CHECK(fresh.p.b.messages.size() == 1);
    }
  }
}

TEST_CASE("a length beyond the bound is refused by its four bytes, and nothing is made room for") {
  for (const std::uint32_t length :
       {std::uint32_t{0xffffffff}, std::uint32_t{(4U << 20U) - 3}, std::uint32_t{15}, 0U}) {
    pair p;
    p.run();
    const std::size_t room = p.b.s.room().size();
    bytes four(4);
    std::memcpy(four.data(), &length, 4);
    CHECK_FALSE(p.b.feed(four));
    violated(p.b);
    CHECK(p.b.s.room().size() <= room + 8);
  }
  // The largest allowed one makes the room grow with what comes, not with what it claims.
  pair p;
  p.run();
  const std::uint32_t most = (4U << 20U) - 4;
  bytes begun(1000);
  std::memcpy(begun.data(), &most, 4);
  CHECK(p.b.feed(begun));
  CHECK(p.b.s.room().size() < 8192);
}

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

TEST_CASE("frames of lanes, versions and flags that do not exist are refused") {
  for (const std::size_t at : {std::size_t{4}, std::size_t{5}, std::size_t{6}, std::size_t{7}}) {
    side b(options_of(role::acceptor));
    attacker x(b);
    buffer out;
    const std::size_t begun = x.frames->begin(out, lane::control);
    x.frames->close(out, begun);
    const_cast<std::byte*>(out.view().data())[at] ^= std::byte{0x80};
    x.frames->seal(out);
    CHECK_FALSE(b.feed(out.view()));
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
