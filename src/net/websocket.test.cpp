// WebSockets: frames without a connection, and connections in memory under virtual time.

#include "net/internal/websocket_codec.hpp"
#include "support/raw_peer.hpp"
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

using key = std::array<unsigned char, 4>;
using message = std::optional<websocket_message>;

/// Frames as a client sends them.
std::string frame(opcode kind, std::string_view payload, bool fin = true) {
  std::string out;
  append_frame(out, kind, payload, fin, false, key{1, 2, 3, 4});
  return out;
}
struct read_back {
  std::vector<websocket_event> events;
  int wrong = 0;
};
read_back decoded(std::string_view bytes, std::size_t step,
                  websocket_decoder::limits l = {1000, 1000}, message_deflate* deflate = nullptr) {
  websocket_decoder d(true, l, deflate);
  read_back out;
  for (std::size_t at = 0; at < bytes.size(); at += step) {
    std::string_view in = bytes.substr(at, step);
    while (!in.empty()) {
      auto e = d.take(in);
      if (!e) {
        out.wrong = e.error().code;
        return out;
      }
      if (*e) out.events.push_back(std::move(**e));
    }
  }
  return out;
}

/// A server of WebSockets in memory, which keeps those that come.
struct room {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt, {.capacity = 4096});
  std::vector<websocket> there;
  std::vector<std::string> paths;
  std::optional<http_server> server;
  std::string address;

  explicit room(websocket_options o = {}, http_limits limits = {}) {
    http_routes r;
    add_websocket(
        r, "/ws/{room}",
        [this](http_request q, websocket ws) {
          paths.emplace_back(q.parameter("room"));
          there.push_back(std::move(ws));
        },
        std::move(o));
    server.emplace(rt, std::move(r), http_server_options{.limits = limits});
    address = *server->listen(*net, "here:0");
  }
  websocket connect(websocket_options o = {}, http_fields f = {}) {
    auto ws =
        connect_websocket(rt, *net, "ws://" + address + "/ws/one", std::move(o), std::move(f));
    return std::move(ws).get();
  }
  result<message> receive(websocket& ws) {
    later<result<message>> l(rt);
    ws.receive(l.done());
    return l.get();
  }
  result<void> send(websocket& ws, std::string text) {
    later<result<void>> l(rt);
    ws.send_text(std::move(text), l.done());
    return l.get();
  }
  raw_peer shake_hands() {
    raw_peer p(rt, *net, address);
    p.send("GET /ws/raw HTTP/1.1\r\nHost: " + address +
           "\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
           "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
    const std::string head = p.read_until("\r\n\r\n");
    CHECK(head.starts_with("HTTP/1.1 101 "));
    CHECK(head.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    p.forget();
    return p;
  }
};

}  // namespace

TEST_CASE("frames become messages in whatever pieces they come") {
  const std::string bytes = frame(opcode::text, "hel", false) + frame(opcode::ping, "p") +
                            frame(opcode::more, "lo \xE2\x82", false) +
                            frame(opcode::more, "\xAC") +
                            frame(opcode::binary, std::string(300, 'b')) + frame(opcode::pong, "") +
                            frame(opcode::close, close_payload(1000, "bye"));
  for (const std::size_t step : {1UL, 2UL, 3UL, 7UL, 1000UL}) {
    const auto r = decoded(bytes, step);
    REQUIRE(r.events.size() == 5);
    CHECK(r.events[0].kind == opcode::ping);
    CHECK(r.events[1].bytes == "hello €");
    CHECK(r.events[1].kind == opcode::text);
    CHECK(r.events[2].bytes == std::string(300, 'b'));
    CHECK(r.events[4].code == 1000);
    CHECK(r.events[4].bytes == "bye");
  }
}

