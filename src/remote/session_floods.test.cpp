// What a peer that was let in may say without end, twice, or out of its place: it costs what its
// bytes cost, and what no peer sends ends the connection.

#include "remote/attacker.test.hpp"

#include <doctest/doctest.h>

using namespace session_test;

namespace {

constexpr std::uint64_t last_number = ~std::uint64_t{0};

void violated(const side& victim) {
  REQUIRE(victim.failed);
  CHECK(*victim.failed == errc::protocol_violation);
  CHECK(victim.s.state() == session_state::closed);
  CHECK(victim.messages.empty());
  CHECK(victim.records.empty());
}

auto record(std::uint64_t number, std::size_t size, bool last) {
  return [=](buffer& out) {
    out.push_back(last ? std::byte{1} : std::byte{2});
    append_varint(out, number);
    append_varint(out, size);
    out.append(bytes(size, std::byte{'r'}));
  };
}
auto acknowledge(std::uint64_t number) {
  return [=](buffer& out) {
    out.push_back(std::byte{3});
    append_varint(out, number);
  };
}
auto goodbye(std::string_view text) {
  return [=](buffer& out) {
    out.push_back(std::byte{7});
    out.push_back(std::byte{1});
    append_text(out, text);
  };
}
auto begin(std::uint64_t transfer, std::uint64_t total, std::size_t size) {
  return [=](buffer& out) {
    out.push_back(std::byte{1});
    append_varint(out, transfer);
    append_varint(out, total);
    append_tell(out, nobody, size);
    out.append(pattern(size, unsigned(transfer)));
  };
}
auto more(std::uint64_t transfer, std::size_t size) {
  return [=](buffer& out) {
    out.push_back(std::byte{2});
    append_varint(out, transfer);
    append_varint(out, size);
    out.append(pattern(size, 77));
  };
}

}  // namespace

TEST_CASE("a second hello ends an open connection, as it is and inside of a frame") {
  for (const protection how : {protection::none, protection::secret}) {
    handshake again(options_of(role::dialer, how));
    const bytes hello = again.out().to_bytes();
    side b(options_of(role::acceptor, how));
    attacker x(b, how);
    REQUIRE(b.s.state() == session_state::open);
    CHECK_FALSE(b.feed(hello));
    violated(b);
    for (const lane l : {lane::control, lane::ordinary, lane::large}) {
      side c(options_of(role::acceptor, how));
      attacker y(c, how);
      CHECK_FALSE(y.send(l, [&](buffer& out) { out.append(hello); }));
      violated(c);
    }
  }
}

TEST_CASE("parts of a control record that hold nothing, or come from elsewhere, are refused") {
  const auto refused = [](auto&&... items) {
    side b(options_of(role::acceptor));
    attacker x(b);
    const std::vector<bool> ok{x.send(lane::control, items).has_value()...};
    for (std::size_t i = 0; i + 1 < ok.size(); ++i) CHECK_MESSAGE(ok[i], "item ", i);
    CHECK_FALSE(ok.back());
    violated(b);
  };
  refused(record(1, 0, false));  // it could go on like this for ever
  refused(record(1, 5, false), record(2, 0, false));
  refused(record(1, 5, false), record(3, 5, true));
  refused(record(last_number, 5, true));
  refused(record(0, 5, false), record(2, 5, true));
  // One without content is a record.
  side b(options_of(role::acceptor));
  attacker x(b);
  CHECK(x.send(lane::control, record(1, 0, true)));
  CHECK(b.records == std::vector<std::string>{""});
}

TEST_CASE("control records on a further connection of an association are refused") {
  for (const auto& item : std::vector<std::function<void(buffer&)>>{
           record(1, 3, true), record(1, 3, false), acknowledge(0), acknowledge(last_number)}) {
    session_options o = options_of(role::acceptor);
    o.streams = 2;
    session_options as = options_of(role::dialer);
    as.stream = 1;
    as.streams = 2;
    side b(o);
    attacker x(b, as);
    REQUIRE(b.s.state() == session_state::open);
    CHECK_FALSE(x.send(lane::control, item));
    violated(b);
  }
}

