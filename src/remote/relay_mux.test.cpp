// Channels over a relay that refuses, forgets, repeats and reorders: the streams stay whole, or
// end. The relay here is a function of the test.

#include "remote/internal/relay_mux.hpp"

#include <doctest/doctest.h>

#include <random>
#include <set>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::relay_detail;
using namespace std::chrono_literals;

namespace {

/// What a user of a channel holds.
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

struct node {
  node(std::string name, unsigned seed) : random(seed) {
    options.relay = "tests";
    options.name = std::move(name);
  }
  relay_transport_options options;
  frame_reader reader{1U << 20U};  // of what it sends
  std::mt19937_64 random;
  relay_mux mux{options,
                [this](auto out) {
                  for (auto& b : out) b = static_cast<std::byte>(random());
                },
                [](channel_ptr c) { return std::make_unique<held>(std::move(c)); }};
};

/// Two nodes, and a relay between them that does with each envelope what chance says.
struct lossy {
  explicit lossy(unsigned seed) : random(seed) {
    for (node* n : {&a, &b}) join(*n);
  }
  void join(node& n) {
    n.mux.link.begin(now);
    challenge c;
    c.authenticate = false;
    c.envelope_bytes = 8192;
    c.heartbeat_ms = 5000;
    to(n, c);
    n.mux.link.out = {};
    to(n, welcome{});
    REQUIRE(n.mux.link.is_ready());
  }
  void to(node& n, const frame& f) {
    bytes in;
    append(in, f);
    n.mux.link.received(in, now);
  }
  void carry(node& from, node& other) {
    from.mux.pump(now);
    for (const bytes& block : from.mux.link.out.take(1000))
      REQUIRE(from.reader.feed(block, [&](const_bytes body) {
        const auto f = read_frame(body).value();
        if (const auto* e = std::get_if<envelope>(&f)) relay(from, other, *e);
        if (std::holds_alternative<ping>(f)) to(from, pong{});
        return true;
      }));
    from.mux.link.out.wrote();
  }
  void relay(node& from, node& other, const envelope& e) {
    const bool first = fate && !tried.contains({&from, bytes(e.payload.begin(), e.payload.end())});
    if (first) tried.insert({&from, bytes(e.payload.begin(), e.payload.end())});
    const auto chance = first ? random() % 10 : 9;
    if (chance == 0) return to(from, nack{e.number, relay_refusal::overloaded});
    if (chance == 1) return;  // lost
    node& target = e.target == from.options.name ? from : other;
    to(target, delivery{from.options.name, e.payload});
    if (chance != 2) to(from, ack{e.number, 1});  // else it comes twice
  }
  void run(duration d) {
    for (duration t{0}; t < d; t += 100ms) {
      for (int i = 0; i < 3; ++i) {
        carry(a, b);
        carry(b, a);
        call(a);
        call(b);
      }
      now += 100ms;
      a.mux.tick(now);
      b.mux.tick(now);
    }
  }
  static void call(node& n) {
    for (auto& c : n.mux.completions()) c();
  }
  std::pair<channel_ptr, channel_ptr> connect() {
    std::pair<channel_ptr, channel_ptr> both;
    const auto p = b.mux.listen("*:1", 4).value();
    b.mux.accept(*p, [&](auto c) { both.second = static_cast<held&>(**c).on; });
    a.mux.connect("b:1", 30s, [&](auto c) { both.first = static_cast<held&>(**c).on; }, now);
    run(8s);
    REQUIRE(both.first);
    REQUIRE(both.second);
    b.mux.close(*p);
    return both;
  }

  std::mt19937_64 random;
  time_point now{1h};
  node a{"a", 1}, b{"b", 2};
  bool fate = true;
  std::set<std::pair<node*, bytes>> tried;
};

/// Reads until the end of the stream.
struct reading {
  node& n;
  channel_ptr c;
  std::string all;
  std::optional<error> why;
  bool ended = false;
  std::array<std::byte, 3000> room;

  void go() {
    n.mux.read(*c, room, [this](result<std::size_t> r) {
      if (!r) {
        why = r.error();
      } else if (*r == 0) {
        ended = true;
      } else {
        all += wire::as_text(const_bytes(room).first(*r));
        go();
      }
    });
  }
};

}  // namespace

