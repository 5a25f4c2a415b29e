// Ten thousand connections of HTTP and WebSocket over real sockets, used and ended in every way
// that there is; what stays of them is counted.

#include "stress/common.hpp"
#include "stress/resources.hpp"
#include "support/raw_peer.hpp"
#include <odeon/net/http.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/net/websocket.hpp>

#include <memory>
#include <string>

using namespace odeon;
using namespace odeon::stress;

namespace {

constexpr std::size_t kept_bytes_max = std::size_t{2} << 20U;  ///< of nine thousand more

/// Answers each message with itself, until the other side goes.
void echo(const std::shared_ptr<websocket>& ws) {
  ws->receive([ws](result<std::optional<websocket_message>> m) {
    if (!m || !*m) return;
    ws->send_text(std::move((*m)->bytes), [](const result<void>&) {});
    echo(ws);
  });
}

const std::string get = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const std::string upgrade =
    "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const std::string hello("\x81\x85\0\0\0\0hello", 11);  // masked, as a client's must be
const std::string close_frame("\x88\x80\0\0\0\0", 6);

void live_and_end(test::raw_peer& p, unsigned how) {
  const auto upgraded = [&] {
    p.send(upgrade);
    REQUIRE(p.read_until("\r\n\r\n").starts_with("HTTP/1.1 101"));
    p.forget();
  };
  switch (how) {
    case 0: p.send(get.substr(0, get.size() / 2)); break;   // and gone
    case 1: p.send(get); break;                             // without the answer
    case 2: p.send(upgrade.substr(0, 60)); break;           // half a handshake
    case 3: p.send(upgrade); break;                         // and gone
    case 4: upgraded(); break;                              // without a word
    case 5: upgraded(), p.send(hello.substr(0, 4)); break;  // half a frame
    case 6:
    case 7:
    case 8: {
      upgraded();
      p.send(hello);
      CHECK(p.read_until("hello").ends_with("\x81\x05hello"));
      p.send(close_frame);
      (void)p.read_all();
      return;
    }
    default: {
      p.send(get);
      CHECK(p.read_answer().ends_with("hello\n"));
      if (how % 2 == 0) return;  // it is let go of in good order
    }
  }
  p.get().abort();
}

}  // namespace

TEST_CASE("ten thousand connections of HTTP and WebSocket come and go, and leave nothing") {
  actor_system system("stress");
  runtime& rt = system.get_runtime();
  const auto there = make_tcp_transport(rt, {.name = "there"});
  const auto here = make_tcp_transport(rt, {.name = "here"});
  http_routes routes;
  routes.add("GET", "/", [](const http_request&) { return http_text(200, "hello\n"); });
  add_websocket(routes, "/ws", [](const http_request&, websocket ws) {
    echo(std::make_shared<websocket>(std::move(ws)));
  });
  http_limits limits;
  limits.connections_per_peer = 1'000;
  http_server server(rt, std::move(routes), {.limits = limits});
  const std::string address = server.listen(*there, "127.0.0.1:0").value();
  std::atomic<std::uint64_t> opened{0};
  constexpr int threads = 4;
  const auto connections = [&](int many) {
    on_threads(threads, [&](int, dice& d) {
      for (int i = 0; i < many / threads; ++i) {
        test::raw_peer p(rt, *here, address);
        opened.fetch_add(1);
        live_and_end(p, d.below(16));
      }
    });
    await(system, [&] { return server.figures().connections_now == 0; });
  };
  connections(rounds(1'000));
  const long descriptors = descriptors_open();
  const std::size_t before = bytes_in_use();
  connections(rounds(9'000));
  const std::size_t after = bytes_in_use();
  MESSAGE(opened.load() << " connections; bytes in use: " << before << ", then " << after);
  CHECK(descriptors_open() <= descriptors + threads);  // a close may be on its way
  CHECK(after < before + kept_bytes_max);
  CHECK(server.figures().refused_connections == 0);
}
