// Bodies in pieces, both ways, over connections in memory and under virtual time.

#include "net/http_place.test.hpp"

using namespace http_test;

TEST_CASE("an answer in pieces keeps to its reader's pace and to its bound") {
  std::optional<http_writer> out;
  http_routes r;
  r.add("GET", "/",
        [&](http_request, http_responder to) { out = to.start({.fields = {{"X-A", "b"}}}); });
  place p(std::move(r), {.unsent_bytes = 10'000});
  raw_peer c = p.connect();
  c.send(get("/"));
  p.rt.settle();
  REQUIRE(out.has_value());
  later<result<void>> one(p.rt), two(p.rt), three(p.rt), end(p.rt);
  out->write(std::string(9'000, 'a'), one.done());
  out->write("", two.done());
  CHECK(two.get().has_value());
  p.rt.settle();
  CHECK_FALSE(one.is_there());  // nobody reads, and the network holds 4096
  CHECK(out->unsent() == 9'000);
  later<result<void>> beyond(p.rt);
  out->write(std::string(2'000, 'b'), beyond.done());
  CHECK(beyond.get().error() == errc::limit_exceeded);
  c.read_until(std::string(9'000, 'a'));
  CHECK(one.get().has_value());
  CHECK(out->unsent() == 0);
  out->write("the end", three.done());
  out->end(end.done());
  const std::string all = c.read_until("0\r\n\r\n");
  CHECK(all.contains("Transfer-Encoding: chunked\r\n"));
  CHECK(all.contains("2328\r\naaa"));
  CHECK(all.ends_with("\r\n7\r\nthe end\r\n0\r\n\r\n"));
  CHECK(three.get().has_value());
  CHECK(end.get().has_value());
  // The connection goes on.
  c.forget();
  c.send(get("/"));
  p.rt.settle();
  out->abort();
  CHECK_FALSE(c.read_all().contains("0\r\n\r\n"));  // a part is not taken for the whole
  CHECK(c.is_broken());
}

TEST_CASE("events reach the client, and the handler learns when it goes") {
  std::optional<http_writer> out;
  http_routes r;
  r.add("GET", "/events", [&](http_request, http_responder to) { out = to.start_events(); });
  place p(std::move(r));
  raw_peer c = p.connect();
  c.send(get("/events"));
  p.rt.settle();
  later<result<void>> sent(p.rt), lost(p.rt);
  out->send({.data = "1", .event = "tick"}, sent.done());
  CHECK(c.read_until("data: 1\n\n").contains("Content-Type: text/event-stream\r\n"));
  CHECK(sent.get().has_value());
  c.get().abort();
  p.rt.settle();
  out->send({.data = "2"}, lost.done());
  CHECK(lost.get().error() == errc::cancelled);
}

TEST_CASE("a stated length is kept: more is refused, less ends the connection") {
  std::optional<http_writer> out;
  http_routes r;
  r.add("GET", "/", [&](http_request, http_responder to) { out = to.start({}, 5); });
  place p(std::move(r));
  raw_peer c = p.connect();
  c.send(get("/"));
  p.rt.settle();
  later<result<void>> good(p.rt), more(p.rt), end(p.rt);
  out->write("abc", good.done());
  out->write("def", more.done());
  CHECK(more.get().error() == errc::invalid_argument);
  out->end(end.done());
  CHECK(end.get().error() == errc::invalid_argument);
  (void)c.read_all();
  CHECK(c.is_broken());
}

TEST_CASE("a streamed body is read as fast as its handler takes it") {
  std::optional<http_reader> in;
  std::optional<http_responder> to;
  http_routes r;
  r.add_stream("PUT", "/", [&](http_request, http_reader body, http_responder answer) {
    in = std::move(body);
    to = std::move(answer);
  });
  place p(std::move(r), {.body_time = 10s});
  raw_peer c = p.connect();
  const std::size_t size = 1'000'000;
  const std::string all = "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: " + std::to_string(size) +
                          "\r\n\r\n" + std::string(size, 'z');
  later<result<void>> sent(p.rt);
  c.get().write(std::as_bytes(std::span(all)), sent.done());
  p.rt.settle();
  CHECK_FALSE(sent.is_there());
  p.rt.advance(30s);  // the handler is slow, not the client
  REQUIRE(in.has_value());
  std::size_t got = 0, largest = 0;
  for (;;) {
    later<result<std::string>> l(p.rt);
    in->read(l.done());
    const auto part = l.get();
    REQUIRE(part.has_value());
    if (part->empty()) break;
    got += part->size();
    largest = std::max(largest, part->size());
  }
  CHECK(got == size);
  CHECK(largest <= 200'000);
  CHECK(sent.get().has_value());
  to->send(http_text(200, "thanks"));
  CHECK(body_of(c.read_answer()) == "thanks");
}

TEST_CASE("a streamed body that stops, breaks or is cut is told to its handler") {
  std::optional<http_reader> in;
  std::optional<http_responder> to;
  http_routes r;
  r.add_stream("PUT", "/",
               [&](http_request, http_reader body, http_responder answer) {
                 in = std::move(body);
                 to = std::move(answer);
               },
               {.body_bytes = 1000});
  place p(std::move(r), {.body_time = 3s});
  const std::string head = "PUT / HTTP/1.1\r\nHost: a\r\n";
  const auto outcome = [&](const std::string& bytes, auto then) {
    raw_peer c = p.connect();
    c.send(head + bytes);
    then(c);
    p.rt.settle();
    for (;;) {
      later<result<std::string>> l(p.rt);
      in->read(l.done());
      const auto part = l.get();
      if (!part) return part.error().code();
      if (part->empty()) return errc{};
    }
  };
  const auto nothing = [](raw_peer&) {};
  CHECK(outcome("Content-Length: 2\r\n\r\nab", nothing) == errc{});
  CHECK(outcome("Content-Length: 5\r\n\r\nab", [](raw_peer& c) { c.end_writing(); }) ==
        errc::truncated);
  CHECK(outcome("Content-Length: 5\r\n\r\nab", [](raw_peer& c) { c.get().abort(); }) ==
        errc::cancelled);
  CHECK(outcome("Content-Length: 5\r\n\r\nab", nothing) == errc::ask_timeout);
  CHECK(outcome("Transfer-Encoding: chunked\r\n\r\n1\r\naX", nothing) == errc::bad_encoding);
  CHECK(outcome("Transfer-Encoding: chunked\r\n\r\n7D0\r\n" + std::string(2000, 'a'), nothing) ==
        errc::limit_exceeded);
}

TEST_CASE("a cut body is answered when its handler answers, and a whole one is read to its end") {
  std::optional<http_reader> in;
  std::string got;
  std::shared_ptr<http_responder> to_answer;
  http_routes r;
  r.add_stream("PUT", "/", [&](http_request, http_reader body, http_responder to) {
    in = std::move(body);
    auto answer = std::make_shared<http_responder>(std::move(to));
    in->read([&, answer](result<std::string> part) {
      if (!part) return answer->send(http_text(400, "cut"));
      got += *part;
      in->read([answer](result<std::string> rest) {
        answer->send(http_text(rest ? 200 : 400, rest ? "whole" : "cut"));
      });
    });
  });
  r.add_stream("PUT", "/slow", [&](http_request, http_reader body, http_responder to) {
    in = std::move(body);
    to_answer = std::make_shared<http_responder>(std::move(to));
  });
  place p(std::move(r));
  CHECK(p.ask("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc").ends_with("cut"));
  // Its client has ended before the handler has read what fits into no buffer.
  raw_peer c = p.connect();
  const std::string body(150'000, 'w');
  const std::string all = "PUT /slow HTTP/1.1\r\nHost: a\r\nContent-Length: 150000\r\n\r\n" + body;
  later<result<void>> sent(p.rt);
  c.get().write(std::as_bytes(std::span(all)), sent.done());
  p.rt.settle();
  std::size_t size = 0;
  for (bool first = true;; first = false) {
    later<result<std::string>> l(p.rt);
    in->read(l.done());
    const auto part = l.get();
    REQUIRE(part.has_value());
    if (part->empty()) break;
    size += part->size();
    if (first) {
      p.rt.settle();
      CHECK(sent.is_there());
      CHECK(c.end_writing());
      p.rt.settle();
    }
  }
  CHECK(size == body.size());
  to_answer->send(http_text(200, "thanks"));
  CHECK(c.read_all().ends_with("thanks"));
}
