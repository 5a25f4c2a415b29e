// The server over connections in memory, under virtual time: what it answers, whom it refuses, and
// how long it waits. Bodies in pieces are in http_streams.test.cpp, real sockets in
// tests/integration.

#include "net/http_place.test.hpp"
#include <odeon/task/task.hpp>

using namespace http_test;

TEST_CASE("requests are answered by their routes, on one connection") {
  place p(echoing());
  raw_peer c = p.connect();
  c.send(get("/"));
  std::string a = c.read_answer();
  CHECK(status_of(a) == 200);
  CHECK(body_of(a) == "hello\n");
  CHECK(a.contains("Date: Sat, 01 Jan 2000 00:00:00 GMT\r\n"));
  CHECK_FALSE(a.contains("Connection:"));
  c.send(post("/echo", "some text"));
  CHECK(body_of(c.read_answer()) == "some text");
  c.send(get("/x/a%20b/y?q=1"));
  CHECK(body_of(c.read_answer()) == "a b|q=1");
  c.send(get("/files/a/b/c.txt"));
  CHECK(body_of(c.read_answer()) == "a/b/c.txt");
  c.send(get("/nowhere"));
  CHECK(status_of(c.read_answer()) == 404);
  c.send(get("/x//y"));
  CHECK(status_of(c.read_answer()) == 404);
  c.send(get("/echo"));
  a = c.read_answer();
  CHECK(status_of(a) == 405);
  CHECK(a.contains("Allow: POST\r\n"));
  c.send(get("/peer"));
  CHECK(body_of(c.read_answer()) == c.get().local_address());
  c.send(get("/", "Connection: close\r\n"));
  CHECK(c.read_all().contains("Connection: close\r\n"));
  CHECK(c.has_ended());
  CHECK(p.server->figures().requests == 9);
}

