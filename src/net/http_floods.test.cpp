// Clients that send more than anybody would read, or hide one message inside of another: each
// costs its own connection, and no handler sees what was not meant for it.

#include "net/internal/websocket_codec.hpp"
#include "support/raw_peer.hpp"
#include <odeon/net/http_server.hpp>
#include <odeon/net/websocket.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <optional>

using namespace odeon;
using namespace odeon::test;
using namespace odeon::http_detail;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
constexpr std::string_view get_secret = "GET /secret HTTP/1.1\r\nHost: a\r\n\r\n";

std::size_t answers_in(std::string_view text) {
  std::size_t n = 0;
  for (auto at = text.find("HTTP/1.1 "); at != text.npos; at = text.find("HTTP/1.1 ", at + 1)) ++n;
  return n;
}
std::string frame(opcode kind, std::string_view payload, bool fin = true) {
  std::string out;
  append_frame(out, kind, payload, fin, false, std::array<unsigned char, 4>{1, 2, 3, 4});
  return out;
}
std::string handshake(std::string_view more_fields = "") {
  return "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
         std::string(more_fields) + "\r\n";
}

/// A server in memory that counts what its handlers see.
struct site {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt, {.capacity = 4096});
  int hellos = 0, secrets = 0;
  std::vector<http_request> posts;
  std::optional<websocket> ws;
  std::optional<http_server> server;
  std::string address;

  explicit site(http_limits l = {}) {
    http_routes r;
    r.add("GET", "/", [this](const http_request&) {
      return ++hellos, http_text(200, "hello " + std::to_string(hellos) + "\n");
    });
    r.add("GET", "/secret",
          [this](const http_request&) { return ++secrets, http_text(200, "secret\n"); });
    r.add("POST", "/", [this](http_request q) {
      posts.push_back(std::move(q));
      return http_text(200, "posted\n");
    });
    add_websocket(r, "/ws", [this](const http_request&, websocket w) { ws.emplace(std::move(w)); },
                  {.message_bytes = 1000});
    server.emplace(rt, std::move(r), http_server_options{.limits = l});
    address = *server->listen(*net, "here:0");
  }
  ~site() { ws.reset(); }
  raw_peer connect() { return raw_peer(rt, *net, address); }
  std::string ask(std::string_view bytes) {
    raw_peer p = connect();
    (void)p.send(bytes);
    (void)p.end_writing();
    return p.read_all();
  }
  /// Others are served all the same.
  void is_well() {
    const int before = hellos;
    CHECK(ask("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").contains("200 OK"));
    CHECK(hellos == before + 1);
  }
};

}  // namespace

