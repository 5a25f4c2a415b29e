// Connections as streams, over the transport in memory; real sockets are in tests/integration.

#include "common.test.hpp"
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/stream/bidi.hpp>
#include <odeon/stream/flow/combine.hpp>
#include <odeon/stream/framing.hpp>
#include <odeon/stream/queue.hpp>
#include <odeon/stream/tcp.hpp>

using namespace odeon;
using namespace odeon::stream_test;

namespace {

constexpr const char* anywhere = "server:0";
using lines = std::vector<std::string>;

std::string joined(const lines& all) {
  std::string out;
  for (const auto& l : all) out += l;
  return out;
}

/// A kit with a network, and servers that serve each connection with a flow.
struct net_kit {
  testkit::kit k;
  std::unique_ptr<transport> net;
  explicit net_kit(memory_transport_options o = {})
      : net(make_memory_transport(k.system().get_runtime(), o)) {}

  template <class F>
  tcp::binding serve(F flow, tcp::options o = {}) {
    auto [b, done] =
        (tcp::incoming(*net, anywhere, o) | to(sink::foreach ([this, flow](tcp::connection c) {
           (void)c.join(flow).run(k.system());
         })))
            .run(k.system());
    return b;
  }
  /// All that comes out of a client.
  template <class S>
  result<lines> ask(S source, const tcp::binding& b, tcp::options o = {}) {
    return of_sink((std::move(source) | tcp::outgoing(*net, b.address(), o) | to(sink::collect()))
                       .run(k.system()))
        .result();
  }
};
auto echo() {
  return map([](std::string s) { return s; });
}

}  // namespace

TEST_CASE("each byte goes to the peer and comes back once, in order, however it is cut") {
  CHECK(rc::check([] {
    const auto size = [](int most) { return static_cast<std::size_t>(*rc::gen::inRange(1, most)); };
    net_kit n({.capacity = size(50), .read_max = size(20)});
    const tcp::options o{.chunk = size(30), .write_buffer = size(40)};
    const auto in = *rc::gen::resize(
        25, rc::gen::container<lines>(rc::gen::container<std::string>(rc::gen::inRange('a', 'z'))));
    const auto holes = *rc::gen::arbitrary<std::vector<bool>>();
    const auto b = n.serve(echo() | with_holes(holes), o);
    const auto out =
        n.ask(probe_source(in, std::make_shared<seen>(), holes) | with_holes(holes), b, o);
    RC_ASSERT(out.has_value());
    RC_ASSERT(joined(*out) == joined(in));
  }));
}

TEST_CASE("one direction ends, and the answer comes through the other") {
  net_kit n;
  // The server knows its answer when the client has ended.
  const auto b =
      n.serve(fold(std::size_t(0), [](std::size_t sum, std::string s) { return sum + s.size(); }) |
              map([](std::size_t sum) { return std::to_string(sum); }));
  const auto out = n.ask(source::repeat(std::string(1000, 'x')) | take(500), b);
  REQUIRE(out.has_value());
  CHECK(joined(*out) == "500000");
}

TEST_CASE("layers of a protocol stand on a connection") {
  net_kit n;
  const auto frames = bidi_flow(framing::length_prefix(100), framing::length_field(100));
  const auto b = n.serve(frames.up() | map([](std::string s) { return s + "!"; }) | frames.down());
  auto out = (source::from(lines{"one", "", "three"}) |
              frames.join(tcp::outgoing(*n.net, b.address())) | to(sink::collect()))
                 .run(n.k.system())
                 .result();
  CHECK(out == lines{"one!", "!", "three!"});
}

TEST_CASE("a refused connection fails the stream, and nothing was asked for") {
  net_kit n;
  auto s = std::make_shared<seen>();
  const auto out =
      run_partial(n.k, probe_source(lines{"a", "b"}, s) | tcp::outgoing(*n.net, "nobody:1"));
  REQUIRE(out.why.has_value());
  CHECK(*out.why == errc::connection_refused);
  n.k.settle();
  CHECK(s->given == 0);
  CHECK(s->cancelled);
}

TEST_CASE("an address in use fails the source, and the binding tells why") {
  net_kit n;
  const auto b = n.serve(echo());
  auto [second, done] = (tcp::incoming(*n.net, b.address()) | to(sink::ignore())).run(n.k.system());
  const auto r = done.result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::address_in_use);
  CHECK(r.error().text().contains(b.address()));
  CHECK_THROWS_AS((void)second.address(), actor_error);
  CHECK(joined(*n.ask(source::single(std::string("still")), b)) == "still");
}

TEST_CASE("a stream that serves a connection and fails breaks it, and no other") {
  net_kit n;
  const auto b = n.serve(map([](std::string s) {
    if (s == "bad") throw std::runtime_error("cannot serve this");
    return s;
  }));
  auto [in, out] =
      (source::queue<std::string>(1) | tcp::outgoing(*n.net, b.address()) | to(sink::collect()))
          .run(n.k.system());
  n.k.settle();
  const auto bad = n.ask(source::single(std::string("bad")), b);
  REQUIRE_FALSE(bad.has_value());
  CHECK(bad.error() == errc::io_failed);
  (void)in.try_offer("good");
  n.k.settle();
  in.complete();
  CHECK(out.result() == lines{"good"});
}