TEST_CASE("a stream through a relay that refuses, loses and repeats envelopes stays whole") {
  for (unsigned seed = 1; seed <= 8; ++seed) {
    lossy l(seed);
    auto [near, far] = l.connect();
    std::string text;
    for (int i = 0; i < 20'000; ++i) text += std::to_string(i * seed) + ",";
    reading r{l.b, far, {}, {}, false, {}};
    r.go();
    bool wrote = false;
    const const_bytes piece = wire::as_bytes(text);
    l.a.mux.write(*near, {&piece, 1}, [&](result<void> w) {
      CHECK(w.has_value());
      wrote = true;
      l.a.mux.end_writing(*near, [](result<void> e) { CHECK(e.has_value()); });
    });
    for (int i = 0; i < 200 && !r.ended && !r.why; ++i) l.run(1s);
    CHECK(wrote);
    CHECK(r.ended);
    CHECK(r.all == text);
    CHECK(l.a.mux.routes(l.now).at(0).retried > 0);
    l.a.mux.let_go(*near, l.now);
    l.b.mux.let_go(*far, l.now);
    l.run(40s);
    CHECK(l.a.mux.connections() == 0);
    CHECK(l.b.mux.connections() == 0);
    l.a.mux.cancel_all();
    l.b.mux.cancel_all();
  }
}

TEST_CASE("an envelope that is refused twice ends its connection on both sides, and no other") {
  lossy l(1);
  l.fate = false;
  auto [near, far] = l.connect();
  reading r{l.b, far, {}, {}, false, {}};
  r.go();
  std::optional<result<void>> late;
  const const_bytes piece = wire::as_bytes("lost");
  l.a.mux.write(*near, {&piece, 1}, [](result<void>) {});
  l.a.mux.pump(l.now);
  for (int i = 0; i < 2; ++i) {
    (void)l.a.mux.link.out.take(100);
    l.a.mux.link.out.wrote();
    std::uint64_t number = 0;
    for (number = 1; number < 20; ++number) l.to(l.a, nack{number, relay_refusal::overloaded});
    l.now += 2s;
    l.a.mux.tick(l.now);
  }
  l.run(1s);
  l.a.mux.write(*near, {&piece, 1}, [&](result<void> w) { late = w; });
  l.call(l.a);
  REQUIRE(late);
  CHECK(late->error() == errc::io_failed);
  CHECK(late->error().text().contains("overloaded"));
  REQUIRE(r.why);
  CHECK(*r.why == errc::io_failed);
  CHECK(l.a.mux.connections() == 0);
  CHECK(l.b.mux.connections() == 0);
}

TEST_CASE("a peer that sends beyond its window, or what nobody sends, loses that connection") {
  const auto attack = [](auto words) {
    lossy l(1);
    l.fate = false;
    auto [near, far] = l.connect();
    reading r{l.b, far, {}, {}, false, {}};
    r.go();
    bytes b;
    put<std::uint8_t>(b, 4 | by_opener);  // data
    put<std::uint64_t>(b, 1);             // that session ends what was there
    put(b, near->id);
    words(b);
    l.to(l.b, delivery{"a", b});
    l.run(1s);
    REQUIRE(r.why);
    CHECK(*r.why == errc::io_failed);
    CHECK(l.b.mux.connections() == 0);
  };
  attack([](bytes&) {});
  attack([](bytes& b) {
    put<std::uint64_t>(b, ~0ULL);
    put(b, wire::as_bytes("far ahead"));
  });
  // Payloads of all lengths that mean nothing leave nothing behind.
  lossy l(2);
  l.fate = false;
  for (std::size_t n = 0; n < 64; ++n)
    for (int kind = 0; kind < 256; kind += 5) {
      bytes b(n, static_cast<std::byte>(kind));
      l.to(l.b, delivery{"mallory", b});
    }
  CHECK(l.b.mux.connections() == 0);
}

TEST_CASE("pieces ahead of a missing one are bounded in number and in bytes") {
  lossy l(1);
  l.fate = false;
  auto [near, far] = l.connect();
  // Under the session that is known, from the peer itself.
  std::uint64_t session = 0;
  l.a.mux.pump(l.now);
  const const_bytes piece = wire::as_bytes("x");
  l.a.mux.write(*near, {&piece, 1}, [](result<void>) {});
  l.a.mux.pump(l.now);
  for (const bytes& block : l.a.mux.link.out.take(100))
    REQUIRE(l.a.reader.feed(block, [&](const_bytes body) {
      const auto f = read_frame(body).value();
      if (const auto* e = std::get_if<envelope>(&f)) {
        field_reader in(e->payload);
        (void)in.number<std::uint8_t>();
        session = in.number<std::uint64_t>();
      }
      return true;
    }));
  REQUIRE(session != 0);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    bytes b;
    put<std::uint8_t>(b, 4 | by_opener);
    put(b, session);
    put(b, near->id);
    put<std::uint64_t>(b, 2 + 2 * i);
    put(b, wire::as_bytes("y"));
    l.to(l.b, delivery{"a", b});
    CHECK(far->early.size() <= 1025);
  }
  CHECK(l.b.mux.connections() == 0);
}
