// The HTTP server and client, and WebSockets, over this machine's loopback: what real sockets,
// threads and clocks add to the unit tests, and what attackers do with them.

#include "support/raw_peer.hpp"
#include "support/tls_fixture.hpp"
#include "support/transport_kit.hpp"
#include <odeon/net/http.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/net/unix.hpp>
#include <odeon/net/websocket.hpp>

#include <unistd.h>

#include <array>
#include <fstream>

using namespace odeon;
using namespace odeon::test;
using namespace std::chrono_literals;

namespace {

constexpr const char* anywhere = "127.0.0.1:0";

/// A server of a few routes on TCP, and a client's side to reach it.
struct site {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::unique_ptr<transport> there, here;
  std::unique_ptr<executor> workers;
  std::optional<http_server> server;
  std::string address;

  explicit site(http_limits limits = {}, unsigned threads = 2)
      : there(make_tcp_transport(*rt, {.threads = threads, .name = "there"})),
        here(make_tcp_transport(*rt, {.threads = threads, .name = "here"})),
        workers(rt->make_executor({.threads = 2})) {
    http_routes r;
    r.add("GET", "/", [](const http_request&) { return http_text(200, "hello\n"); });
    r.add("POST", "/echo", [](const http_request& q) { return http_text(200, q.body); });
    r.add("GET", "/big",
          [](const http_request&) { return http_text(200, std::string(3'000'000, 'b')); });
    // More than the kernel buffers for a client that does not read.
    r.add("GET", "/huge",
          [](const http_request&) { return http_text(200, std::string(16'000'000, 'h')); });
    // Answered from threads that are none of the transport's.
    r.add("GET", "/later/{n}", [this](http_request q, http_responder to) {
      struct job final : runnable {
        job(std::string t, http_responder a)
            : runnable(&run),
              text(std::move(t)),
              to(std::move(a)) {}
        static void run(runnable& r) noexcept {
          const std::unique_ptr<job> self(static_cast<job*>(&r));
          self->to.send(http_text(200, std::move(self->text)));
        }
        std::string text;
        http_responder to;
      };
      workers->submit(*new job(std::string(q.parameter("n")), std::move(to)));
    });
    server.emplace(*rt, std::move(r), http_server_options{.limits = limits});
    address = *server->listen(*there, anywhere);
  }
  raw_peer connect() { return raw_peer(*rt, *here, address); }
  /// Waits until the server has so many connections.
  void wait_for(std::uint64_t connections) {
    std::atomic<std::uint32_t> word{0};
    const time_point end = rt->now(clock_domain::housekeeping) + 30s;
    while (server->figures().connections_now != connections &&
           rt->now(clock_domain::housekeeping) < end)
      (void)rt->wait(word, 0, rt->now(clock_domain::housekeeping) + 2ms);
    CHECK(server->figures().connections_now == connections);
  }
  void still_answers() {
    raw_peer c = connect();
    c.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    CHECK(c.read_all().ends_with("hello\n"));
  }
};

}  // namespace

TEST_CASE("WebSockets over TCP keep the laws of transports") {
  auto rt = make_threaded_runtime();
  auto tcp = make_tcp_transport(*rt);
  transport_test::keeps_the_laws(
      {.rt = *rt,
       .make = [&] { return make_websocket_transport(*rt, {.plain = tcp.get()}); },
       .place = [] { return std::string(anywhere); },
       .ahead_max = 28L * 1024 * 1024,
       .writes_at_once = false,
       .much = 30'000'000,
       .crowd = 100});
}

