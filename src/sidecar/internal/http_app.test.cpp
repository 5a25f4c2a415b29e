// The client of apps over connections in memory, under virtual time: against apps that answer well,
// badly, late and not at all.

#include "sidecar/internal/http_app.hpp"

#include "sidecar/internal/wire_bytes.test.hpp"
#include "support/raw_peer.hpp"
#include <odeon/net/http_server.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>

#include <optional>

using namespace odeon;
using namespace odeon::sidecar;
using namespace odeon::sidecar::wire_bytes;
using namespace std::chrono_literals;

namespace {

struct world {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt);
  std::string path, body, type;
  http_response answer{.body = bytes(1, "joe") + bytes(4, any_bytes("t/V", "v"))};
  bool silent = false;
  std::vector<http_responder> kept;
  http_server server{rt, routes()};
  std::string address = *server.listen(*net, "app:0");
  std::optional<http_apps> apps;

  explicit world(http_app_options o = {}) {
    o.plain = net.get();
    apps.emplace(rt, o);
  }
  http_routes routes() {
    http_routes r;
    r.add("POST", "/{all...}", [this](http_request q, http_responder to) {
      path = q.path;
      body = q.body;
      type = std::string(q.fields.get("Content-Type").value_or(""));
      if (silent)
        kept.push_back(std::move(to));
      else
        to.send(answer);
    });
    return r;
  }
  result<action_answer> call(duration limit = 60s) { return call(*apps->at(address), limit); }
  result<action_answer> call(host_app& app, duration limit = 60s) {
    test::later<result<action_answer>> l(rt);
    app.call({.actor = {"bank", "joe"}, .action = "get"}, rt.now() + limit, l.done());
    return l.get(120s);
  }
};

}  // namespace

TEST_CASE("an action is called with the protocol's message at the protocol's path") {
  world w;
  const auto a = w.call();
  REQUIRE(a);
  CHECK(a->value == any{"t/V", "v"});
  CHECK(w.path == "/api/v1/actors/actions");
  CHECK(w.type == "application/octet-stream");
  CHECK(w.body == bytes(1, id_bytes("joe", "bank")) + bytes(2, "get") +
                      bytes(3, bytes(3, id_bytes("joe", "bank"))) + bytes(5, {}));
  REQUIRE(w.call());
  CHECK(w.apps->figures().connected == 1);  // and kept
  CHECK(w.apps->calls() == 2);
  CHECK(w.apps->errors() == 0);
}

TEST_CASE("an app that says 500 has failed, with what its page says") {
  world w;
  w.answer = {.status = 500,
              .body =
                  "<!doctype html>\n<html lang=en>\n<title>500 Internal Server Error</title>\n"
                  "<h1>Internal Server Error</h1>\n"};
  const auto a = w.call();
  REQUIRE_FALSE(a);
  CHECK(a.error() == errc::handler_failed);
  CHECK(a.error().text() == "it answered 500: 500 Internal Server Error");
  w.answer = {.status = 404};
  CHECK(w.call().error() == errc::handler_failed);
  CHECK(w.apps->errors() == 2);
}

TEST_CASE("an app that is not ready is not there") {
  world w;
  w.answer = {.status = 503, .body = "starting"};
  CHECK(w.call().error() == errc::unreachable);
}

TEST_CASE("garbage, an answer of another actor and one that is too long are no answers") {
  world w({.answer_bytes = 1000});
  for (const std::string& body :
       {std::string("ok"), std::string(), bytes(1, "mia"), std::string(1001, 'x')}) {
    w.answer = {.body = body};
    const auto a = w.call();
    REQUIRE_FALSE(a);
    CHECK(a.error() == errc::bad_encoding);
    CHECK_FALSE(a.error().text().empty());
  }
}

TEST_CASE(
    "an app that does not answer is given up at the deadline, and its late answer is dropped") {
  world w;
  w.silent = true;
  const time_point begin = w.rt.now(clock_domain::housekeeping);
  const auto a = w.call(3s);
  REQUIRE_FALSE(a);
  CHECK(a.error() == errc::ask_timeout);
  CHECK(w.rt.now(clock_domain::housekeeping) - begin == 3s);
  REQUIRE(w.kept.size() == 1);
  w.kept[0].send({.body = bytes(1, "joe")});
  w.silent = false;
  w.answer = {.body = bytes(1, "joe") + bytes(4, any_bytes("t/V", "second"))};
  const auto next = w.call();
  REQUIRE(next);
  CHECK(next->value == any{"t/V", "second"});
  CHECK(w.call(0s).error() == errc::ask_timeout);  // nothing is sent without time
}

TEST_CASE("where nobody listens, and where the connection breaks, is no app") {
  world w;
  CHECK(w.call(*w.apps->at("nobody:7")).error() == errc::unreachable);
  auto l = *w.net->listen("crash:0");
  test::later<result<std::unique_ptr<connection>>> c(w.rt);
  l->accept(c.done());
  test::later<result<action_answer>> a(w.rt);
  w.apps->at(l->local_address())
      ->call({.actor = {"bank", "joe"}, .action = "get"}, w.rt.now() + 60s, a.done());
  test::raw_peer peer(w.rt, *c.get());
  CHECK(peer.read_until("\r\n\r\n").starts_with("POST /api/v1/actors/actions HTTP/1.1"));
  peer.get().abort();
  CHECK(a.get().error() == errc::unreachable);
}

TEST_CASE("an app that is kept after its server answers that nobody is called any more") {
  world w;
  const auto app = w.apps->at(w.address);
  w.silent = true;
  test::later<result<action_answer>> a(w.rt);
  app->call({.actor = {"bank", "joe"}, .action = "get"}, w.rt.now() + 60s, a.done());
  w.apps.reset();
  CHECK(a.get().error() == errc::unreachable);
  CHECK(w.call(*app).error() == errc::unreachable);
}

TEST_CASE("what a page says is its first line, without tags") {
  CHECK(first_text("boom") == "boom");
  CHECK(first_text("\n  <p>a\tb</p>\nmore") == "a b");
  CHECK(first_text("<html><body>") == "");
  CHECK(first_text("<never closed") == "");
  CHECK(first_text(std::string(500, 'x')) == std::string(200, 'x'));
}
