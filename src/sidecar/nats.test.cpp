#include "sidecar/nats_server.test.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/sidecar/nats.hpp>

#include <doctest/doctest.h>

#include <map>
#include <mutex>
#include <string>
#include <vector>

#if __has_include(<nats/nats.h>)
#include <nats/nats.h>
#endif

namespace odeon::sidecar {
namespace {

using namespace std::chrono_literals;

TEST_CASE("the environment names the servers of NATS") {
  std::map<std::string, std::string> set;
  const auto read = [&] {
    return nats_from_environment([&](const std::string& name) -> std::optional<std::string> {
      const auto v = set.find(name);
      if (v == set.end()) return std::nullopt;
      return v->second;
    });
  };
  CHECK_FALSE(read().value().has_value());
  set = {{"SPAWN_INTERNAL_NATS_HOSTS", "nats://a:1,nats://b:2"},
         {"SPAWN_INTERNAL_NATS_AUTH_USER", "odeon"},
         {"SPAWN_INTERNAL_NATS_AUTH_PASS", "pw"}};
  CHECK(read().value()->servers == "nats://a:1,nats://b:2");
  CHECK(read().value()->user == "odeon");
  CHECK(read().value()->password == "pw");
  set["SPAWN_INTERNAL_NATS_AUTH_TOKEN"] = "t";
  CHECK(read().error() == errc::config_invalid);
}

#if __has_include(<nats/nats.h>)

/// One side: what it was asked and told, and how it answers.
struct sidecar_side {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  std::mutex mutex;
  std::vector<invocation> asked;
  std::vector<broadcast> told;
  std::vector<activation_target::done_fn> kept;
  bool keeps = false;  ///< does not answer
  std::shared_ptr<nats_link> link;

