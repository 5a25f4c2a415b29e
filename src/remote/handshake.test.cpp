#include "remote/attacker.test.hpp"

#include <doctest/doctest.h>

using namespace session_test;

namespace {

/// What the dialer and the acceptor say in a handshake that works.
struct spoken {
  bytes hello, answer, confirm, welcome;
  explicit spoken(protection how = protection::secret) {
    pair p(how);
    hello = p.a.take();
    REQUIRE(p.b.feed(hello));
    answer = p.b.take();
    REQUIRE(p.a.feed(answer));
    confirm = p.a.take();
    REQUIRE(p.b.feed(confirm));
    welcome = p.b.take();
  }
};

/// Both sides with these options; what came of it.
struct met {
  pair p;
  met(session_options a, session_options b) : p(std::move(a), std::move(b)) { p.run(); }
  [[nodiscard]] bool open() const {
    return p.a.s.state() == session_state::open || p.b.s.state() == session_state::open;
  }
};

std::string code_of(const side& s) {
  return s.failed ? std::string(odeon::to_string(s.failed->code())) : "none";
}
bool says(const side& s, std::string_view what) {
  return s.failed && s.failed->text().find(what) != std::string_view::npos;
}

}  // namespace

TEST_CASE("a wrong secret is refused on both sides, in words, and nobody is open") {
  session_options a = options_of(role::dialer, protection::secret);
  a.secret = "another secret, long enough too";
  const met m(a, options_of(role::acceptor, protection::secret));
  CHECK_FALSE(m.open());
  CHECK(code_of(m.p.a) == "authentication_failed");
  CHECK(code_of(m.p.b) == "authentication_failed");
  CHECK(says(m.p.a, "same secret"));
  CHECK(says(m.p.b, "'a.example:7400'"));
  CHECK_FALSE(says(m.p.b, a.secret));
}

TEST_CASE("an acceptor with a wrong secret that skips its test of the dialer is found out") {
  spoken s;
  side a(options_of(role::dialer, protection::secret));
  session_options o = options_of(role::acceptor, protection::secret);
  o.secret = "something that was guessed";
  o.fresh = nonce_of(99);
  handshake x(o);
  REQUIRE(x.receive(a.take()));
  REQUIRE(a.feed(x.out().view()));
  CHECK_FALSE(a.take().empty());
  bytes welcome = s.welcome;  // the right one of another connection
  welcome.resize(12 + 32 + 4);
  CHECK_FALSE(a.feed(welcome));
  CHECK(code_of(a) == "authentication_failed");
}

TEST_CASE("a replayed handshake is refused: the acceptor's nonce is new") {
  const spoken s;
  session_options o = options_of(role::acceptor, protection::secret);
  o.fresh = nonce_of(77);
  side b(o);
  REQUIRE(b.feed(s.hello));
  (void)b.take();
  CHECK_FALSE(b.feed(s.confirm));
  CHECK(code_of(b) == "authentication_failed");
  CHECK(b.s.state() == session_state::closed);
  // The acceptor's half, to a dialer.
  session_options d = options_of(role::dialer, protection::secret);
  d.fresh = nonce_of(78);
  side a(d);
  (void)a.take();
  REQUIRE(a.feed(s.answer));
  CHECK_FALSE(a.feed(s.welcome));
  CHECK(code_of(a) == "authentication_failed");
}

TEST_CASE("a side's own words sent back are refused: hello, hello in another role, and proof") {
  const spoken s;
  side a(options_of(role::dialer, protection::secret));
  const bytes hello = a.take();
  CHECK_FALSE(a.feed(hello));
  CHECK(code_of(a) == "protocol_violation");

  side c(options_of(role::dialer, protection::secret));
  bytes turned = c.take();
  turned[7] = std::byte{1};
  repair(turned);
  CHECK_FALSE(c.feed(turned));
  CHECK(code_of(c) == "protocol_violation");
  CHECK(says(c, "itself"));

  side d(options_of(role::dialer, protection::secret));
  (void)d.take();
  REQUIRE(d.feed(s.answer));
  bytes proof = d.take();
  proof[4] = std::byte{3};
  proof[7] = std::byte{1};
  repair(proof);
  CHECK_FALSE(d.feed(proof));
  CHECK(code_of(d) == "authentication_failed");
}

