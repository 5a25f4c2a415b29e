// The client over connections in memory, under virtual time: against the server of this module, and
// against a peer that says what no server should.

#include "support/raw_peer.hpp"
#include <odeon/net/http_client.hpp>
#include <odeon/net/http_server.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <optional>

using namespace odeon;
using namespace odeon::test;
using namespace std::chrono_literals;

namespace {

using answer = result<http_response>;

struct world {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt, {.capacity = 4096});
  std::optional<http_client> client;

  explicit world(http_client_limits limits = {}) {
    client.emplace(rt, http_client_options{.plain = net.get(), .limits = limits});
  }
  answer send(http_call call) {
    later<answer> l(rt);
    client->send(std::move(call), l.done());
    return l.get();
  }
  later<answer> begin(http_call call) {
    later<answer> l(rt);
    client->send(std::move(call), l.done());
    return l;
  }
};

/// A server that says what the test says.
struct raw_server {
  world& w;
  std::unique_ptr<listener> l;
  std::string url;

  explicit raw_server(world& of) : w(of), l(*of.net->listen("there:0")) {
    url = "http://" + l->local_address() + "/";
  }
  raw_peer accept() {
    later<result<std::unique_ptr<connection>>> c(w.rt);
    l->accept(c.done());
    return raw_peer(w.rt, *c.get());
  }
};

