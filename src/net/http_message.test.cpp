// The values of HTTP, and the grammar of heads and chunks.

#include "net/internal/http_chunks.hpp"
#include "net/internal/http_head.hpp"
#include <odeon/net/http_message.hpp>

#include <doctest/doctest.h>

using namespace odeon;
using namespace odeon::http_detail;

namespace {

constexpr head_limits limits{1000, 4000, 20};

std::expected<request_head, refusal> parsed(std::string_view text) {
  head_scan scan;
  const auto size = scan.look(text, limits, true);
  if (!size) return std::unexpected(size.error());
  if (*size == 0) return std::unexpected(refusal{0, "not whole"});
  return parse_request_head(text.substr(0, *size));
}
int status_of(std::string_view text) {
  const auto r = parsed(text);
  return r ? 200 : r.error().status;
}
/// A request of this start line and these lines, with a host.
std::string request(std::string_view line, std::string_view fields = "") {
  return std::string(line) + "\r\nHost: a\r\n" + std::string(fields) + "\r\n";
}

struct decoded {
  std::string body;
  bool done = false;
  std::string wrong;
  std::size_t used = 0;
};
decoded chunked(std::string_view in, std::size_t step, std::size_t overhead = 100) {
  body_decoder d;
  d.begin(framing::chunked, 0, overhead);
  decoded out;
  std::size_t there = 0;
  while (!d.is_done() && out.used < in.size()) {
    there = std::min(in.size(), std::max(there, out.used) + step);
    while (out.used < there && !d.is_done()) {
      const auto s = d.take(in.substr(out.used, there - out.used));
      out.used += s.used;
      out.body += s.data;
      if (s.wrong) {
        out.wrong = s.wrong->why;
        return out;
      }
    }
  }
  out.done = d.is_done();
  return out;
}

}  // namespace

TEST_CASE("fields keep their order and are found without regard to case") {
  http_fields f{{"Accept", "a"}, {"X-One", "1"}, {"accept", "b, C"}};
  CHECK(f.size() == 3);
  CHECK(f.get("ACCEPT") == "a");
  CHECK(f.count("accept") == 2);
  CHECK(f.has_token("accept", "c"));
  CHECK_FALSE(f.has_token("accept", "d"));
  f.set("Accept", "z");
  CHECK(f.size() == 2);
  CHECK(f[0].name == "X-One");
  CHECK(f[1].value == "z");
  CHECK(f.remove("x-one") == 1);
  CHECK_FALSE(f.has("X-One"));
}

TEST_CASE("a field is never made into two by what it holds") {
  http_fields f;
  for (const char* bad : {"a\r\nX: y", "a\nb", "a\rb"})
    CHECK_THROWS_AS(f.add("X", bad), actor_error);
  CHECK_THROWS_AS(f.add("X", std::string_view("a\0b", 3)), actor_error);
  for (const char* bad : {"", "a b", "a:", "a\r\n"}) CHECK_THROWS_AS(f.add(bad, "x"), actor_error);
  CHECK(f.empty());
}

TEST_CASE("percent codes are decoded once, and wrong ones are refused with their offset") {
  CHECK(percent_decoded("a%20b%2541") == "a b%41");
  CHECK(percent_decoded("a+b", true) == "a b");
  CHECK(percent_decoded("a+b") == "a+b");
  for (const char* bad : {"%", "%4", "ab%zz", "%%41"})
    CHECK_FALSE(percent_decoded(bad).has_value());
  CHECK(percent_decoded("ab%4g").error().text().contains("offset 2"));
  CHECK(percent_encoded("a b/ü") == "a%20b%2F%C3%BC");
  http_request r;
  r.target = "/x?a=1&b=%20+c&b=2&bad=%zz&e";
  CHECK(r.query_value("a") == "1");
  CHECK(r.query_value("b") == "  c");
  CHECK(r.query_value("e") == "");
  CHECK(r.query_value("bad") == std::nullopt);
  CHECK(r.query_value("none") == std::nullopt);
}

