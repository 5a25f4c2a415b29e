// The vectors of docs/reference/relay-protocol.md are the bytes that relay and nodes send.

#include "remote/internal/relay_mux.hpp"

#include <doctest/doctest.h>

#include <fstream>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::relay_detail;
using namespace std::chrono_literals;

namespace {

bytes from_hex(std::string_view text) {
  bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::byte>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

/// Lines of "name hex" in the document's blocks.
std::map<std::string, bytes> vectors() {
  std::ifstream in(ODEON_SOURCE_DIR "/docs/reference/relay-protocol.md");
  std::map<std::string, bytes> all;
  bool inside = false;
  for (std::string line; std::getline(in, line);) {
    if (line.starts_with("```")) {
      inside = line == "```text";
    } else if (const auto blank = line.find(' '); inside && blank != line.npos) {
      all.emplace(line.substr(0, blank), from_hex(std::string_view(line).substr(blank + 1)));
    }
  }
  return all;
}

nonce counted(int from) {
  nonce n;
  for (auto& b : n) b = static_cast<std::byte>(from++);
  return n;
}

struct held final : connection {
  explicit held(channel_ptr c) : on(std::move(c)) {}
  void read(std::span<std::byte>, read_done) override {}
  void write(std::span<const const_bytes>, write_done) override {}
  void end_writing(write_done) override {}
  void abort() noexcept override {}
  const std::string& local_address() const noexcept override { return on->local_address; }
  const std::string& peer_address() const noexcept override { return on->peer_address; }
  channel_ptr on;
};

/// A registered node whose channels begin with 99 and whose session is the document's.
struct node {
  explicit node(std::string name) {
    options.relay = "tests";
    options.name = std::move(name);
    link.begin(now);
    challenge c;
    c.authenticate = false;
    c.envelope_bytes = 131072;
    c.heartbeat_ms = 5000;
    tell(c);
    session = 0x1122334455667789;
    tell(welcome{});
    (void)said();
  }
  void tell(const frame& f) {
    bytes in;
    append(in, f);
    link.received(in, now);
  }
  void hear(const bytes& payload) { tell(delivery{"peer", payload}); }
  /// The payloads it has sent since.
  std::vector<bytes> said() {
    std::vector<bytes> all;
    mux.pump(now);
    for (const bytes& block : link.out.take(100))
      CHECK(reader.feed(block, [&](const_bytes body) {
        const auto f = read_frame(body).value();
        if (const auto* e = std::get_if<envelope>(&f))
          all.emplace_back(e->payload.begin(), e->payload.end());
        return true;
      }));
    link.out.wrote();
    for (auto& call : mux.completions()) call();
    return all;
  }
  time_point now{12345ns};
  std::uint64_t session = 0x99;
  relay_transport_options options;
  frame_reader reader{1U << 20U};
  relay_mux mux{options,
                [this](std::span<std::byte> out) {
                  for (std::size_t i = 0; i < out.size(); ++i)
                    out[i] = static_cast<std::byte>(session >> (8 * (i % 8)));
                },
                [](channel_ptr c) { return std::make_unique<held>(std::move(c)); }};
  relay_link& link = mux.link;
};

}  // namespace

TEST_CASE("the frames of the document are written and read as they stand there") {
  const auto v = vectors();
  REQUIRE(v.size() == 20);
  const auto secret = wire::as_bytes("a secret of the documents");
  const nonce relay = counted(0), n = counted(32);
  const auto same = [&](const std::string& name, const frame& f) {
    bytes out;
    append(out, f);
    CHECK_MESSAGE(out == v.at(name), name);
    bytes again;
    append(again, read_frame(const_bytes(out).subspan(head_size)).value());
    CHECK(again == out);
  };
  same("challenge", challenge{.random = relay, .envelope_bytes = 131072, .heartbeat_ms = 5000});
  same("registration",
       registration{.random = n, .tag = node_proof(secret, relay, n, "alice"), .name = "alice"});
  same("welcome", welcome{relay_proof(secret, relay, n, "alice")});
  same("goodbye", goodbye{relay_refusal::replaced, "bye!"});
  same("envelope", envelope{1, "bob", wire::as_bytes("hello")});
  same("delivery", delivery{"alice", wire::as_bytes("hello")});
  same("ack", ack{1, 3});
  same("nack", nack{4, relay_refusal::overloaded});
  same("ping", ping{7});
  same("pong", pong{7});
}

TEST_CASE("the words of the document are what nodes say to each other") {
  const auto v = vectors();
  const auto one = [](node& n) {
    const auto all = n.said();
    CHECK(all.size() == 1);
    return all.empty() ? bytes() : all[0];
  };
  node a("opener");
  channel_ptr near;
  a.mux.connect("peer:7400", 10s, [&](auto c) { near = static_cast<held&>(**c).on; }, a.now);
  CHECK(one(a) == v.at("open"));
  a.hear(v.at("accept"));
  (void)a.said();
  REQUIRE(near);
  const const_bytes hello = wire::as_bytes("hello");
  a.mux.write(*near, {&hello, 1}, [](auto) {});
  CHECK(one(a) == v.at("data"));
  a.mux.end_writing(*near, [](auto) {});
  CHECK(one(a) == v.at("end"));
  a.hear(v.at("grant"));
  CHECK(near->limit == 393216);
  a.mux.abort(*near);
  CHECK(one(a) == v.at("abort"));

  node b("acceptor");
  b.hear(v.at("open"));
  CHECK(one(b) == v.at("refuse"));
  const auto port = b.mux.listen("*:7400", 1).value();
  channel_ptr far;
  b.mux.accept(*port, [&](auto c) { far = static_cast<held&>(**c).on; });
  b.hear(v.at("open"));
  CHECK(one(b) == v.at("accept"));
  CHECK(far->peer_address == "peer:49152");
  b.hear(v.at("data"));
  std::array<std::byte, 10> room;
  std::size_t got = 0;
  b.mux.read(*far, room, [&](auto n) { got = *n; });
  b.hear(v.at("probe"));
  CHECK(one(b) == v.at("answer"));
  CHECK(got == 5);
  b.mux.end_writing(*far, [](auto) {});
  (void)b.said();
  b.mux.let_go(*far, b.now);
  CHECK(one(b) == v.at("stop"));
  b.now += 6s;
  b.mux.tick(b.now);
  const auto probe = b.said();
  REQUIRE_FALSE(probe.empty());
  CHECK(probe.back().size() == v.at("probe").size());
  b.hear(v.at("abort"));
  CHECK(b.mux.connections() == 0);
}
