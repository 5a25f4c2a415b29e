// The transport over WebSockets, held to the laws of all, over connections in memory.

#include "support/raw_peer.hpp"
#include "support/transport_kit.hpp"
#include <odeon/net/websocket.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

using namespace odeon;
using namespace odeon::transport_test;

TEST_CASE("a transport over WebSockets keeps the laws of transports under virtual time") {
  simulated_runtime rt({.seed = 5});
  const auto under = make_memory_transport(rt);
  keeps_the_laws({.rt = rt,
                  .make = [&] { return make_websocket_transport(rt, {.plain = under.get()}); },
                  .place = [] { return std::string("127.0.0.1:0"); },
                  .ahead_max = 2 * 1024 * 1024,
                  .writes_at_once = false,
                  .much = 3'000'000,
                  .crowd = 40});
}

TEST_CASE("its addresses may have a scheme and a path, and others are told that they are wrong") {
  simulated_runtime rt;
  const auto under = make_memory_transport(rt);
  const auto t = make_websocket_transport(rt, {.plain = under.get()});
  const auto l = t->listen("ws://here:0/meet");
  REQUIRE(l.has_value());
  const std::string at = (*l)->local_address();
  CHECK(at.starts_with("ws://here:"));
  CHECK(at.ends_with("/meet"));
  outcome<connection_ptr> there(rt), here(rt), elsewhere(rt), none(rt);
  (*l)->accept(there.done());
  t->connect(at, {}, here.done());
  const auto near = here.get(), far = there.get();
  REQUIRE(near.has_value());
  CHECK(write_all(rt, **near, "hello").has_value());
  CHECK(read_some(rt, **far) == "hello");
  t->connect(at.substr(0, at.size() - 4) + "else", {}, elsewhere.done());
  const auto no = elsewhere.get();
  REQUIRE_FALSE(no.has_value());
  CHECK(no.error() == errc::incompatible_peer);
  CHECK(no.error().text().contains("404"));
  for (const char* bad : {"http://here:1/", "wss://here:1/", "nonsense"})
    CHECK(t->listen(bad).error() == errc::invalid_argument);
  CHECK_THROWS_AS((void)make_websocket_transport(rt, {}), actor_error);
  // A browser's WebSocket, say, that does not know what is spoken here.
  test::raw_peer p(rt, *under, at.substr(5, at.size() - 10));
  p.send(
      "GET /meet HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  CHECK(p.read_until("\r\n\r\n").starts_with("HTTP/1.1 400 "));
}