TEST_CASE("UTF-8 is told from overlong forms, surrogates and what is cut") {
  CHECK(is_utf8("grüße €😀"));
  for (const char* bad : {"\xC0\xAF", "\xE0\x80\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\x80",
                          "\xE2\x82", "\xFF", "\xF0\x80\x80\x80"})
    CHECK_FALSE(is_utf8(bad));
}

TEST_CASE("an event's text cannot end the event or begin another field") {
  CHECK(to_text({.data = "one"}) == "data: one\n\n");
  CHECK(to_text({.data = "a\nb\r\nc\rd", .event = "x\nid: 1", .id = "7", .retry_ms = 10}) ==
        "event: xid: 1\nid: 7\nretry: 10\ndata: a\ndata: b\ndata: c\ndata: d\n\n");
}

TEST_CASE("a request's head is taken apart") {
  const auto r = parsed(request("POST /a%20b/c?x=%2F HTTP/1.1",
                                "Content-Length: 12\r\nX:  y \t\r\nConnection: close\r\n"));
  REQUIRE(r.has_value());
  CHECK(r->request.method == "POST");
  CHECK(r->request.path == "/a b/c");
  CHECK(r->request.query() == "x=%2F");
  CHECK(r->request.fields.get("x") == "y");
  CHECK(r->body == framing::length);
  CHECK(r->length == 12);
  CHECK_FALSE(r->keep_alive);
  CHECK(parsed("GET / HTTP/1.0\r\n\r\n")->keep_alive == false);
  CHECK(parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n")->keep_alive);
  CHECK(parsed(request("OPTIONS * HTTP/1.1"))->request.path == "*");
}

TEST_CASE("a head is found in whatever pieces it comes") {
  const std::string text = request("GET /x HTTP/1.1", "A: b\r\n");
  head_scan scan;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto r = scan.look(std::string_view(text).substr(0, i), limits, true);
    REQUIRE(r.has_value());
    CHECK(*r == 0);
  }
  CHECK(scan.look(text, limits, true) == text.size());
}

TEST_CASE("two ways of telling a body's length are refused") {
  for (const char* fields :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 5\r\n", "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Content-Length: 5, 5\r\n", "Content-Length: +5\r\n", "Content-Length: -1\r\n",
        "Content-Length: 0x5\r\n", "Content-Length: 5 5\r\n", "Content-Length:\r\n",
        "Content-Length: 99999999999999999999\r\n", "Content-Length : 5\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"})
    CHECK_MESSAGE(status_of(request("POST / HTTP/1.1", fields)) == 400, fields);
  for (const char* fields :
       {"Transfer-Encoding: gzip, chunked\r\n", "Transfer-Encoding: chunked, identity\r\n",
        "Transfer-Encoding: identity\r\n", "Transfer-Encoding: \"chunked\"\r\n",
        "Transfer-Encoding: xchunked\r\n"})
    CHECK_MESSAGE(status_of(request("POST / HTTP/1.1", fields)) == 501, fields);
  CHECK(status_of("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") == 400);
}

TEST_CASE("lines that two readers could part in two ways are refused") {
  for (const char* text :
       {"GET / HTTP/1.1\nHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\n\r\n",
        "GET / HTTP/1.1\rHost: a\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n z\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n X: y\r\n\r\n", "GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", "GET / HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX y: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n", "\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n"})
    CHECK_MESSAGE(status_of(text) >= 400, text);
  CHECK(status_of({"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n", 36}) == 400);
}