TEST_CASE("many requests at once are answered from many threads, each with its own answer") {
  site s;
  http_client web(*s.rt, {.plain = s.here.get(), .limits = {.connections_per_host = 16}});
  constexpr int count = 3000;
  std::vector<later<result<http_response>>> all;
  for (int i = 0; i < count; ++i) {
    all.emplace_back(*s.rt);
    http_call call{.url = "http://" + s.address + "/later/" + std::to_string(i),
                   .whole_time = 120s};
    if (i % 3 == 0) {
      call.method = "POST";
      call.url = "http://" + s.address + "/echo";
      call.body = std::to_string(i) + std::string(std::size_t(i) * 7, '.');
    }
    web.send(std::move(call), all.back().done());
    // The client's bound on who waits is kept to by waiting for the oldest.
    std::atomic<std::uint32_t> word{0};
    while (i >= 900 && !all[std::size_t(i - 900)].is_there())
      (void)s.rt->wait(word, 0, s.rt->now(clock_domain::housekeeping) + 1ms);
  }
  for (int i = 0; i < count; ++i) {
    const auto r = all[std::size_t(i)].get();
    REQUIRE(r.has_value());
    CHECK(r->status == 200);
    CHECK(r->body.starts_with(std::to_string(i)));
    if (i % 3 == 0) CHECK(r->body.size() == std::to_string(i).size() + std::size_t(i) * 7);
  }
  CHECK(web.figures().connected <= 16);
}

TEST_CASE("a client that breaks off at any byte of its request costs its connection alone") {
  site s;
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x\r\nabc\r\n0\r\n\r\n";
  for (std::size_t n = 0; n <= request.size(); ++n) {
    raw_peer reset = s.connect(), closed = s.connect();
    reset.send(std::string_view(request).substr(0, n));
    reset.get().abort();
    closed.send(std::string_view(request).substr(0, n));
    closed.end_writing();
    const std::string a = closed.read_all();
    CHECK(a.ends_with("abc") == (n == request.size()));
  }
  // And while an answer is on its way that it does not read.
  for (int i = 0; i < 50; ++i) {
    raw_peer c = s.connect();
    c.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET /later/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    if (i % 2) c.read_until("bbb");
    c.get().abort();
  }
  s.wait_for(0);
  s.still_answers();
}

TEST_CASE("slow headers, slow bodies and silent peers are ended, and others are served meanwhile") {
  site s({.header_time = 2s, .body_time = 2s, .idle_time = 3s, .write_time = 3s});
  std::vector<raw_peer> slow;
  for (int i = 0; i < 24; ++i) {
    slow.push_back(s.connect());
    switch (i % 4) {
      case 0: slow.back().send("GET / HTTP/1.1\r\nX-"); break;
      case 1:
        slow.back().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab");
        break;
      case 2: break;  // half open: it says nothing at all
      default: slow.back().send("GET /huge HTTP/1.1\r\nHost: a\r\n\r\n"); break;  // reads nothing
    }
  }
  s.still_answers();
  s.wait_for(0);
  CHECK(s.server->figures().timeouts == 18);
  for (std::size_t i = 0; i < slow.size(); ++i) {
    if (i % 4 < 2) CHECK(slow[i].read_all().starts_with("HTTP/1.1 408 "));
    if (i % 4 == 2) CHECK(slow[i].read_all().empty());
    if (i % 4 == 3) CHECK(slow[i].read_all().size() < 16'000'000);
  }
  s.still_answers();
}