TEST_CASE("ten thousand requests in one go are answered in order, a few at a time") {
  site s({.unsent_bytes = 20'000});
  raw_peer p = s.connect();
  constexpr std::size_t all = 10'000;
  std::string requests;
  for (std::size_t i = 0; i < all; ++i) requests += get;
  later<result<void>> sent(s.rt);
  p.get().write(std::as_bytes(std::span(requests)), sent.done());
  // Before anything is read, no more is done than what its answers may take.
  s.rt.settle();
  const int ahead = s.hellos;
  CHECK(ahead < 300);
  const std::string got = p.read_until("hello 10000\n");
  CHECK(answers_in(got) == all);
  std::size_t at = 0;
  for (std::size_t i = 1; i <= all; ++i) {
    at = got.find("hello " + std::to_string(i) + "\n", at);
    REQUIRE_MESSAGE(at != got.npos, "answer ", i);
  }
  CHECK(sent.get().has_value());
  s.is_well();
}

TEST_CASE("requests without end by one who reads nothing are bounded, and end in time") {
  site s({.write_time = 10s, .unsent_bytes = 10'000});
  raw_peer p = s.connect();
  std::string requests;
  for (int i = 0; i < 10'000; ++i) requests += get;
  later<result<void>> sent(s.rt);
  p.get().write(std::as_bytes(std::span(requests)), sent.done());
  s.rt.advance(9s);
  CHECK(s.hellos < 300);
  CHECK_FALSE(sent.is_there());
  s.is_well();
  s.rt.advance(2s);
  CHECK(s.server->figures().connections_now == 0);
  CHECK_FALSE(sent.get().has_value());
  s.is_well();
}

TEST_CASE("a request hidden in the body of another one is its body, whatever becomes of that") {
  const std::string length = std::to_string(get_secret.size());
  for (const std::string path : {"/", "/nowhere", "/secret", "/ws"}) {
    site s;
    const std::string head = "POST " + path + " HTTP/1.1\r\nHost: a\r\n";
    std::string got =
        s.ask(head + "Content-Length: " + length + "\r\n\r\n" + std::string(get_secret));
    CHECK(answers_in(got) == 1);
    got = s.ask(head + "Content-Length: " + length + "\r\nExpect: 100-continue\r\n\r\n" +
                std::string(get_secret));
    CHECK(answers_in(got) <= 2);  // one says "go on"
    CHECK(s.secrets == 0);
    // Both lengths, in every order and spelling: neither is believed.
    for (const std::string& fields : std::initializer_list<std::string>{
             "Content-Length: " + length + "\r\nTransfer-Encoding: chunked\r\n",
             "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n",
             "transfer-encoding: CHUNKED\r\ncontent-length: 0\r\n",
             "Transfer-Encoding: chunked, chunked\r\n",
             "Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n",
             "Transfer-Encoding: chunked\r\n Content-Length: 4\r\n"}) {
      got = s.ask(head + fields + "\r\n0\r\n\r\n" + std::string(get_secret));
      CHECK_MESSAGE(answers_in(got) == 1, fields);
      CHECK_MESSAGE((got.contains(" 400 ") || got.contains(" 501 ")), fields);
    }
    CHECK(s.secrets == 0);
    s.is_well();
  }
}

TEST_CASE("trailers are no fields of a request, and end its body where it ends") {
  site s;
  const std::string got = s.ask(
      "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n"
      "0\r\nContent-Length: 400\r\nTransfer-Encoding: gzip\r\nHost: b\r\nX-Admin: yes\r\n\r\n" +
      std::string(get));
  CHECK(answers_in(got) == 2);
  REQUIRE(s.posts.size() == 1);
  CHECK(s.posts[0].body == "abcd");
  CHECK(s.posts[0].fields.get("Host") == "a");
  CHECK_FALSE(s.posts[0].fields.has("X-Admin"));
  CHECK(s.hellos == 1);
}

TEST_CASE("what comes behind the handshake of a WebSocket is no request") {
  for (const std::string fields : {"", "Content-Length: 0\r\n"}) {
    site s;
    raw_peer p = s.connect();
    CHECK(p.send(handshake(fields) + std::string(get_secret) + std::string(get_secret)));
    const std::string got = p.read_all();
    CHECK(answers_in(got) == 1);
    CHECK(got.starts_with("HTTP/1.1 101 "));
    CHECK(got.contains("\x88"));  // and a close that says why
    CHECK(s.secrets == 0);
    s.is_well();
  }
  // One that is refused does not go on as HTTP with a body that is not read.
  site s;
  const std::string got = s.ask(handshake("Content-Length: 34\r\n") + std::string(get_secret));
  CHECK(answers_in(got) == 1);
  CHECK(got.starts_with("HTTP/1.1 426 "));
  CHECK(s.secrets == 0);
}

TEST_CASE("pings without end by one who reads nothing are answered by the last pong alone") {
  site s;
  raw_peer p = s.connect();
  p.send(handshake());
  p.read_until("\r\n\r\n");
  p.forget();
  s.rt.settle();
  REQUIRE(s.ws);
  later<result<std::optional<websocket_message>>> waiting(s.rt);
  s.ws->receive(waiting.done());
  std::string pings;
  for (int i = 0; i < 1'000; ++i) pings += frame(opcode::ping, std::string(125, 'p'));
  for (int i = 0; i < 10; ++i) CHECK(p.send(pings));  // all of it is taken
  CHECK(p.send(frame(opcode::binary, "done")));
  CHECK((*waiting.get())->bytes == "done");
  // 1.3 MB of pings; what waits to be read is what the connection holds, and a pong.
  p.send(frame(opcode::close, close_payload(1000, "")));
  CHECK(p.read_all().size() < std::size_t{3} * 4096);
  s.is_well();
}

TEST_CASE("parts of a message that hold nothing cost nothing, and parts of a ping are refused") {
  site s;
  raw_peer p = s.connect();
  p.send(handshake());
  p.read_until("\r\n\r\n");
  s.rt.settle();
  REQUIRE(s.ws);
  later<result<std::optional<websocket_message>>> whole(s.rt), wrong(s.rt);
  s.ws->receive(whole.done());
  p.send(frame(opcode::text, "a", false));
  std::string empty;
  for (int i = 0; i < 1'000; ++i) empty += frame(opcode::more, "", false);
  for (int i = 0; i < 50; ++i) p.send(empty);
  p.send(frame(opcode::more, "b"));
  CHECK((*whole.get())->bytes == "ab");
  s.ws->receive(wrong.done());
  p.forget();
  p.send(frame(opcode::ping, "x", false) + frame(opcode::more, "y", false));
  CHECK(wrong.get().error() == errc::protocol_violation);
  CHECK(p.read_all().contains(std::string("\x03\xEA", 2)));  // 1002
  s.is_well();
}