TEST_CASE("each violation of the standard has its close code") {
  std::string unmasked;
  append_frame(unmasked, opcode::text, "x", true, false, std::nullopt);
  std::string packed;
  append_frame(packed, opcode::text, "x", true, true, key{});
  const struct {
    std::string bytes;
    int code;
  } all[] = {
      {unmasked, 1002},
      {packed, 1002},
      {frame(opcode(3), ""), 1002},
      {frame(opcode(11), ""), 1002},
      {frame(opcode::more, "x"), 1002},
      {frame(opcode::text, "x", false) + frame(opcode::text, "y"), 1002},
      {frame(opcode::ping, "x", false), 1002},
      {frame(opcode::ping, std::string(126, 'x')), 1002},
      {frame(opcode::close, "x"), 1002},
      {frame(opcode::close, close_payload(1005, "")), 1002},
      {frame(opcode::close, close_payload(999, "")), 1002},
      {frame(opcode::close, close_payload(1000, "\xFF")), 1007},
      {frame(opcode::text, "\xC0\xAF"), 1007},
      {frame(opcode::text, "\xE2\x82"), 1007},
      {frame(opcode::text, "\xE2", false) + frame(opcode::more, "x"), 1007},
      {std::string("\x82\xFE\x00\x05", 4) + "keys", 1002},
      {std::string("\x82\xFF\x00\x00\x00\x00\x00\x00\x00\x05", 10) + "keys", 1002},
      {std::string("\x82\xFF\x80\x00\x00\x00\x00\x01\x00\x00", 10) + "keys", 1002},
      {std::string("\x82\xFF\x7F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", 10) + "keys", 1009},
      {frame(opcode::binary, std::string(1001, 'x')), 1009},
      {frame(opcode::binary, std::string(600, 'x'), false) +
           frame(opcode::more, std::string(600, 'x')),
       1009},
  };
  for (const auto& [bytes, code] : all)
    for (const std::size_t step : {1UL, 1000UL}) CHECK(decoded(bytes, step).wrong == code);
}

TEST_CASE("packed messages unpack to themselves, and bombs and garbage are refused") {
  message_deflate z;
  std::string text;
  for (int i = 0; i < 200; ++i) text += std::to_string(i * 7919) + " ";
  for (const std::string& m : {std::string(), std::string("x"), text, std::string(900, 'a')}) {
    std::string bytes;
    append_frame(bytes, opcode::binary, z.pack(m), true, true, key{9, 8, 7, 6});
    const auto r = decoded(bytes, 5, {2000, 2000}, &z);
    REQUIRE(r.events.size() == 1);
    CHECK(r.events[0].bytes == m);
  }
  const auto wrong = [&](const std::string& payload) {
    std::string bytes;
    append_frame(bytes, opcode::binary, payload, true, true, key{});
    return decoded(bytes, 1000, {2000, 2000}, &z).wrong;
  };
  const std::string bomb = z.pack(std::string(1'000'000, 'a'));
  CHECK(bomb.size() < 2000);
  CHECK(wrong(bomb) == 1009);
  CHECK(wrong("\xFF\xFF\xFF\xFF") == 1007);
}

TEST_CASE("messages go both ways, and a close is answered") {
  for (const bool deflate : {false, true}) {
    room r({.frame_bytes = 500, .subprotocols = {"two", "one"}, .deflate = deflate});
    websocket near =
        r.connect({.frame_bytes = 500, .subprotocols = {"one", "two"}, .deflate = deflate});
    r.rt.settle();
    REQUIRE(r.there.size() == 1);
    websocket& far = r.there[0];
    CHECK(r.paths[0] == "one");
    CHECK(near.subprotocol() == "two");
    CHECK(far.subprotocol() == "two");
    CHECK(r.server->figures().connections_now == 1);
    std::string long_one;  // in several frames
    for (int i = 0; i < 500; ++i) long_one += std::to_string(i * i) + ",";
    CHECK(r.send(near, "grüße").has_value());
    later<result<void>> sent(r.rt);
    near.send_binary(long_one, sent.done());
    auto one = r.receive(far), two = r.receive(far);
    CHECK((*one)->bytes == "grüße");
    CHECK((*one)->is_text);
    CHECK((*two)->bytes == long_one);
    CHECK_FALSE((*two)->is_text);
    CHECK(sent.get().has_value());
    CHECK(r.send(far, "").has_value());
    CHECK((*r.receive(near))->bytes.empty());
    CHECK(r.send(far, "\xFF").error() == errc::bad_encoding);
    far.close(4001, "enough");
    CHECK(r.send(far, "late").error() == errc::cancelled);
    CHECK_FALSE(r.receive(near)->has_value());
    CHECK(near.closed()->code == 4001);
    CHECK(near.closed()->reason == "enough");
    CHECK_FALSE(r.receive(far)->has_value());
    CHECK(far.closed()->code == 4001);
    r.rt.settle();
    CHECK(r.server->figures().connections_now == 0);
  }
}