TEST_CASE("acknowledgements by the thousand change nothing, and one ahead ends it") {
  side b(options_of(role::acceptor));
  attacker x(b);
  REQUIRE(b.outbox.add(bytes_of("one")));
  (void)b.take();
  CHECK(x.send(lane::control, [](buffer& out) {
    for (int i = 0; i < 10'000; ++i) acknowledge(i % 2)(out);
  }));
  CHECK_FALSE(b.failed);
  CHECK(b.take().empty());                             // it was sent once, and that is acknowledged
  CHECK_FALSE(x.send(lane::control, acknowledge(0)));  // taken back
  CHECK(b.failed == errc::protocol_violation);
  for (const std::uint64_t ahead : {std::uint64_t{2}, last_number - 1, last_number}) {
    side c(options_of(role::acceptor));
    attacker y(c);
    REQUIRE(c.outbox.add(bytes_of("one")));
    (void)c.take();
    CHECK_FALSE(y.send(lane::control, acknowledge(ahead)));
    CHECK(c.failed == errc::protocol_violation);
  }
}

TEST_CASE("credit in several pieces cannot overflow into little") {
  const auto credits = [](std::initializer_list<std::uint64_t> all) {
    return [all = std::vector(all)](buffer& out) {
      for (const std::uint64_t n : all) {
        out.push_back(std::byte{6});
        out.push_back(std::byte{1});
        append_varint(out, n);
      }
    };
  };
  const std::uint64_t half = std::uint64_t{1} << 63U;
  for (const auto& item : {credits({half, half}), credits({last_number, 1}),
                           credits({1, last_number}), credits({half, half - 1, 1})}) {
    side b(options_of(role::acceptor));
    attacker x(b);
    CHECK_FALSE(x.send(lane::control, item));
    violated(b);
  }
  side b(options_of(role::acceptor));
  attacker x(b);
  CHECK(x.send(lane::control, credits({0, 0, 0})));
  CHECK_FALSE(b.failed);
}

TEST_CASE("nothing that follows a goodbye is read, and a second one is not told") {
  side b(options_of(role::acceptor));
  attacker x(b);
  CHECK(x.send(lane::control, [](buffer& out) {
    goodbye("first")(out);
    record(1, 3, true)(out);
    goodbye("second")(out);
  }));
  (void)x.send(lane::control, record(1, 3, true));
  (void)x.send(lane::ordinary, [](buffer& out) { append_tell(out, nobody, 0); });
  (void)x.send(lane::control, goodbye("third"));
  REQUIRE(b.goodbye);
  CHECK(b.goodbye->second == "first");
  CHECK(b.s.state() == session_state::closed);
  CHECK(b.messages.empty());
  CHECK(b.records.empty());
  // What it says is made fit for a log, and is bounded.
  side c(options_of(role::acceptor));
  attacker y(c);
  CHECK(y.send(lane::control, goodbye("\x1b[31m\n" + std::string(20'000, 'x'))));
  REQUIRE(c.goodbye);
  CHECK(c.goodbye->second.size() <= refusal_text_max);
  CHECK_FALSE(c.goodbye->second.contains('\n'));
  CHECK_FALSE(c.goodbye->second.contains('\x1b'));
}

TEST_CASE("large messages that interleave come out whole, each with what was its own") {
  side b(options_of(role::acceptor));
  attacker x(b);
  REQUIRE(x.send(lane::large, begin(0, 10, 4)));
  REQUIRE(x.send(lane::large, begin(15, 20, 5)));
  REQUIRE(x.send(lane::large, more(0, 6)));
  REQUIRE(x.send(lane::large, begin(0, 3, 3)));  // its number is free again
  REQUIRE(x.send(lane::large, more(15, 15)));
  REQUIRE(b.messages.size() == 3);
  const auto joined = [](bytes a, const bytes& c) {
    a.insert(a.end(), c.begin(), c.end());
    return a;
  };
  CHECK(b.messages[0].payload == joined(pattern(4, 0), pattern(6, 77)));
  CHECK(b.messages[1].payload == pattern(3, 0));
  CHECK(b.messages[2].payload == joined(pattern(5, 15), pattern(15, 77)));
  b.messages.clear();
  CHECK_FALSE(x.send(lane::large, more(0, 1)));  // it has ended
  violated(b);
}

TEST_CASE("names that are replaced for ever are counted as what is in the table, and no more") {
  session_options o = options_of(role::acceptor);
  o.limits.names = 100;  // 6400 bytes of text
  side b(o);
  attacker x(b);
  for (unsigned i = 0; i < 300; ++i) {
    const auto ok = x.send(lane::ordinary, [&](buffer& out) {
      for (unsigned k = 0; k < 10; ++k)
        append_tell(
            out,
            [&](buffer& r) { append_definition(r, k % 3, std::string(2000, char('a' + k)), i); },
            0);
    });
    REQUIRE_MESSAGE(ok.has_value(), "round ", i);
    CHECK(b.messages.back().to == std::string(2000, 'a' + 9));
    b.messages.clear();
    (void)b.take();  // gives credit
  }
  CHECK_FALSE(x.send(lane::ordinary, [](buffer& out) {
    append_tell(out, [](buffer& r) { append_definition(r, 3, std::string(2000, 'z'), 1); }, 0);
  }));
  violated(b);
}

TEST_CASE("answers to heartbeats that nobody sent, from whatever time, measure nothing absurd") {
  side b(options_of(role::acceptor));
  attacker x(b);
  const auto now = static_cast<std::uint64_t>(b.now.time_since_epoch().count());
  for (const std::uint64_t said :
       {std::uint64_t{0}, now, now + 1, now - 1, last_number, std::uint64_t{1} << 63U}) {
    b.round_trip.reset();
    CHECK(x.send(lane::control, [&](buffer& out) {
      for (int i = 0; i < 1'000; ++i) {
        out.push_back(std::byte{5});
        append_word(out, said);
      }
    }));
    CHECK_FALSE(b.failed);
    if (b.round_trip) {
      CHECK(*b.round_trip >= duration(0));
      CHECK(*b.round_trip < std::chrono::minutes(10));
    }
  }
  CHECK(b.take().empty());  // nothing is said to that
}