TEST_CASE("the answer to HEAD has the length of the body, and no body") {
  place p(echoing());
  const std::string a = p.ask("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
  CHECK(status_of(a) == 200);
  CHECK(a.contains("Content-Length: 6\r\n"));
  CHECK(body_of(a).empty());
}

TEST_CASE("HTTP/1.0 gets one answer, or several when it asks for them") {
  place p(echoing());
  CHECK(p.ask("GET / HTTP/1.0\r\n\r\n").contains("Connection: close\r\n"));
  raw_peer c = p.connect();
  for (int i = 0; i < 2; ++i) {
    c.send("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    CHECK(c.read_answer().contains("Connection: keep-alive\r\n"));
  }
}

TEST_CASE("a body may come in chunks, and a client that asks first is told to go on") {
  place p(echoing());
  CHECK(body_of(p.ask("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: u\r\n\r\n")) == "abcde");
  raw_peer c = p.connect();
  c.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
  CHECK(c.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  c.forget();
  c.send("ok");
  CHECK(body_of(c.read_answer()) == "ok");
}

TEST_CASE("pipelined requests are in handlers at once up to their bound, and answered in order") {
  kept_ones kept;
  http_routes r;
  r.add("GET", "/{n}", kept.handler());
  r.add("POST", "/{n}", kept.handler());
  place p(std::move(r), {.pipelined_requests = 3});
  raw_peer c = p.connect();
  c.send(get("/1") + get("/2") + get("/3") + get("/4") + post("/5", "x") + get("/6"));
  p.rt.settle();
  CHECK(kept.targets.size() == 3);
  kept.all[2].send(http_text(200, "3"));
  p.rt.settle();
  CHECK(kept.targets.size() == 3);
  kept.all[0].send(http_text(200, "1"));
  p.rt.settle();
  CHECK(kept.targets.size() == 4);
  kept.all[3].send(http_text(200, "4"));
  kept.all[1].send(http_text(200, "2"));
  for (const char* n : {"1", "2", "3", "4"}) CHECK(body_of(c.read_answer()) == n);
  // What changes something waits until all before it is answered, and lets nothing past it.
  p.rt.settle();
  CHECK(kept.targets.size() == 5);
  kept.all[4].send(http_text(200, "5"));
  p.rt.settle();
  REQUIRE(kept.targets.size() == 6);
  kept.all[5].send(http_text(200, "6"));
  CHECK(body_of(c.read_answer()) == "5");
  CHECK(body_of(c.read_answer()) == "6");
}

TEST_CASE("bad requests are answered with what was wrong, and only their connection ends") {
  place p(echoing());
  raw_peer good = p.connect();
  good.send(get("/"));
  good.read_answer();
  struct {
    std::string bytes;
    int status;
  } bad[] = {
      {"nonsense\r\n\r\n", 400},
      {"GET / HTTP/3.0\r\n\r\n", 505},
      {get("/" + std::string(9000, 'a')), 414},
      {get("/", "X: " + std::string(20'000, 'a') + "\r\n"), 431},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", 413},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n200000\r\n" +
           std::string(0x200000, 'x'),
       413},
      {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"
       "0\r\n\r\nGET /peer HTTP/1.1\r\nHost: a\r\n\r\n",
       400},
  };
  for (const auto& [bytes, status] : bad) {
    raw_peer c = p.connect();
    // The server reads no further: what is too much is not taken.
    later<result<void>> wrote(p.rt);
    c.get().write(std::as_bytes(std::span(bytes)), wrote.done());
    const std::string a = c.read_all();
    CHECK_MESSAGE(status_of(a) == status, a);
    CHECK(a.contains("Connection: close\r\n"));
    CHECK(a.find("HTTP/1.1 ", 1) == std::string::npos);  // one answer: nothing was smuggled past it
  }
  good.send(get("/"));
  CHECK(status_of(good.read_answer()) == 200);
  CHECK(p.server->figures().bad_requests == std::size(bad));
}

TEST_CASE("a host that the server does not answer for is told so") {
  place p(echoing(), {}, {"localhost", "127.0.0.1:80"});
  for (const auto& [host, status] : {std::pair("localhost", 200),
                                     {"LOCALHOST:99", 200},
                                     {"127.0.0.1:80", 200},
                                     {"127.0.0.1:81", 421},
                                     {"evil.example", 421}})
    CHECK(status_of(p.ask("GET / HTTP/1.1\r\nHost: " + std::string(host) + "\r\n\r\n")) == status);
}

TEST_CASE("headers, bodies and idle connections have their time, and no more") {
  place p(echoing(), {.header_time = 2s, .body_time = 3s, .idle_time = 5s});
  raw_peer slow = p.connect(), half = p.connect(), idle = p.connect(), fresh = p.connect();
  idle.send(get("/"));
  idle.read_answer();
  half.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
  // One byte at a time: it is the whole header that has to be there in time.
  for (const char c : std::string_view("GET / HT")) {
    slow.send(std::string(1, c));
    p.rt.advance(240ms);
  }
  CHECK(p.server->figures().connections_now == 4);
  p.rt.advance(200ms);
  CHECK(status_of(slow.read_all()) == 408);
  CHECK(slow.has_ended());
  p.rt.advance(1s);
  CHECK(status_of(half.read_all()) == 408);
  CHECK(p.server->figures().timeouts == 2);
  p.rt.advance(1600ms);
  CHECK(fresh.read_all().empty());
  CHECK(idle.read_all().empty());
  CHECK(idle.has_ended());
  CHECK(p.server->figures().connections_now == 0);
  CHECK(p.server->figures().timeouts == 2);
}

TEST_CASE("a handler that does not answer in time is answered for, and learns that it is late") {
  kept_ones kept;
  http_routes r;
  r.add("GET", "/", kept.handler());
  place p(std::move(r), {.answer_time = 4s});
  raw_peer c = p.connect();
  c.send(get("/"));
  p.rt.settle();
  bool gone = false;
  kept.all.at(0).on_gone([&] { gone = true; });
  p.rt.advance(3900ms);
  CHECK_FALSE(gone);
  p.rt.advance(200ms);
  CHECK(gone);
  CHECK(status_of(c.read_answer()) == 503);
  CHECK(kept.all[0].is_gone());
  kept.all[0].send(http_text(200, "late"));
  c.send(get("/"));
  p.rt.settle();
  kept.all.at(1).send(http_text(200, "in time"));
  CHECK(body_of(c.read_answer()) == "in time");
  CHECK(p.reports.size() == 1);
}

TEST_CASE("a client that does not read its answer is let go after its time") {
  http_routes r;
  r.add("GET", "/", [](const http_request&) { return http_text(200, std::string(100'000, 'x')); });
  place p(std::move(r), {.write_time = 6s});
  raw_peer c = p.connect();
  c.send(get("/"));
  p.rt.settle();
  p.rt.advance(5900ms);
  CHECK(p.server->figures().connections_now == 1);
  p.rt.advance(200ms);
  CHECK(p.server->figures().connections_now == 0);
  CHECK(p.server->figures().timeouts == 1);
}

TEST_CASE("connections past the limits are told 503, and those of other hosts go on") {
  place p(echoing(), {.connections = 3, .connections_per_peer = 2});
  // The network in memory gives all clients of one transport one host.
  raw_peer a = p.connect(), b = p.connect();
  a.send(get("/"));
  CHECK(status_of(a.read_answer()) == 200);
  raw_peer c = p.connect();
  const std::string refused = c.read_all();
  CHECK(status_of(refused) == 503);
  CHECK(refused.contains("Retry-After"));
  CHECK(p.server->figures().refused_connections == 1);
  b.close();
  p.rt.settle();
  raw_peer d = p.connect();
  d.send(get("/"));
  CHECK(status_of(d.read_answer()) == 200);
}

TEST_CASE("a connection has its number of requests, and the last answer says so") {
  place p(echoing(), {.requests_per_connection = 2});
  raw_peer c = p.connect();
  c.send(get("/") + get("/") + get("/"));
  CHECK_FALSE(c.read_answer().contains("Connection"));
  CHECK(c.read_answer().contains("Connection: close"));
  CHECK(c.read_all().empty());
}

TEST_CASE("a handler that throws, forgets to answer, or answers nonsense, costs its request only") {
  http_routes r = echoing();
  r.add("GET", "/throw",
        [](const http_request&) -> http_response { throw std::runtime_error("a secret"); });
  r.add("GET", "/forget", [](http_request, http_responder) {});
  r.add("GET", "/status", [](const http_request&) { return http_response{.status = 42}; });
  r.add("GET", "/task", [](http_request) -> task<http_response> {
    throw std::runtime_error("another secret");
    co_return http_text(200, "");
  });
  r.add("GET", "/late", [](http_request) -> task<http_response> {
    throw actor_error(errc::ask_timeout, "a third secret");
    co_return http_text(200, "");
  });
  place p(std::move(r));
  raw_peer c = p.connect();
  for (const auto& [target, status] : {std::pair("/throw", 500),
                                       {"/forget", 500},
                                       {"/status", 500},
                                       {"/task", 500},
                                       {"/late", 504},
                                       {"/", 200}}) {
    c.send(get(target));
    const std::string a = c.read_answer();
    CHECK(status_of(a) == status);
    CHECK_FALSE(a.contains("secret"));
  }
  CHECK(p.reports.size() == 3);
}

TEST_CASE("a task may wait before it answers, and is cancelled when its client goes") {
  int entered = 0, left = 0, finished = 0;
  http_routes r;
  r.add("GET", "/", [&](http_request) -> task<http_response> {
    struct guard {
      int& n;
      ~guard() { ++n; }
    } g{left};
    ++entered;
    co_await sleep(2s);
    ++finished;
    co_return http_text(200, "slept");
  });
  place p(std::move(r));
  raw_peer c = p.connect(), d = p.connect();
  c.send(get("/"));
  d.send(get("/"));
  p.rt.settle();
  CHECK(entered == 2);
  d.get().abort();
  p.rt.settle();
  CHECK(left == 1);
  CHECK(body_of(c.read_answer()) == "slept");
  CHECK(left == 2);
  CHECK(finished == 1);
}

TEST_CASE("a server that drains ends what it has begun, and tells how much it had to abort") {
  kept_ones kept;
  http_routes r = echoing();
  r.add("GET", "/kept", kept.handler());
  place p(std::move(r));
  raw_peer idle = p.connect(), busy = p.connect(), stuck = p.connect();
  busy.send(get("/kept"));
  stuck.send(get("/kept"));
  p.rt.settle();
  auto drained = p.server->drain(10s);
  p.rt.settle();
  CHECK(idle.read_all().empty());
  CHECK(idle.has_ended());
  CHECK(p.server->listen(*p.net, "there:0").error() == errc::cancelled);
  kept.all.at(0).send(http_text(200, "done"));
  CHECK(busy.read_all().contains("Connection: close\r\n"));
  CHECK_FALSE(drained.is_ready());
  p.rt.advance(11s);
  CHECK(drained.get() == 1);
  (void)stuck.read_all();
  CHECK(stuck.is_broken());
}

TEST_CASE("the end of a server cancels its tasks and leaves no connection") {
  int left = 0;
  http_routes r;
  r.add("GET", "/", [&](http_request) -> task<http_response> {
    struct guard {
      int& n;
      ~guard() { ++n; }
    } g{left};
    co_await sleep(1h);
    co_return http_text(200, "");
  });
  place p(std::move(r));
  raw_peer c = p.connect();
  c.send(get("/"));
  p.rt.settle();
  p.server.reset();
  CHECK(left == 1);
  CHECK(c.read_all().empty());
  CHECK(c.is_broken());
}

TEST_CASE("routes that no path could reach are refused when they are added") {
  http_routes r;
  const auto h = [](const http_request&) { return http_text(200, ""); };
  r.add("GET", "/a/{b}", h);
  CHECK_THROWS_AS(r.add("GET", "/a/{b}", h), actor_error);
  CHECK_THROWS_AS(r.add("G T", "/x", h), actor_error);
  for (const char* bad : {"x", "", "/{", "/a{b}", "/{a...}/b", "/{a}/{a}", "/{}", "/{a}{b}"})
    CHECK_THROWS_AS(r.add("GET", bad, h), actor_error);
}