TEST_CASE("handshakes that are none, of other versions, or of foreign pages are refused") {
  room r({.origins = {"https://friend.example"},
          .refuse = [](const http_request& q) -> std::optional<http_response> {
            if (q.query_value("token") == "bad") return http_text(401, "who are you\n");
            return std::nullopt;
          }});
  const auto status = [&](std::string fields, std::string target = "/ws/x") {
    raw_peer p(r.rt, *r.net, r.address);
    p.send("GET " + target + " HTTP/1.1\r\nHost: " + r.address + "\r\n" + fields + "\r\n");
    const std::string a = p.read_until("\r\n\r\n");
    return std::stoi(a.substr(9, 3));
  };
  const std::string up = "Connection: Upgrade\r\nUpgrade: websocket\r\n";
  const std::string version = "Sec-WebSocket-Version: 13\r\n";
  const std::string nonce = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  CHECK(status("") == 426);
  CHECK(status(up + nonce) == 426);
  CHECK(status(up + nonce + "Sec-WebSocket-Version: 8\r\n") == 426);
  CHECK(status(up + version) == 400);
  CHECK(status(up + version + "Sec-WebSocket-Key: short==\r\n") == 400);
  CHECK(status(up + version + nonce, "/elsewhere") == 404);
  CHECK(status(up + version + nonce, "/ws/x?token=bad") == 401);
  CHECK(status(up + version + nonce + "Origin: https://evil.example\r\n") == 403);
  CHECK(status(up + version + nonce + "Origin: null\r\n") == 403);
  CHECK(r.there.empty());
  CHECK(status(up + version + nonce) == 101);
  CHECK(status(up + version + nonce + "Origin: http://" + r.address + "\r\n") == 101);
  CHECK(status(up + version + nonce + "Origin: https://friend.example\r\n") == 101);
  r.rt.settle();
  CHECK(r.there.size() == 3);
}

TEST_CASE("a client takes no other answer for a handshake") {
  simulated_runtime rt;
  const auto net = make_memory_transport(rt);
  const auto l = *net->listen("there:0");
  const auto answer = [&](const std::string& bytes, bool end = true) {
    later<result<websocket>> ws(rt);
    connect_websocket(rt, *net, "ws://" + l->local_address() + "/x", {.handshake_time = 3s}, {},
                      ws.done());
    later<result<std::unique_ptr<connection>>> c(rt);
    l->accept(c.done());
    raw_peer p(rt, *c.get());
    p.read_until("\r\n\r\n");
    (void)p.send(bytes);
    if (end) (void)p.end_writing();
    const auto r = ws.get();
    return r ? errc{} : r.error().code();
  };
  const std::string head = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n";
  CHECK(answer("HTTP/1.1 200 OK\r\n\r\n") == errc::incompatible_peer);
  CHECK(answer("nonsense\r\n\r\n") == errc::incompatible_peer);
  CHECK(answer("HTTP/1.1 1") == errc::incompatible_peer);
  CHECK(answer(head + "Upgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\n") ==
        errc::incompatible_peer);
  CHECK(answer("HTTP/1.1 101 ", false) == errc::ask_timeout);
  later<result<websocket>> bad(rt);
  connect_websocket(rt, *net, "http://a/", {}, {}, bad.done());
  CHECK(bad.get().error() == errc::invalid_argument);
}

