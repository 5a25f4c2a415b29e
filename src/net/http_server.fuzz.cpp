#include <odeon/net/http_server.hpp>
#include <odeon/net/websocket.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <string>
#include <string_view>

/// @file Any bytes as what a client says to the real server, over a connection in memory, in pieces
/// whose size the first byte chooses: every answer begins as one, the server's end finds no
/// connection that hangs, and another client is served all the same.

namespace {

using namespace odeon;

http_routes routes() {
  http_routes r;
  r.add("GET", "/", [](const http_request&) { return http_text(200, "hello"); });
  r.add("POST", "/echo", [](const http_request& q) { return http_text(200, q.body); });
  r.add("GET", "/a/{b}", [](const http_request& q) {
    if (!is_utf8(q.path) || q.path.contains('\0')) std::abort();
    return http_text(200, std::string(q.parameter("b")) + q.query_value("c").value_or(""));
  });
  r.add_stream("PUT", "/in", [](http_request, http_reader in, http_responder to) {
    auto reader = std::make_shared<http_reader>(std::move(in));
    auto answer = std::make_shared<http_responder>(std::move(to));
    struct step {
      static void next(const std::shared_ptr<http_reader>& r,
                       const std::shared_ptr<http_responder>& a) {
        r->read([r, a](result<std::string> part) {
          if (part && !part->empty()) return next(r, a);
          a->send(http_text(part ? 200 : 400, "read"));
        });
      }
    };
    step::next(reader, answer);
  });
  add_websocket(r, "/ws",
                [](const http_request&, websocket ws) {
                  auto held = std::make_shared<websocket>(std::move(ws));
                  struct step {
                    static void next(const std::shared_ptr<websocket>& ws) {
                      ws->receive([ws](result<std::optional<websocket_message>> m) {
                        if (!m || !*m) return;
                        if ((*m)->is_text && !is_utf8((*m)->bytes)) std::abort();
                        ws->send_binary(std::move((*m)->bytes), [ws](const result<void>&) {});
                        next(ws);
                      });
                    }
                  };
                  step::next(held);
                },
                {.message_bytes = 2000, .deflate = true});
  return r;
}

struct client {
  simulated_runtime& rt;
  std::unique_ptr<connection> c;
  std::string got, room = std::string(4096, '\0');
  bool ended = false;

  void read() {
    c->read(std::as_writable_bytes(std::span(room)), [this](result<std::size_t> n) {
      if (!n || *n == 0) {
        ended = true;
        return;
      }
      got.append(room, 0, *n);
      read();
    });
  }
  void say(std::string_view bytes, std::size_t step) {
    for (std::size_t at = 0; at < bytes.size(); at += step) {
      c->write(std::as_bytes(std::span(bytes.substr(at, step))), [](const result<void>&) {});
      rt.settle();
    }
  }
};
std::unique_ptr<client> connect(simulated_runtime& rt, transport& net, const std::string& address) {
  auto out = std::make_unique<client>(rt, nullptr);
  net.connect(address, {}, [&](result<std::unique_ptr<connection>> c) { out->c = std::move(*c); });
  rt.settle();
  out->read();
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  simulated_runtime rt;
  std::unique_ptr<client> wild, tame;  // outlive what tells them
  const auto net = make_memory_transport(rt);
  http_server server(rt, routes(), {.limits = {.header_bytes = 2000, .body_bytes = 2000}});
  const std::string address = *server.listen(*net, "here:0");
  wild = connect(rt, *net, address);
  wild->say(bytes, data[0] % 64 + 1U);
  if (!wild->got.empty() && !wild->got.starts_with("HTTP/1.1 ")) std::abort();
  if (data[0] & 128) {
    wild->c->abort();
  } else {
    wild->c->end_writing([](const result<void>&) {});
  }
  rt.settle();
  tame = connect(rt, *net, address);
  tame->say("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 1000);
  if (!tame->got.starts_with("HTTP/1.1 200 OK\r\n") || !tame->got.ends_with("\r\n\r\nhello"))
    std::abort();
  rt.advance(std::chrono::minutes(5));
  if (!wild->ended || !tame->ended || server.figures().connections_now != 0) std::abort();
  return 0;
}