TEST_CASE("hosts, versions and targets that a server must not guess about are refused") {
  CHECK(status_of("GET / HTTP/1.1\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") == 400);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: me@a\r\n\r\n") == 400);
  CHECK(status_of(request("GET / HTTP/2.0")) == 505);
  CHECK(status_of(request("GET / HTTP/1.1", "Expect: wonders\r\n")) == 417);
  for (const char* target :
       {"http://a/", "a", "a:443", "*", "/a#b", "/%2e%2e/x", "/a/../b", "/a/.", "/..", "/a%2Fb",
        "/a%5cb", "/a\\b", "/%00", "/%0d%0a", "/%", "/%4", "/%zz", "/%ff", "/%c0%af"})
    CHECK_MESSAGE(status_of(request("GET " + std::string(target) + " HTTP/1.1")) == 400, target);
  CHECK(parsed(request("GET /%252e%252e/a HTTP/1.1"))->request.path == "/%2e%2e/a");
  CHECK(parsed(request("GET //a/ HTTP/1.1"))->request.path == "//a/");
}

TEST_CASE("a head past its limits is refused with the status of that limit") {
  CHECK(status_of("GET /" + std::string(2000, 'a')) == 414);
  CHECK(status_of("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(5000, 'a')) == 431);
  std::string many;
  for (int i = 0; i < 21; ++i) many += "X: y\r\n";
  CHECK(status_of(request("GET / HTTP/1.1", many)) == 431);
  CHECK(status_of(request("GET / HTTP/1.1", many.substr(0, many.size() - 12))) == 200);
}

TEST_CASE("chunks are the same in whatever pieces they come") {
  const std::string text = "5\r\nhello\r\n0A;x=\"y\"\r\n, worldly!\r\n000\r\nX-T: 1\r\n\r\nGET ";
  for (std::size_t step = 1; step < text.size(); ++step) {
    const auto d = chunked(text, step);
    CHECK(d.done);
    CHECK(d.body == "hello, worldly!");
    CHECK(text.substr(d.used) == "GET ");
  }
}

TEST_CASE("chunks in any but their strict form are refused") {
  for (const char* text :
       {"5 \r\nhello\r\n", "+5\r\nhello\r\n", "0x5\r\nhello\r\n", "\r\nhello", "5\nhello\r\n",
        "5\rhello\r\n", "5\r\nhelloo\r\n", "5\r\nhello\n", "5\r\nhello\rX", "g\r\n", ";a\r\n",
        "1000000000000000\r\n", "5;a\nb\r\n", "0\r\n \r\n\r\n", "0\r\n: a\r\n\r\n",
        "0\r\na b: c\r\n\r\n", "0\r\na: b\n\r\n", "0\r\na\r\n\r\n", "-1\r\n"})
    CHECK_MESSAGE(!chunked(text, 3).wrong.empty(), text);
  const std::string extension = "1;" + std::string(200, 'x') + "\r\na\r\n0\r\n\r\n";
  CHECK(chunked(extension, 7).wrong.contains("too many"));
  CHECK(chunked(extension, 7, 300).done);
}

TEST_CASE("an answer's head says how its body ends") {
  const auto body = [](std::string text, bool to_head = false) {
    const auto r = parse_response_head(text + "\r\n", to_head);
    return r ? std::optional(r->body) : std::nullopt;
  };
  CHECK(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n") == framing::length);
  CHECK(body("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n") == framing::none);
  CHECK(body("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n") == framing::chunked);
  CHECK(body("HTTP/1.1 200 OK\r\n") == framing::to_end);
  CHECK(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n", true) == framing::none);
  CHECK(body("HTTP/1.1 204 No Content\r\n") == framing::none);
  CHECK(body("HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n") == framing::none);
  CHECK(body("HTTP/1.1 999 No\r\n") == std::nullopt);
  CHECK(body("HTTP/1.1 2x0 OK\r\n") == std::nullopt);
  CHECK(body("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n") == std::nullopt);
}

TEST_CASE("the handshake of WebSocket has the answer of its standard") {
  CHECK(websocket_accept("dGhlIHNhbXBsZSBub25jZQ==") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
  CHECK(base64("the sample nonce") == "dGhlIHNhbXBsZSBub25jZQ==");
}