TEST_CASE("headers without an end are refused, and no more than their limit is taken") {
  site s;
  using namespace std::string_view_literals;
  for (const std::string_view part : {"X: y\r\n"sv, "x"sv, " "sv, "\r\n"sv, "\0"sv}) {
    raw_peer c = s.connect();
    c.send("GET / HTTP/1.1\r\nHost: a\r\n");
    std::string much;
    while (much.size() < 100'000) much += part;
    (void)c.send(much);
    const std::string a = c.read_all();
    CHECK((a.starts_with("HTTP/1.1 4") || a.starts_with("HTTP/1.1 2")));
  }
  s.wait_for(0);
  s.still_answers();
}

TEST_CASE("thousands of connections come and go, and descriptors and memory stay flat") {
  site s({.connections_per_peer = 10'000});
  const auto resident_kib = [] {
    long all = 0, resident = 0;
    std::ifstream("/proc/self/statm") >> all >> resident;
    return resident * ::sysconf(_SC_PAGESIZE) / 1024;
  };
  const auto crowd = [&] {
    for (int round = 0; round < 10; ++round) {
      std::vector<raw_peer> all;
      for (int i = 0; i < 100; ++i) {
        all.push_back(s.connect());
        all.back().send(i % 3 ? "GET / HTTP/1.1\r\nHost: a\r\n\r\n" : "garbage\r\n\r\n");
      }
      for (std::size_t i = 0; i < all.size(); ++i) {
        CHECK(all[i].read_answer().starts_with(i % 3 ? "HTTP/1.1 200" : "HTTP/1.1 400"));
        if (i % 2) all[i].get().abort();
      }
    }
    s.wait_for(0);
  };
  crowd();
  const std::size_t descriptors = transport_test::descriptors_open();
  [[maybe_unused]] const long before = resident_kib();
  for (int i = 0; i < 3; ++i) crowd();
  CHECK(transport_test::descriptors_open() <= descriptors + 4);
#if !defined(ODEON_ASAN) && !__has_feature(thread_sanitizer)  // which keep what was freed
  CHECK(resident_kib() - before < 10 * 1024);
#endif
  CHECK(s.server->figures().accepted == 4000);
}

TEST_CASE("a server answers on TCP and on a Unix socket, and a client reaches it by both") {
  site s;
  const std::string path = "/tmp/odeon-http-" + std::to_string(::getpid()) + ".sock";
  auto local = make_unix_transport(*s.rt);
  REQUIRE(s.server->listen(*local, "unix:" + path).has_value());
  http_client web(*s.rt, {.plain = s.here.get(), .local = local.get()});
  for (const std::string& via : {std::string(), "unix:" + path}) {
    later<result<http_response>> l(*s.rt);
    web.send({.url = "http://" + s.address + "/", .via = via}, l.done());
    CHECK(l.get()->body == "hello\n");
  }
  CHECK(web.figures().connected == 2);
  s.server.reset();  // before what it listens on
}

TEST_CASE("https and wss go over TLS, where each side knows who the other is") {
  auto rt = make_threaded_runtime();
  const tls_test::pki p(*rt);
  auto there = make_tls_transport(*rt, p.node("server"));
  auto here = make_tls_transport(*rt, p.node("client"));
  auto tcp = make_tcp_transport(*rt);
  later<websocket> joined(*rt);
  http_routes r;
  r.add("GET", "/who", [](const http_request& q) { return http_text(200, q.identity); });
  add_websocket(r, "/ws", [&](const http_request&, websocket ws) { joined.done()(std::move(ws)); });
  http_server server(*rt, std::move(r));
  const std::string address = *server.listen(*there, anywhere);

  http_client web(*rt, {.plain = tcp.get(), .tls = here.get()});
  later<result<http_response>> who(*rt), plain(*rt);
  web.send({.url = "https://" + address + "/who"}, who.done());
  const auto answer = who.get();
  REQUIRE(answer.has_value());
  CHECK(answer->body == "client");
  web.send({.url = "http://" + address + "/who"}, plain.done());
  CHECK_FALSE(plain.get().has_value());

  auto ws = connect_websocket(*rt, *here, "wss://" + address + "/ws").get();
  const websocket far = joined.get();
  CHECK(far.peer_identity() == "client");
  CHECK(ws.peer_identity() == "server");
  ws.send_text("hello").get();
}

TEST_CASE("WebSockets over TLS keep the laws of transports") {
  auto rt = make_threaded_runtime();
  const tls_test::pki p(*rt);
  auto tls = make_tls_transport(*rt, p.node("a"));
  transport_test::keeps_the_laws(
      {.rt = *rt,
       .make = [&] { return make_websocket_transport(*rt, {.tls = tls.get()}); },
       .place = [] { return std::string(anywhere); },
       .ahead_max = 28L * 1024 * 1024,
       .writes_at_once = false,
       .much = 30'000'000,
       .crowd = 40});
}