  result<void> connect(const std::string& url, nats_options o = {}) {
    o.servers = url;
    o.reconnect_delay = 20ms;
    nats_target target;
    target.actors.invoke = [this](invocation what, std::optional<time_point>,
                                  activation_target::done_fn done) {
      invocation_answer answer{outcome::ok, "", json_any("\"" + what.action + "!\"")};
      const std::lock_guard guard(mutex);
      if (what.action == "fail") answer = {outcome::error, "no luck", {}};
      asked.push_back(std::move(what));
      if (keeps)
        kept.push_back(std::move(done));
      else
        done(std::move(answer));
    };
    target.publish_here = [this](broadcast b) {
      const std::lock_guard guard(mutex);
      told.push_back(std::move(b));
    };
    auto made = connect_nats(*rt, std::move(target), std::make_shared<descriptors>(), o);
    if (!made) return std::unexpected(made.error());
    link = std::move(*made);
    return {};
  }
  invocation_answer invoke(invocation what, duration limit = 60s) {
    return *wait_for<invocation_answer>(*rt, [&](auto done) {
      link->invoke(std::move(what), rt->now() + limit,
                   [done = std::move(done)](invocation_answer a) mutable { done(std::move(a)); });
    });
  }
  /// Once the server knows of what was subscribed.
  invocation_answer invoke_until_there(const invocation& what) {
    patience waiting(60s);
    auto a = invoke(what);
    while (a.status == outcome::actor_not_found && waiting.pause()) a = invoke(what);
    return a;
  }
  std::size_t count_told() {
    const std::lock_guard guard(mutex);
    return told.size();
  }
};

TEST_CASE("an actor of another sidecar's system is invoked over NATS") {
  const auto server = nats_test::server::make();
  if (!server) return;
  sidecar_side here, there;
  REQUIRE(here.connect(server->url()).has_value());
  REQUIRE(there.connect(server->url()).has_value());
  const std::string strange = "a.b c*>\xc3\xa4";
  for (const std::string& system : {std::string("bank"), strange}) {
    there.link->registered(system);
    there.link->registered(system);
    invocation what{.actor = {system, "joe", "person"},
                    .action = "deposit",
                    .value = any{"type.googleapis.com/x", std::string("\0\xff", 2)},
                    .caller = actor_id{"shop", "ann", ""},
                    .metadata = {{"trace", "1"}}};
    const auto a = here.invoke_until_there(what);
    CHECK(a.status == outcome::ok);
    CHECK((a.value == json_any("\"deposit!\"")));
    const std::lock_guard guard(there.mutex);
    REQUIRE_FALSE(there.asked.empty());
    CHECK(there.asked.back().actor == what.actor);
    CHECK((there.asked.back().value == what.value));
    CHECK((there.asked.back().caller == what.caller));
    CHECK((there.asked.back().metadata == what.metadata));
  }
  const auto failed = here.invoke({.actor = {"bank", "joe"}, .action = "fail"});
  CHECK(failed.status == outcome::error);
  CHECK(failed.message == "no luck");
  const auto nobody = here.invoke({.actor = {"unknown", "joe"}, .action = "x"});
  CHECK(nobody.status == outcome::actor_not_found);
  CHECK(nobody.message == "no sidecar keeps that actor system");
  CHECK(here.invoke({.actor = {std::string(1500, 's'), "joe"}}).status == outcome::error);
}

TEST_CASE("a request ends at its deadline, and when the link ends") {
  const auto server = nats_test::server::make();
  if (!server) return;
  sidecar_side here, there;
  REQUIRE(here.connect(server->url()).has_value());
  REQUIRE(there.connect(server->url()).has_value());
  REQUIRE(there.link->serve("bank").has_value());
  CHECK(here.invoke_until_there({.actor = {"bank", "joe"}}).status == outcome::ok);
  {
    const std::lock_guard guard(there.mutex);
    there.keeps = true;
  }
  const auto late = here.invoke({.actor = {"bank", "joe"}}, 100ms);
  CHECK(late.status == outcome::error);
  CHECK(late.message == "no answer came over NATS in time");
  CHECK(here.link->figures().timeouts == 1);
  std::optional<invocation_answer> ended;
  here.link->invoke({.actor = {"bank", "joe"}}, here.rt->now() + 1h,
                    [&](invocation_answer a) { ended = std::move(a); });
  here.link.reset();
  REQUIRE(ended.has_value());
  CHECK(ended->message == "the link to NATS was closed");
  // Those who were asked answer when nobody is there any more.
  there.link.reset();
  for (auto& done : there.kept) done(invocation_answer{});
}

TEST_CASE("a broadcast reaches the other sidecars, and not its own") {
  const auto server = nats_test::server::make();
  if (!server) return;
  sidecar_side here, there;
  REQUIRE(here.connect(server->url()).has_value());
  REQUIRE(there.connect(server->url()).has_value());
  const broadcast news{"news.of *", "read", json_any("1")};
  patience waiting(60s);
  do here.link->publish("bank", news);
  while (there.count_told() == 0 && waiting.pause());
  REQUIRE(there.count_told() > 0);
  CHECK(there.told[0].channel == news.channel);
  CHECK(there.told[0].action == "read");
  CHECK((there.told[0].value == news.value));
  // What comes back to `here` from `there` is after all that it sent itself.
  while (here.count_told() == 0 && waiting.pause()) there.link->publish("shop", {"back", "", {}});
  REQUIRE(here.count_told() > 0);
  CHECK(here.told[0].channel == "back");
}

TEST_CASE("a subject invokes an actor, and who asked gets JSON; bad messages are counted") {
  const auto server = nats_test::server::make();
  if (!server) return;
  sidecar_side side;
  REQUIRE(side.connect(server->url()).has_value());
  nats_activator orders{.name = "orders", .subject = "orders.*"};
  orders.what = {.system = "shop", .actor = "desk", .action = "order"};
  REQUIRE(side.link->add(orders).has_value());
  nats_activator broken{.name = "broken", .subject = "broken"};
  broken.what = {.system = "shop", .actor = "desk", .action = "fail"};
  REQUIRE(side.link->add(broken).has_value());
  REQUIRE(side.link->serve("shop").has_value());
  CHECK_FALSE(side.link->add({.name = "bad", .subject = "a..b"}).has_value());
  natsConnection* client = nullptr;
  REQUIRE(natsConnection_ConnectTo(&client, server->url().c_str()) == NATS_OK);
  const auto ask = [&](const char* subject, const std::string& text) {
    patience waiting(60s);
    natsMsg* reply = nullptr;
    natsStatus s = NATS_OK;
    do
      s = natsConnection_Request(&reply, client, subject, text.data(),
                                 static_cast<int>(text.size()), 60'000);
    while (s == NATS_NO_RESPONDERS && waiting.pause());
    REQUIRE(s == NATS_OK);
    std::string out(natsMsg_GetData(reply), static_cast<std::size_t>(natsMsg_GetDataLength(reply)));
    natsMsg_Destroy(reply);
    return out;
  };
  CHECK(ask("orders.new", "{\"n\": 1}") == "\"order!\"");
  {
    const std::lock_guard guard(side.mutex);
    CHECK((side.asked[0].actor == actor_id{"shop", "desk", ""}));
    CHECK((side.asked[0].value == json_any("{\"n\": 1}")));
  }
  CHECK(ask("broken", "") == R"({"status":"ERROR","message":"no luck"})");
  CHECK(ask("orders.new", "\xff").find("UTF-8") != std::string::npos);
  CHECK(ask("spawn.shop.invoke", "garbage").find("not an invocation") != std::string::npos);
  CHECK(side.link->figures().malformed == 2);
  CHECK(side.link->figures().served == 2);
  CHECK(natsConnection_PublishString(client, "spawn.channels.x", "garbage") == NATS_OK);
  patience waiting(60s);
  while (side.link->figures().malformed < 3 && waiting.pause()) {
  }
  CHECK(side.link->figures().malformed == 3);
  natsConnection_Destroy(client);
}

TEST_CASE("a link outlives its server, and works again when the server is back") {
  const auto server = nats_test::server::make();
  if (!server) return;
  sidecar_side here, there;
  REQUIRE(here.connect(server->url()).has_value());
  REQUIRE(there.connect(server->url()).has_value());
  REQUIRE(there.link->serve("bank").has_value());
  CHECK(here.invoke_until_there({.actor = {"bank", "joe"}}).status == outcome::ok);
  server->kill();
  CHECK(here.invoke({.actor = {"bank", "joe"}}, 200ms).status == outcome::error);
  server->start();
  patience waiting(60s);
  invocation_answer a{.status = outcome::error};
  while (a.status != outcome::ok && waiting.pause())
    a = here.invoke({.actor = {"bank", "joe"}}, 1s);
  CHECK(a.status == outcome::ok);
  CHECK(here.link->figures().connected);
}

TEST_CASE("a server that is not there and a wrong password are told at the start") {
  sidecar_side side;
  const auto nobody = side.connect("nats://127.0.0.1:1", {.connect_time = 2s});
  REQUIRE_FALSE(nobody.has_value());
  CHECK(nobody.error() == errc::unreachable);
  CHECK(side.connect("no such url").error() != errc::internal);
  const auto server = nats_test::server::make({"--user", "odeon", "--pass", "right"});
  if (!server) return;
  const auto wrong = side.connect(server->url(), {.user = "odeon", .password = "wrong"});
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error() == errc::authentication_failed);
  CHECK(std::string(wrong.error().text()).find("wrong") == std::string::npos);
  std::string with_secret = server->url();
  with_secret.insert(with_secret.find("//") + 2, "odeon:a-secret@");
  const auto refused = side.connect(with_secret);
  REQUIRE_FALSE(refused.has_value());
  CHECK(refused.error().text().find("a-secret") == std::string_view::npos);
  CHECK(refused.error().text().find(server->url()) != std::string_view::npos);
  CHECK(side.connect(server->url(), {.user = "odeon", .password = "right"}).has_value());
}

#else

TEST_CASE("a program without NATS says so") {
  const auto rt = make_threaded_runtime();
  const auto made = connect_nats(*rt, {}, nullptr);
  REQUIRE_FALSE(made.has_value());
  CHECK(made.error().text() ==
        "this program was built without NATS: install libnats-dev and build it again");
}

#endif

}  // namespace
}  // namespace odeon::sidecar
