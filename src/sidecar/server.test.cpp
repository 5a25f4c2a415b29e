// The server over connections in memory, under virtual time, between an app and those who invoke.

#include "sidecar/internal/metrics.hpp"
#include "sidecar/internal/wire_bytes.test.hpp"
#include "support/raw_peer.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/net/http_client.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/sidecar/server.hpp>

#include <doctest/doctest.h>

#include <optional>

using namespace odeon;
using namespace odeon::sidecar;
using namespace odeon::sidecar::wire_bytes;
using namespace std::chrono_literals;

namespace {

constexpr char base[] = "/api/v1/system";

/// A sidecar with an app, in one network.
struct world {
  simulated_runtime rt;
  std::unique_ptr<transport> net = make_memory_transport(rt);
  std::shared_ptr<state_store> store =
      make_state_store(rt, std::shared_ptr<journal>(make_memory_journal(rt)));
  std::vector<std::string> called;
  http_server app{rt, app_routes()};
  std::string app_at = *app.listen(*net, "app:8090");
  http_client web{rt, {.plain = net.get()}};
  std::optional<actor_system> system;
  std::optional<engine> actors;
  std::optional<server> face;
  std::string url;

  world() { start(); }
  void start() {
    system.emplace("sidecar", system_options{.runtime = &rt});
    actors.emplace(*system, store);
    face.emplace(rt, *actors, *net, server_options{.app_host = "app", .remember = store});
    CHECK(face->recall().result());
    url = "http://" + face->listen(*net, "sidecar:0").value();
  }
  void stop() {
    CHECK(actors->stop(30s).get() == 0);
    face.reset();
    actors.reset();
    system.reset();
  }
  /// Each action answers with what it was given, and takes it for its state.
  http_routes app_routes() {
    http_routes r;
    r.add("POST", "/api/v1/actors/actions", [this](const http_request& q) {
      called.push_back(q.body);
      const bool is_mike = q.body.contains("mike");
      return http_response{.body = bytes(1, is_mike ? "mike" : "joe") +
                                   bytes(3, bytes(1, any_bytes("t/S", "new"))) +
                                   bytes(4, any_bytes("t/V", "done")) + number(7, 1)};
    });
    return r;
  }
  http_response send(const std::string& method, const std::string& target,
                     const std::string& body = {}) {
    test::later<result<http_response>> l(rt);
    web.send({.method = method, .url = url + target, .body = body}, l.done());
    auto r = l.get(120s);
    REQUIRE(r);
    return *r;
  }
  http_response post(const std::string& target, const std::string& body) {
    return send("POST", base + target, body);
  }
  void add_actors() {
    const std::string joe = actor_bytes("joe", "bank", 1, true, {"put"});
    CHECK(post("", registration_bytes("bank", "joe", joe)).status == 200);
    const std::string account = actor_bytes("account", "shop", 2, true, {"put"});
    CHECK(post("", registration_bytes("shop", "account", account)).status == 200);
  }
  std::string metric(const std::string& name) {
    const std::string text = send("GET", "/metrics").body;
    const std::string line = "\nodeon_sidecar_" + name + " ";
    const auto at = text.find(line);
    if (at == std::string::npos) return "none";
    return text.substr(at + line.size(), text.find('\n', at + 1) - at - line.size());
  }
};

const std::string given = bytes(4, any_bytes("t/R", "r"));

}  // namespace

TEST_CASE("the age of what waits in mailboxes is a metric of its own name, in seconds") {
  all_figures all{};
  all.actors.oldest_waiting = 12'034ms;
  CHECK(
      to_prometheus(all).contains("\n# TYPE odeon_mailbox_oldest_seconds gauge\n"
                                  "odeon_mailbox_oldest_seconds 12.034\n"));
  world w;
  CHECK(w.send("GET", "/metrics").body.contains("\nodeon_mailbox_oldest_seconds 0.000\n"));
}