TEST_CASE("no byte of either hello can be changed on its way") {
  const spoken s;
  for (std::size_t at = 12; at < s.hello.size() - 4; ++at) {
    pair p(protection::secret);
    bytes hello = p.a.take();
    hello[at] ^= std::byte{1};
    repair(hello);
    if (p.b.feed(hello)) {
      (void)p.a.feed(p.b.take());
      (void)p.b.feed(p.a.take());
    }
    CHECK_MESSAGE(p.b.s.state() == session_state::closed, "byte ", at);
    CHECK(p.a.s.state() != session_state::open);
  }
  for (std::size_t at = 12; at < s.answer.size() - 4; ++at) {
    pair p(protection::secret);
    (void)p.b.feed(p.a.take());
    bytes answer = p.b.take();
    answer[at] ^= std::byte{1};
    repair(answer);
    if (p.a.feed(answer)) (void)p.b.feed(p.a.take());
    CHECK_MESSAGE(p.b.s.state() != session_state::open, "byte ", at);
    CHECK(p.a.s.state() != session_state::open);
  }
}

TEST_CASE("less protection than a side demands is another error than more than it has") {
  struct row {
    protection a, b;
    const char *of_a, *of_b;
  };
  using enum protection;
  for (const row& r : {row{none, secret, "incompatible_peer", "authentication_failed"},
                       row{secret, none, "authentication_failed", "incompatible_peer"},
                       row{none, tls, "incompatible_peer", "authentication_failed"},
                       row{tls, secret, "authentication_failed", "incompatible_peer"}}) {
    const met m(options_of(role::dialer, r.a), options_of(role::acceptor, r.b));
    CHECK_FALSE(m.open());
    CHECK(code_of(m.p.a) == r.of_a);
    CHECK(code_of(m.p.b) == r.of_b);
    CHECK(says(m.p.a, "give both the same security"));
    CHECK(says(m.p.b, "give both the same security"));
  }
}

TEST_CASE("a downgrade on the way is refused by both") {
  pair p(protection::secret);
  bytes hello = p.a.take();
  hello[12 + 40] = std::byte{0};  // "no protection"
  repair(hello);
  CHECK_FALSE(p.b.feed(hello));
  CHECK(code_of(p.b) == "authentication_failed");

  pair q(protection::secret);
  (void)q.b.feed(q.a.take());
  bytes answer = q.b.take();
  answer[12 + 40] = std::byte{0};
  repair(answer);
  CHECK_FALSE(q.a.feed(answer));
  CHECK(code_of(q.a) == "authentication_failed");
}

TEST_CASE("a certificate must be for the node, its host or the system") {
  const auto meet = [](std::vector<std::string> names) {
    session_options b = options_of(role::acceptor, protection::tls);
    b.identities = std::move(names);
    return met(options_of(role::dialer, protection::tls), b);
  };
  CHECK(meet({"a.example"}).open());
  CHECK(meet({"a.example:7400"}).open());
  CHECK(meet({"other", "shop"}).open());
  for (const std::vector<std::string>& names :
       {std::vector<std::string>{}, {"evil.example"}, {"a.example.evil"}, {""}, {"bank"}}) {
    const met m = meet(names);
    CHECK_FALSE(m.open());
    CHECK(code_of(m.p.b) == "authentication_failed");
    CHECK(says(m.p.b, "certificate"));
    CHECK(says(m.p.a, "odeon cert node"));
  }
}