TEST_CASE("a failure of what is sent is no end: the peer's stream fails") {
  net_kit n;
  std::optional<error> seen_there;
  auto [b, done] =
      (tcp::incoming(*n.net, anywhere) | to(sink::foreach ([&](tcp::connection c) {
         (c.source() | to(sink::ignore())).run(n.k.system()).then([&](const result<void>& r) {
           if (!r) seen_there = r.error();
         });
       })))
          .run(n.k.system());
  const auto out = n.ask(
      probe_source(lines{"a", "b"}, std::make_shared<seen>(), {}, error(errc::refused, "as told")),
      b);
  REQUIRE_FALSE(out.has_value());
  CHECK(out.error() == errc::refused);  // the reason itself on this side
  n.k.settle();
  REQUIRE(seen_there.has_value());
  CHECK(*seen_there == errc::io_failed);
}

TEST_CASE("a client that wants no more cancels what it sends, and closes in order") {
  net_kit n;
  std::optional<result<void>> there;
  auto [b, done] =
      (tcp::incoming(*n.net, anywhere) | to(sink::foreach ([&](tcp::connection c) {
         (void)(source::repeat(std::string("tick")) | take(5) | to(c.sink())).run(n.k.system());
         (c.source() | to(sink::ignore())).run(n.k.system()).then([&](const result<void>& r) {
           there = r;
         });
       })))
          .run(n.k.system());
  auto s = std::make_shared<seen>();
  const auto out =
      run_all(n.k, probe_source(lines(1), s) | concat(source::never<std::string>()) |
                       tcp::outgoing(*n.net, b.address()) | framing::delimiter("k", 9) | take(2));
  CHECK(out == lines{"tic", "tic"});
  n.k.settle();
  REQUIRE(there.has_value());
  CHECK(there->has_value());
}

TEST_CASE("unbinding completes the source of connections, and those there are go on") {
  net_kit n;
  auto [b, done] = (tcp::incoming(*n.net, anywhere) | to(sink::foreach ([&](tcp::connection c) {
                      CHECK(c.local_address() == "server:1");
                      CHECK(c.peer_address().starts_with("local:"));
                      (void)c.join(echo()).run(n.k.system());
                    })))
                       .run(n.k.system());
  auto [in, out] =
      (source::queue<std::string>(1) | tcp::outgoing(*n.net, b.address()) | to(sink::collect()))
          .run(n.k.system());
  n.k.settle();
  b.unbind();
  CHECK(done.result().has_value());
  CHECK(n.ask(source::single(std::string("late")), b).error() == errc::connection_refused);
  (void)in.try_offer("still here");
  n.k.settle();
  in.complete();
  CHECK(out.result() == lines{"still here"});
}

TEST_CASE("a slow reader stops the sender after what is held between, and no later") {
  net_kit n({.capacity = 1000});
  const tcp::options o{.chunk = 100, .write_buffer = 1000};
  auto s = std::make_shared<seen>();
  auto [b, done] = (tcp::incoming(*n.net, anywhere, o) | to(sink::foreach ([&](tcp::connection c) {
                      (void)(probe_source(lines(100'000, std::string(100, 'x')), s) | to(c.sink()))
                          .run(n.k.system());
                    })))
                       .run(n.k.system());
  auto out =
      (source::never<std::string>() | tcp::outgoing(*n.net, b.address(), o) | to(sink::queue(1)))
          .run(n.k.system());
  std::size_t got = 0, most = 0;
  for (int i = 0; i < 2000; ++i) {
    got += out.pull().get()->size();
    n.k.settle();
    most = std::max(most, s->given * 100 - got);
  }
  CHECK(most <= 1000 + 2 * (1000 + 100) + 100 + 2 * 100);
  CHECK(most >= 1000);
  CHECK(got > 100'000);
  out.cancel();
  n.k.settle();
  CHECK(s->cancelled);
}

TEST_CASE("the bytes of a connection are for one stream, and so is its sending side") {
  net_kit n;
  bool refused = false;
  auto [b, done] =
      (tcp::incoming(*n.net, anywhere) | to(sink::foreach ([&](tcp::connection c) {
         (void)c.join(echo()).run(n.k.system());
         CHECK_THROWS_AS((void)(c.source() | to(sink::ignore())).run(n.k.system()), actor_error);
         CHECK_THROWS_AS((void)(source::empty<std::string>() | to(c.sink())).run(n.k.system()),
                         actor_error);
         refused = true;
       })))
          .run(n.k.system());
  CHECK(joined(*n.ask(source::single(std::string("x")), b)) == "x");
  CHECK(refused);
}

TEST_CASE("the end of the transport fails what runs over it") {
  net_kit n;
  auto [b, done] =
      (tcp::incoming(*n.net, anywhere) |
       to(sink::foreach ([&](tcp::connection c) { (void)c.join(echo()).run(n.k.system()); })))
          .run(n.k.system());
  auto out =
      (source::never<std::string>() | tcp::outgoing(*n.net, b.address()) | to(sink::collect()))
          .run(n.k.system());
  n.k.settle();
  n.net.reset();
  CHECK(done.result().error() == errc::cancelled);
  CHECK(out.result().error() == errc::cancelled);
}