TEST_CASE("an app registers, spawns and invokes over HTTP") {
  world w;
  w.add_actors();
  const http_response joe =
      w.post("/bank/actors/joe/invoke", invocation_bytes("bank", "joe", "put", given));
  CHECK(joe.status == 200);
  CHECK(joe.fields.get("Content-Type") == "application/octet-stream");
  CHECK(joe.body == bytes(1, number(1, 1)) + bytes(2, bytes(1, "bank")) +
                        bytes(3, bytes(1, id_bytes("joe", "bank"))) +
                        bytes(4, any_bytes("t/V", "done")));
  CHECK(w.post("/shop/actors/spawn", bytes(1, id_bytes("mike", "shop", "account"))).status == 200);
  CHECK(w.post("/shop/actors/mike/invoke", invocation_bytes("shop", "mike", "put")).status == 200);
  REQUIRE(w.called.size() == 2);
  CHECK(w.called[1].starts_with(bytes(1, id_bytes("mike", "shop", "account")) + bytes(2, "put")));
  CHECK(w.face->figures().registrations == 2);
  CHECK(w.face->figures().invocations == 2);
  CHECK(w.metric("app_calls_total") == "2");
  CHECK(w.metric("checkpoints_total") == "2");
}

TEST_CASE("a state is shown with its revision") {
  world w;
  w.add_actors();
  CHECK(w.send("GET", std::string(base) + "/bank/actors/joe").status == 404);
  CHECK(w.post("/bank/actors/joe/invoke", invocation_bytes("bank", "joe", "put")).status == 200);
  const http_response state = w.send("GET", std::string(base) + "/bank/actors/joe");
  CHECK(state.status == 200);
  CHECK(state.body == bytes(1, number(1, 1)) + bytes(2, bytes(2, any_bytes("t/S", "new"))));
}

TEST_CASE("what cannot be done is told in the message of the endpoint") {
  world w;
  w.add_actors();
  const auto told = [](int status, char code) {
    return [=](const http_response& r) {
      CHECK(r.status == status);
      CHECK(r.body.size() > 4);
      CHECK(r.body[0] == '\x0a');  // the first field: the request's status
      CHECK(r.body.contains(std::string{'\x08', code, '\x12'}));
    };
  };
  told(500, 2)(w.post("/bank/actors/eva/invoke", invocation_bytes("bank", "eva", "put")));
  told(500, 3)(w.post("/bank/actors/joe/invoke", invocation_bytes("bank", "joe", "dance")));
  told(400, 3)(w.post("/bank/actors/joe/invoke", "garbage"));
  told(400, 3)(w.post("/bank/actors/joe/invoke", invocation_bytes("bank", "mia", "put")));
  told(400, 3)(w.post("/bank/actors/spawn", "\x01"));
  told(400,
       3)(w.post("/shop/actors/spawn?revision=-1", bytes(1, id_bytes("x", "shop", "account"))));
  told(500, 3)(w.post("/shop/actors/spawn", bytes(1, id_bytes("x", "shop", "nothing"))));
  told(400, 3)(w.post("", "garbage"));
  CHECK(w.called.empty());
  CHECK(w.metric("malformed_total") == "5");
  CHECK(w.send("GET", "/nowhere").status == 404);
  CHECK(w.send("GET", base).status == 405);
}

TEST_CASE("registrations are there again after a restart, and so are the states") {
  world w;
  w.add_actors();
  CHECK(w.post("/bank/actors/joe/invoke", invocation_bytes("bank", "joe", "put")).status == 200);
  w.stop();
  w.start();
  const http_response got =
      w.post("/bank/actors/joe/invoke", invocation_bytes("bank", "joe", "get"));
  CHECK(got.status == 200);
  CHECK(got.body.ends_with(bytes(4, any_bytes("t/S", "new"))));
  CHECK(w.face->figures().registrations == 0);  // nobody had to
}

TEST_CASE("a server that ends is alive and not ready") {
  world w;
  CHECK(w.send("GET", "/health").body == "ok\n");
  CHECK(w.send("GET", "/health/liveness").status == 200);
  CHECK(w.send("GET", "/health/readiness").status == 200);
  CHECK(w.metric("registrations_total") == "0");
  w.face->not_ready();
  CHECK(w.send("GET", "/health/liveness").status == 200);
  CHECK(w.send("GET", "/health/readiness").status == 503);
  CHECK(w.face->drain(5s).get() == 0);
}
