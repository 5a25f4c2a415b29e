// Frames that are not those that were sent: replayed, reordered, altered, cut, spliced, of another
// connection, too long, of no lane. Each ends the connection, and nothing of it is delivered.

#include "remote/attacker.test.hpp"

#include <doctest/doctest.h>

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