TEST_CASE("a peer that breaks the standard is told why, and its messages so far are kept") {
  room r({.message_bytes = 1000});
  raw_peer p = r.shake_hands();
  r.rt.settle();
  p.send(frame(opcode::text, "good") + frame(opcode::binary, std::string(1001, 'x')));
  CHECK((*r.receive(r.there[0]))->bytes == "good");
  const auto broken = r.receive(r.there[0]);
  REQUIRE_FALSE(broken.has_value());
  CHECK(broken.error() == errc::limit_exceeded);
  const std::string told = p.read_all();
  REQUIRE(told.size() > 4);
  CHECK(told.substr(2, 2) == close_payload(1009, ""));
  CHECK(p.has_ended());
  CHECK(r.server->figures().connections_now == 0);

  raw_peer q = r.shake_hands();
  r.rt.settle();
  q.send(frame(opcode::text, "\xFF"));
  CHECK(r.receive(r.there[1]).error() == errc::protocol_violation);
}

TEST_CASE("pings are answered, and a silent peer is found by them") {
  room r({.ping_interval = 5s, .pong_time = 3s});
  raw_peer p = r.shake_hands();
  r.rt.settle();
  later<result<message>> waiting(r.rt);
  r.there[0].receive(waiting.done());
  p.send(frame(opcode::ping, "abc"));
  CHECK(p.read_until("abc") == std::string("\x8A\x03"
                                           "abc"));
  p.forget();
  r.rt.advance(4900ms);
  CHECK(r.server->figures().connections_now == 1);
  r.rt.advance(200ms);
  CHECK(p.read_until(std::string("\x89\x00", 2)).size() == 2);
  p.send(frame(opcode::pong, ""));
  r.rt.advance(5100ms);  // another ping, which is not answered
  CHECK_FALSE(waiting.is_there());
  r.rt.advance(3s);
  CHECK(waiting.get().error() == errc::io_failed);
  CHECK(r.there[0].closed()->code == 1006);
  CHECK(r.server->figures().connections_now == 0);
}

TEST_CASE("a side that does not receive stops the other's sends, and a bound refuses the rest") {
  room r({.ping_interval = {}});
  websocket near = r.connect({.unsent_bytes = 50'000, .ping_interval = {}});
  std::vector<later<result<void>>> all;
  for (int i = 0; i < 20; ++i) {
    all.emplace_back(r.rt);
    near.send_binary(std::string(10'000, 'a'), all.back().done());
  }
  r.rt.settle();
  int taken = 0, refused = 0;
  for (auto& l : all)
    if (l.is_there()) (l.get().has_value() ? taken : refused) += 1;
  CHECK(taken < 10);
  CHECK(refused >= 10);
  CHECK(near.unsent() <= 50'000);
  for (int i = 0; i < 20 - refused; ++i) CHECK((*r.receive(r.there[0]))->bytes.size() == 10'000);
  r.rt.settle();
  CHECK(near.unsent() == 0);
}

TEST_CASE("a WebSocket that is let go closes in good order; one that is aborted does not") {
  room r;
  {
    websocket near = r.connect();
    r.rt.settle();
    CHECK(r.send(near, "last words").has_value());
  }
  CHECK((*r.receive(r.there[0]))->bytes == "last words");
  CHECK_FALSE(r.receive(r.there[0])->has_value());
  CHECK(r.there[0].closed()->code == 1000);
  websocket near = r.connect();
  r.rt.settle();
  near.abort();
  CHECK(r.receive(near).error() == errc::cancelled);
  CHECK(r.receive(r.there[1]).error() == errc::io_failed);
  // One whose other side never closes is not waited for beyond its time.
  raw_peer p = r.shake_hands();
  r.rt.settle();
  r.there[2].close();
  r.rt.advance(4900ms);
  CHECK(r.server->figures().connections_now == 1);
  r.rt.advance(200ms);
  CHECK(r.server->figures().connections_now == 0);
}

TEST_CASE("WebSockets count as connections of their server, and go with it") {
  room r({}, {.connections = 1});
  websocket near = r.connect();
  raw_peer second(r.rt, *r.net, r.address);
  CHECK(second.read_all().starts_with("HTTP/1.1 503 "));
  auto drained = r.server->drain(20s);
  CHECK_FALSE(r.receive(near)->has_value());
  CHECK(near.closed()->code == 1001);
  r.rt.settle();
  CHECK(std::move(drained).get() == 0);
  room other;
  websocket far = other.connect();
  other.server.reset();
  CHECK(other.receive(far).error() == errc::io_failed);
}
