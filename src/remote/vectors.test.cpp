#include "remote/internal/cursor.hpp"
#include "remote/session_pair.test.hpp"
#include <odeon/base/crc32c.hpp>
#include <odeon/net/crypto.hpp>

#include <doctest/doctest.h>

#include <fstream>
#include <map>
#include <sstream>

// The bytes that docs/reference/remote-protocol.md prints, and the conversations that the decoder
// in tests/tools reads, are those that this side says. A change of either is a change of the
// protocol.

using namespace session_test;
using odeon::const_bytes;
using odeon::crc32c;

namespace {

std::string hex(std::span<const std::byte> in) {
  static constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const std::byte b : in) {
    out += digits[std::to_integer<unsigned>(b) >> 4U];
    out += digits[std::to_integer<unsigned>(b) & 15U];
  }
  return out;
}
std::string file(const std::string& path) {
  std::ifstream in(std::string(ODEON_SOURCE_DIR) + "/" + path);
  REQUIRE_MESSAGE(in.good(), path);
  std::stringstream all;
  all << in.rdbuf();
  return all.str();
}

/// "name = hex" of the document's block of vectors.
std::map<std::string, std::string> documented() {
  const std::string page = file("docs/reference/remote-protocol.md");
  const std::size_t begin = page.find("```text vectors\n");
  REQUIRE(begin != std::string::npos);
  std::istringstream lines(page.substr(begin, page.find("\n```\n", begin) - begin));
  std::map<std::string, std::string> out;
  std::string line, name;
  std::getline(lines, line);
  while (std::getline(lines, line)) {
    if (const auto at = line.find(" = "); at != std::string::npos) {
      name = line.substr(0, at);
      line.erase(0, at + 3);
    }
    std::erase(line, ' ');
    out[name] += line;
  }
  return out;
}

/// The formulas of the document, with the primitives alone.
std::map<std::string, std::string> computed(protection how) {
  const std::string of = how == protection::secret ? "secret: " : "plain: ";
  std::map<std::string, std::string> out;
  session a(options_of(role::dialer, how)), b(options_of(role::acceptor, how));
  side ear(options_of(role::acceptor, how));  // for its handler
  feedback f;
  output o;
  const auto said = [&](session& by) {
    o.clear();
    by.take(o);
    const bytes all = o.first.to_bytes();
    o.clear();
    return all;
  };
  const auto hear = [&](session& by, const bytes& what) {
    std::ranges::copy(what, by.room().begin());
    REQUIRE(by.receive(what.size(), ear.now, ear, f));
  };
  const bytes hello = said(a);
  hear(b, hello);
  const bytes answer = said(b);
  hear(a, answer);
  const bytes confirm = said(a);
  hear(b, confirm);
  b.accept();
  const bytes welcome = said(b);
  hear(a, welcome);
  out[of + "hello"] = hex(hello);
  out[of + "answer"] = hex(answer);
  out[of + "confirm"] = hex(confirm);
  out[of + "welcome"] = hex(welcome);
  const std::array<const_bytes, 3> pieces{odeon::wire::as_bytes("odeon remote 1 transcript"), hello,
                                          answer};
  const odeon::digest transcript = odeon::sha256(pieces);
  out[of + "transcript"] = hex(transcript);
  const const_bytes secret = odeon::wire::as_bytes(secret_text);
  const auto expand = [&](std::string_view info, std::size_t size) {
    bytes key(size);
    odeon::hkdf_sha256(secret, transcript, odeon::wire::as_bytes(info), key);
    return key;
  };
  if (how == protection::secret) {
    const bytes key = expand("odeon remote 1 proof", 32);
    out[of + "proof of the dialer"] = hex(odeon::hmac_sha256(key, odeon::wire::as_bytes("dialer")));
    CHECK(hex(confirm).find(out[of + "proof of the dialer"]) == 24);
    out[of + "key and iv of the dialer"] = hex(expand("odeon remote 1 frames of the dialer", 44));
  } else {
    const std::uint32_t seed = crc32c(odeon::wire::as_bytes("dialer"), crc32c(transcript));
    out[of + "seed of the dialer"] = hex(std::as_bytes(std::span(&seed, 1)));
  }
  REQUIRE(a.add(tell("/user/bank", bytes_of("hi")).view()));
  a.take(o);
  out[of + "frame"] = hex(o.ordinary.view());
  return out;
}