TEST_CASE("an older and a newer version get a refusal that they can read") {
  for (const auto [least, most] : {std::pair{0, 0}, {2, 3}, {255, 255}, {1, 0}}) {
    pair p;
    bytes hello = p.a.take();
    hello[5] = std::byte(least);
    hello[6] = std::byte(most);
    repair(hello);
    CHECK_FALSE(p.b.feed(hello));
    CHECK(code_of(p.b) == "incompatible_peer");
    CHECK(says(p.b, "versions " + std::to_string(least) + " to " + std::to_string(most)));
    CHECK_FALSE(p.a.feed(p.b.take()));
    CHECK(code_of(p.a) == "incompatible_peer");
    CHECK(says(p.a, "update the older"));
  }
  // A version that speaks ours as well, and says more than we know.
  pair p;
  bytes hello = p.a.take();
  hello[6] = std::byte{9};
  const std::uint32_t longer = static_cast<std::uint32_t>(hello.size() - 16 + 3);
  std::memcpy(hello.data() + 8, &longer, 4);
  hello.insert(hello.end(), 3, std::byte{5});
  repair(hello);
  CHECK(p.b.feed(hello));
  CHECK_FALSE(p.b.take().empty());
}

TEST_CASE("limits that no node has are refused in words, and so is one that reads no format") {
  const auto put = [](auto value, std::size_t at, std::string_view name) {
    pair p;
    bytes hello = p.a.take();
    std::memcpy(hello.data() + 12 + at, &value, sizeof(value));
    repair(hello);
    CAPTURE(name);
    CAPTURE(value);
    CHECK_FALSE(p.b.feed(hello));
    CHECK(code_of(p.b) == "incompatible_peer");
    CHECK(says(p.b, name));
    CHECK(says(p.b, "'a.example:7400'"));
    CHECK_FALSE(p.a.feed(p.b.take()));
    CHECK(code_of(p.a) == "incompatible_peer");
    CHECK(says(p.a, name));
    CHECK(p.b.s.state() == session_state::closed);
  };
  for (const std::uint32_t n : {0U, 1U, 98'303U, 0x80000000U, 0xffffffffU})
    put(n, 52, "remote.frame_bytes");
  constexpr std::uint64_t all = ~std::uint64_t{0};
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{32'767}, all / 2 + 1, all})
    put(n, 56, "remote.message_bytes");
  for (const std::uint64_t n : {std::uint64_t{0}, std::uint64_t{262'143}, all / 2 + 1, all})
    put(n, 64, "remote.credit_bytes");
  for (const std::uint32_t n : {0U, 15U, 0xffffffffU}) put(n, 72, "remote.names");
  for (const std::uint32_t n : {0U, 0x80000000U}) put(n, 76, "remote.heartbeat");
  put(std::uint32_t{0xffffffc1}, 48, "formats");
  // An acceptor's are looked at in the same way.
  pair p;
  REQUIRE(p.b.feed(p.a.take()));
  bytes answer = p.b.take();
  std::memset(answer.data() + 12 + 56, 0, 8);
  repair(answer);
  CHECK_FALSE(p.a.feed(answer));
  CHECK(code_of(p.a) == "incompatible_peer");
  CHECK(says(p.a, "'b.example:7400'"));
}

TEST_CASE("texts of a hello are UTF-8, and what a refusal says is made fit to be shown") {
  pair p;
  bytes hello = p.a.take();
  REQUIRE(hello[12 + 82] == std::byte{'s'});  // of "shop", the system
  hello[12 + 82] = std::byte{0xff};
  repair(hello);
  CHECK_FALSE(p.b.feed(hello));
  CHECK(code_of(p.b) == "protocol_violation");
  CHECK(made_printable("gone \xf0\x9f\x8e\xad") == "gone \xf0\x9f\x8e\xad");
  CHECK(made_printable("gone \xf0\x9f") == "gone ??");
  CHECK(made_printable(std::string(511, 'x') + "\xc3\xa9") == std::string(511, 'x') + "?");
}

TEST_CASE("other protocols, long claims and altered messages are refused at once") {
  const auto refused = [](bytes in, std::string_view why) {
    side b(options_of(role::acceptor));
    CHECK_FALSE(b.feed(in));
    CHECK(code_of(b) == "protocol_violation");
    CHECK_MESSAGE(says(b, why), b.failed->text());
    CHECK(b.s.state() == session_state::closed);
  };
  refused(bytes_of("G"), "not the protocol");
  refused(bytes_of("GET / HTTP/1.1\r\n\r\n"), "not the protocol");
  refused(bytes_of("\x16\x03\x01"), "TLS");
  const spoken s(protection::none);
  bytes claim(s.hello.begin(), s.hello.begin() + 12);
  claim[11] = std::byte{0x7f};
  refused(claim, "claims");
  bytes altered = s.hello;
  altered[100] ^= std::byte{4};
  refused(altered, "altered");
  refused(s.confirm, "out of its turn");
  bytes control = s.hello;  // a system's name with a line break
  control[12 + 80 + 2] = std::byte{'\n'};
  repair(control);
  refused(control, "malformed");
  for (std::size_t size = 0; size + 1 < s.hello.size() - 16; size += 3) {
    bytes cut(s.hello.begin(), s.hello.begin() + 12 + static_cast<std::ptrdiff_t>(size) + 4);
    const auto length = static_cast<std::uint32_t>(size);
    std::memcpy(cut.data() + 8, &length, 4);
    repair(cut);
    refused(cut, "malformed");
  }
}

TEST_CASE("a dialer that goes on before it was welcomed is refused") {
  pair p;
  (void)p.b.feed(p.a.take());
  (void)p.a.feed(p.b.take());
  bytes early = p.a.take();
  early.resize(early.size() + 20);
  p.b.accepts = false;
  CHECK_FALSE(p.b.feed(early));
  CHECK(code_of(p.b) == "protocol_violation");
}

TEST_CASE("the owner's refusal reaches the dialer with its code and text, fit for a log") {
  for (const auto [given, arrives] : {std::pair{errc::quarantined, "quarantined"},
                                      {errc::name_taken, "name_taken"},
                                      {errc::peer_overloaded, "peer_overloaded"},
                                      {errc::internal, "refused"}}) {
    pair p(protection::secret);
    p.b.accepts = false;
    p.run();
    REQUIRE(p.b.s.state() == session_state::deciding);
    CHECK(p.b.s.peer()->who.incarnation == 0xa1a1a1a1U);
    p.b.s.refuse(error(given, "given up\x1b[31m"));
    p.run();
    CHECK(code_of(p.a) == arrives);
    CHECK(says(p.a, "given up?[31m"));
    CHECK(p.b.s.state() == session_state::closed);
  }
}

TEST_CASE("more streams than a node takes are refused; it tells how many it takes") {
  session_options a = options_of(role::dialer);
  a.streams = 4;
  a.stream = 3;
  session_options b = options_of(role::acceptor);
  b.streams = 2;
  const met m(a, b);
  CHECK_FALSE(m.open());
  CHECK(code_of(m.p.a) == "incompatible_peer");
  CHECK(says(m.p.a, "remote.streams"));
}

TEST_CASE("options that a hello cannot carry are named") {
  const auto wrong = [](auto change, std::string_view what) {
    session_options o = options_of(role::dialer, protection::secret);
    REQUIRE(check_options(o));
    change(o);
    const auto ok = check_options(o);
    REQUIRE_FALSE(ok);
    CHECK(ok.error() == errc::invalid_argument);
    CHECK_MESSAGE(ok.error().text().find(what) != std::string_view::npos, ok.error().text());
  };
  wrong([](auto& o) { o.secret = "short"; }, "secret");
  wrong([](auto& o) { o.system = ""; }, "name");
  wrong([](auto& o) { o.system = "a\tb"; }, "name");
  wrong([](auto& o) { o.node = std::string(1025, 'x'); }, "address");
  wrong([](auto& o) { o.incarnation = 0; }, "incarnation");
  wrong([](auto& o) { o.streams = 17; }, "streams");
  wrong([](auto& o) { o.stream = 1; }, "streams");
  wrong([](auto& o) { o.tags["x"] = std::string(2000, 'x'); }, "tag");
  wrong(
      [](auto& o) {
        for (int i = 0; i < 65; ++i) o.tags[std::to_string(i)] = "";
      },
      "tags");
  wrong(
      [](auto& o) {
        for (int i = 0; i < 20; ++i) o.tags[std::to_string(i)] = std::string(1000, 'x');
      },
      "16 KiB");
}