http_routes some_routes() {
  http_routes r;
  r.add("GET", "/", [](const http_request& q) {
    return http_text(200, q.fields.get("X-A").value_or("-") == "b" ? "with field" : "plain");
  });
  r.add("POST", "/echo", [](const http_request& q) { return http_text(201, q.body); });
  r.add("GET", "/big",
        [](const http_request&) { return http_text(200, std::string(300'000, 'b')); });
  r.add("GET", "/to", [](const http_request&) {
    return http_response{.status = 302, .fields = {{"Location", "/"}}, .body = "there"};
  });
  r.add("GET", "/away", [](const http_request&) {
    return http_response{.status = 302, .fields = {{"Location", "http://elsewhere:1/"}}};
  });
  r.add("GET", "/loop", [](const http_request&) {
    return http_response{.status = 302, .fields = {{"Location", "/loop"}}};
  });
  return r;
}

}  // namespace

TEST_CASE("answers come back, and one connection serves one request after the other") {
  world w;
  http_server server(w.rt, some_routes());
  const std::string base = "http://" + *server.listen(*w.net, "here:0");
  const auto a = w.send({.url = base + "/", .fields = {{"X-A", "b"}, {"Host", "evil"}}});
  REQUIRE(a.has_value());
  CHECK(a->status == 200);
  CHECK(a->reason == "OK");
  CHECK(a->body == "with field");
  CHECK(a->fields.get("content-type") == "text/plain; charset=utf-8");
  CHECK(w.send({.method = "POST", .url = base + "/echo", .body = std::string(50'000, 'e')})->body ==
        std::string(50'000, 'e'));
  CHECK(w.send({.url = base + "/big"})->body.size() == 300'000);
  CHECK(w.send({.method = "HEAD", .url = base + "/big"})->body.empty());
  CHECK(w.send({.url = base + "/none"})->status == 404);
  const auto f = w.client->figures();
  CHECK(f.connected == 1);
  CHECK(f.requests == 5);
  CHECK(f.idle_now == 1);
}

TEST_CASE("a kept connection is closed when it was idle for its time") {
  world w({.idle_time = 3s});
  http_server server(w.rt, some_routes());
  const std::string base = "http://" + *server.listen(*w.net, "here:0");
  CHECK(w.send({.url = base + "/"}).has_value());
  w.rt.advance(2900ms);
  CHECK(w.client->figures().idle_now == 1);
  w.rt.advance(200ms);
  CHECK(w.client->figures().connections_now == 0);
}

TEST_CASE("requests past a host's connections wait, and past that bound they are refused") {
  world w({.connections_per_host = 2, .waiting_per_host = 2, .whole_time = 5s});
  std::vector<http_responder> kept;
  http_routes r;
  r.add("GET", "/", [&](http_request, http_responder to) { kept.push_back(std::move(to)); });
  http_server server(w.rt, std::move(r));
  const std::string url = "http://" + *server.listen(*w.net, "here:0") + "/";
  std::vector<later<answer>> all;
  for (int i = 0; i < 5; ++i) all.push_back(w.begin({.url = url}));
  w.rt.settle();
  CHECK(kept.size() == 2);
  CHECK(w.client->figures().waiting_now == 2);
  CHECK(all[4].get().error() == errc::limit_exceeded);
  kept[0].send(http_text(200, "first"));
  w.rt.settle();
  CHECK(all[0].get()->body == "first");
  CHECK(kept.size() == 3);
  // The others have their time, the one that waits for a connection among them.
  for (std::size_t i = 1; i < 4; ++i) {
    const auto late = all[i].get();
    REQUIRE_FALSE(late.has_value());
    CHECK(late.error() == errc::ask_timeout);
  }
  CHECK(w.client->figures().connections_now == 0);
}

TEST_CASE("a request goes out again only when nothing of an answer came, and it is safe") {
  world w;
  raw_server s(w);
  const auto first_then_close = [&](const char* method, std::string_view bytes) {
    auto one = w.begin({.url = s.url});
    raw_peer p = s.accept();
    p.read_until("\r\n\r\n");
    p.send("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1");
    CHECK(one.get()->body == "1");
    p.forget();
    auto two = w.begin({.method = method, .url = s.url});
    p.read_until("\r\n\r\n");
    p.send(bytes);
    p.end_writing();
    p.close();
    w.rt.settle();
    return two;
  };
  auto safe = first_then_close("GET", "");
  raw_peer again = s.accept();
  again.read_until("\r\n\r\n");
  again.send("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nagain");
  CHECK(safe.get()->body == "again");
  CHECK(w.client->figures().retries == 1);
  again.end_writing();
  again.close();
  w.rt.settle();

  CHECK(first_then_close("POST", "").get().error() == errc::io_failed);
  CHECK(first_then_close("GET", "HTTP/1.1 2").get().error() == errc::truncated);
  CHECK(w.client->figures().retries == 1);
  // A new connection that ends without an answer is an error, not a reason to try for ever.
  auto fresh = w.begin({.url = s.url});
  raw_peer p = s.accept();
  p.read_until("\r\n\r\n");
  p.end_writing();
  CHECK(fresh.get().error() == errc::io_failed);
}

TEST_CASE("answers that no server should give are errors, each of its kind") {
  world w({.header_bytes = 2000, .header_count = 10, .body_bytes = 1000});
  raw_server s(w);
  const std::string ok = "HTTP/1.1 200 OK\r\n";
  const struct {
    std::string bytes;
    errc wanted;
  } all[] = {
      {"SSH-2.0-x\r\n\r\n", errc::bad_encoding},
      {"HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n", errc::bad_encoding},
      {"HTTP/2 200 OK\r\n\r\n", errc::bad_encoding},
      {ok + "Content-Length: 1\r\nContent-Length: 1\r\n\r\na", errc::bad_encoding},
      {ok + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\na", errc::bad_encoding},
      {ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nabc", errc::truncated},
      {ok + "Transfer-Encoding: chunked\r\n\r\nxyz\r\n", errc::bad_encoding},
      {ok + "Content-Length: 5\r\n\r\nabc", errc::truncated},
      {ok + "Content-Le", errc::truncated},
      {ok + "X: " + std::string(3000, 'a'), errc::limit_exceeded},
      {ok + std::string(50, 'X') + ": y\r\n", errc::truncated},
      {ok + "Content-Length: 1001\r\n\r\n", errc::limit_exceeded},
      {ok + "\r\n" + std::string(1001, 'a'), errc::limit_exceeded},
      {"HTTP/1.1 101 Switching Protocols\r\n\r\n", errc::bad_encoding},
      {ok + "Content-Length: 1\r\n\r\nabc", errc{}},  // what is behind it is not believed
      {ok + "\r\nuntil the end", errc{}},
      {"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Hints\r\n\r\n" + ok + "Content-Length: 0\r\n\r\n",
       errc{}},
  };
  for (const auto& [bytes, wanted] : all) {
    auto a = w.begin({.url = s.url});
    raw_peer p = s.accept();
    p.read_until("\r\n\r\n");
    (void)p.send(bytes);
    (void)p.end_writing();
    const auto r = a.get();
    CHECK_MESSAGE((r ? errc{} : r.error().code()) == wanted, bytes);
    p.close();
    w.rt.settle();
    CHECK(w.client->figures().connections_now == 0);
  }
  std::string many = ok;
  for (int i = 0; i < 11; ++i) many += "A: b\r\n";
  auto a = w.begin({.url = s.url});
  raw_peer p = s.accept();
  (void)p.send(many + "\r\n");
  CHECK(a.get().error() == errc::limit_exceeded);
}

TEST_CASE("each part of a request has its time, and the error names it") {
  world w({.connect_time = 2s, .first_byte_time = 3s, .whole_time = 10s, .piece_time = 4s});
  raw_server s(w);
  auto silent = w.begin({.url = s.url});
  raw_peer p = s.accept();
  w.rt.advance(2900ms);
  CHECK_FALSE(silent.is_there());
  w.rt.advance(200ms);
  CHECK(silent.get().error().text().contains("first_byte_time"));

  auto dripping = w.begin({.url = s.url});
  raw_peer q = s.accept();
  q.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n");
  for (int i = 0; i < 9; ++i) {
    q.send("x");
    w.rt.advance(1s);
  }
  CHECK_FALSE(dripping.is_there());
  w.rt.advance(1100ms);
  CHECK(dripping.get().error().text().contains("whole_time"));

  later<result<http_incoming>> opened(w.rt);
  w.client->open({.url = s.url}, opened.done());
  raw_peer t = s.accept();
  t.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n");
  auto in = opened.get();
  REQUIRE(in.has_value());
  later<result<std::string>> one(w.rt), two(w.rt);
  in->body.read(one.done());
  CHECK(one.get() == "a");
  in->body.read(two.done());
  w.rt.advance(4100ms);
  CHECK(two.get().error().text().contains("piece_time"));
}

TEST_CASE("no server, no transport and no url are told apart") {
  world w;
  CHECK_FALSE(w.send({.url = "http://nowhere:9/"}).has_value());
  CHECK(w.send({.url = "https://here:9/"}).error() == errc::invalid_argument);
  CHECK(w.send({.url = "http://here:9/", .via = "unix:/x"}).error() == errc::invalid_argument);
  for (const char* bad :
       {"", "here", "ftp://a/", "http://", "http://a b/", "http://a/\r\nX: y", "http://me@a/",
        "http://a:0/", "http://a:99999/", "http://a/#b", "ws://a/", "http://:80/", "http://[::1/"})
    CHECK_MESSAGE(w.send({.url = bad}).error() == errc::invalid_argument, bad);
  CHECK(w.send({.method = "G T", .url = "http://a/"}).error() == errc::invalid_argument);
  const auto u = parse_url("HTTPS://[::1]/a?b");
  REQUIRE(u.has_value());
  CHECK(u->host == "::1");
  CHECK(u->port == 443);
  CHECK(u->target == "/a?b");
  CHECK(u->authority() == "[::1]");
  CHECK(parse_url("http://a:81?x")->target == "/?x");
  CHECK(parse_url("http://a:81")->authority() == "a:81");
}

TEST_CASE("redirects are answers by default, and followed within their bound and host when asked") {
  for (const unsigned redirects : {0u, 3u}) {
    world w({.redirects = redirects});
    http_server server(w.rt, some_routes());
    const std::string base = "http://" + *server.listen(*w.net, "here:0");
    const auto r = w.send({.url = base + "/to"});
    CHECK(r->status == (redirects ? 200 : 302));
    CHECK(r->body == (redirects ? "plain" : "there"));
    CHECK(w.send({.url = base + "/away"})->status == 302);
    CHECK(w.send({.url = base + "/loop"})->status == 302);
  }
}

TEST_CASE("bodies go both ways in pieces, at the pace of their readers") {
  world w;
  std::string got;
  http_routes r;
  r.add_stream("POST", "/", [&](http_request, http_reader in, http_responder to) {
    auto reader = std::make_shared<http_reader>(std::move(in));
    auto answer = std::make_shared<http_responder>(std::move(to));
    auto next = std::make_shared<std::function<void()>>();
    *next = [&got, reader, answer, next] {
      reader->read([&got, answer, next](result<std::string> part) {
        if (part && !part->empty()) {
          got += *part;
          return (*next)();
        }
        answer->send(http_text(200, std::string(500'000, 'd')));
        *next = nullptr;
      });
    };
    (*next)();
  });
  http_server server(w.rt, std::move(r));
  const std::string url = "http://" + *server.listen(*w.net, "here:0") + "/";
  int pieces = 0;
  later<result<http_incoming>> opened(w.rt);
  w.client->open(
      {.method = "POST",
       .url = url,
       .body_source =
           [&](auto done) { done(++pieces <= 50 ? std::string(1000, 'u') : std::string()); }},
      opened.done());
  auto in = opened.get();
  REQUIRE(in.has_value());
  CHECK(got == std::string(50'000, 'u'));
  CHECK(in->head.status == 200);
  w.rt.settle();
  std::size_t size = 0, most = 0;
  for (;;) {
    later<result<std::string>> l(w.rt);
    in->body.read(l.done());
    const auto part = l.get();
    REQUIRE(part.has_value());
    if (part->empty()) break;
    size += part->size();
    most = std::max(most, part->size());
  }
  CHECK(size == 500'000);
  CHECK(most <= 200'000);
  w.rt.settle();
  CHECK(w.client->figures().idle_now == 1);
  // A source that fails, and a reader that is let go, end their connection alone.
  later<answer> failed(w.rt);
  w.client->send({.method = "POST",
                  .url = url,
                  .body_source = [](auto done) { done(fail(errc::refused, "no more")); }},
                 failed.done());
  CHECK(failed.get().error() == errc::cancelled);
  CHECK(w.client->figures().connections_now == 0);
}

TEST_CASE("an answer that has ended before its reader reads is read to its end") {
  for (const bool counted : {true, false}) {
    world w;
    raw_server s(w);
    later<result<http_incoming>> opened(w.rt);
    w.client->open({.url = s.url}, opened.done());
    raw_peer p = s.accept();
    const std::string all = std::string("HTTP/1.1 200 OK\r\n") +
                            (counted ? "Content-Length: 100000\r\n\r\n" : "\r\n") +
                            std::string(100'000, 'e');
    CHECK(p.send(all));
    CHECK(p.end_writing());
    w.rt.settle();
    auto in = opened.get();
    REQUIRE(in.has_value());
    std::size_t size = 0;
    for (;;) {
      later<result<std::string>> l(w.rt);
      in->body.read(l.done());
      const auto part = l.get();
      REQUIRE(part.has_value());
      if (part->empty()) break;
      size += part->size();
    }
    CHECK(size == 100'000);
    w.rt.settle();
    CHECK(w.client->figures().connections_now == 0);
  }
}

TEST_CASE("the end of a client fails what is under way, and its futures are awaited elsewhere") {
  world w({.connections_per_host = 1});
  raw_server s(w);
  auto one = w.begin({.url = s.url}), two = w.begin({.url = s.url});
  auto three = w.client->send({.url = s.url});
  raw_peer p = s.accept();
  p.read_until("\r\n\r\n");
  w.client.reset();
  CHECK(one.get().error() == errc::cancelled);
  CHECK(two.get().error() == errc::cancelled);
  CHECK(std::move(three).result().error() == errc::cancelled);
  CHECK(p.read_all().size() > 0);
  CHECK(p.is_broken());
}