std::string line_of(const owned& m) {
  static constexpr std::array kinds{"tell", "ask", "reply", "failure", "cancel"};
  std::ostringstream out;
  out << kinds[static_cast<std::size_t>(m.kind)] << " to=" << m.to << "#" << m.to_uid
      << " from=" << m.from << "#" << m.from_uid << " ask=" << m.ask << " limit=" << m.limit
      << " trace=" << m.trace << " key=" << m.key << " priority=" << m.priority
      << " type=" << m.manifest << "/" << m.version << "/" << m.form
      << " payload=" << m.payload.size() << ":" << hex(odeon::sha256(m.payload)).substr(0, 16);
  return out.str();
}

/// A conversation with a bit of everything, as the lines of the file.
std::string conversation(protection how) {
  session_options a = options_of(role::dialer, how);
  a.tags = {{"zone", "north"}};
  session_options b = options_of(role::acceptor, how);
  b.limits.names = 16;  // so that names are replaced
  pair p(a, b);
  std::ostringstream out;
  out << "conversation " << (how == protection::secret ? "secret" : "plain") << "\n";
  if (how == protection::secret) out << "secret " << secret_text << "\n";
  const auto turn = [&] {
    for (int i = 0; i < 4; ++i) {
      if (const bytes said = p.a.take(); !said.empty()) {
        out << "dialer " << hex(said) << "\n";
        REQUIRE(p.b.feed(said));
      }
      if (const bytes said = p.b.take(); !said.empty()) {
        out << "acceptor " << hex(said) << "\n";
        REQUIRE(p.a.feed(said));
      }
    }
  };
  turn();
  REQUIRE(p.a.outbox.add(bytes_of("watch /user/bank")));
  p.a.s.heartbeat(p.a.now);
  for (int kind = 0; kind < 5; ++kind) {
    owned m = tell("/user/bank", bytes_of("payload"));
    m.kind = static_cast<user_kind>(kind);
    if (kind != 0) m.ask = std::uint64_t{1} << (kind * 12);
    m.limit = kind * 1'000'000;
    m.trace = kind == 1 ? ~std::uint64_t{0} : 0;
    m.key = kind == 2 ? 42 : 0;
    m.priority = kind == 3 ? -3 : 0;
    REQUIRE(p.a.s.add(m.view()));
  }
  turn();
  for (int i = 0; i < 40; ++i)
    REQUIRE(p.a.s.add(tell("/user/" + std::to_string(i % 20), bytes(1), "").view()));
  REQUIRE(p.b.s.add(tell("/user/shop", {}).view()));
  REQUIRE(p.b.outbox.add(bytes_of("terminated")));
  turn();
  if (how == protection::none) REQUIRE(p.a.s.add(tell("/user/big", pattern(33'000)).view()));
  turn();
  p.a.s.goodbye(goodbye_reason::stopping, "the end");
  turn();
  for (const owned& m : p.b.messages) out << "acceptor gets " << line_of(m) << "\n";
  for (const std::string& r : p.b.records) out << "acceptor gets record " << r << "\n";
  for (const owned& m : p.a.messages) out << "dialer gets " << line_of(m) << "\n";
  for (const std::string& r : p.a.records) out << "dialer gets record " << r << "\n";
  REQUIRE(p.b.goodbye);
  out << "acceptor gets goodbye 1 " << p.b.goodbye->second << "\n";
  return out.str();
}

}  // namespace

TEST_CASE("the document's vectors are what is said, byte by byte") {
  auto expected = computed(protection::secret);
  expected.merge(computed(protection::none));
  const auto found = documented();
  for (const auto& [name, value] : expected) {
    const auto at = found.find(name);
    CHECK_MESSAGE(at != found.end(), name, " = ", value);
    if (at != found.end()) CHECK_MESSAGE(at->second == value, name, " = ", value);
  }
  CHECK(found.size() == expected.size());
}

TEST_CASE("the recorded conversations are what is said, byte by byte") {
  std::istringstream found(file("tests/tools/remote_conversations.txt"));
  std::istringstream expected(conversation(protection::none) + conversation(protection::secret));
  std::string a, b;
  int number = 0;
  while (std::getline(expected, b)) {
    ++number;
    REQUIRE_MESSAGE(std::getline(found, a), "line ", number, " is missing: ", b.substr(0, 200));
    CHECK_MESSAGE(a == b, "line ", number, " should be ", b.substr(0, 200));
  }
  CHECK_FALSE(std::getline(found, a));
}
