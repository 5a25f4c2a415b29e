#include "sidecar/nats_server.test.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/sidecar/actor.hpp>
#include <odeon/sidecar/engine.hpp>
#include <odeon/sidecar/nats.hpp>

#include <doctest/doctest.h>

#include <atomic>
#include <string>

namespace odeon::sidecar {
namespace {

#if __has_include(<nats/nats.h>)

/// An engine whose actor "desk" of one system keeps what was said, and hears channel "news".
struct office {
  std::unique_ptr<runtime> rt = make_threaded_runtime();
  actor_system system;
  std::atomic<int> heard{0};
  engine actors;
  std::shared_ptr<nats_link> link;

  office(const std::string& name, const std::string& url)
      : system(name, {.runtime = rt.get()}),
        actors(system, make_state_store(*rt, make_memory_journal(*rt))) {
    auto made = connect_nats(
        *rt, {target_of(actors), [this](broadcast b) { actors.publish_here(std::move(b)); }},
        std::make_shared<descriptors>(), {.servers = url});
    REQUIRE_MESSAGE(made.has_value(), (made ? "" : made.error().to_string()));
    link = std::move(*made);
    actors.set_elsewhere(link);
    auto desk = local_actor{"desk", {.channel = "news"}}
                    .action("add",
                            [](const action_call& c) {
                              const any now{"text", (c.state ? c.state->value : "") +
                                                        (c.value ? c.value->value : "")};
                              return value().state(now).reply(now).checkpoint();
                            })
                    .action("hear", [this](const action_call&) {
                      ++heard;
                      return value();
                    });
    const auto registered = actors.register_app(local_app(system, name, {desk}));
    REQUIRE_MESSAGE(registered.has_value(), (registered ? "" : registered.error().to_string()));
  }
  ~office() {
    actors.set_elsewhere(nullptr);
    link->close();
  }
  invocation_answer ask(const std::string& whose, const std::string& text) {
    return actors.invoke({.actor = {whose, "desk"}, .action = "add", .value = any{"text", text}})
        .get();
  }
};

TEST_CASE("engines invoke each other's actors and share channels over NATS") {
  const auto server = nats_test::server::make();
  if (!server) return;
  office bank("bank", server->url()), shop("shop", server->url());
  patience waiting(std::chrono::seconds(60));
  auto a = bank.ask("shop", "a");
  while (a.status == outcome::actor_not_found && waiting.pause()) a = bank.ask("shop", "a");
  REQUIRE_MESSAGE(a.status == outcome::ok, a.message);
  CHECK((a.value == any{"text", "a"}));
  CHECK((bank.ask("shop", "b").value == any{"text", "ab"}));
  CHECK((shop.ask("shop", "c").value == any{"text", "abc"}));
  CHECK((bank.ask("bank", "x").value == any{"text", "x"}));  // another one
  CHECK(bank.ask("nobody", "a").status == outcome::actor_not_found);
  const auto unknown = bank.actors.invoke({.actor = {"shop", "desk"}, .action = "no"}).get();
  CHECK(unknown.status == outcome::error);
  // Who is here hears it on threads of its own, perhaps later than who is far.
  while ((shop.heard.load() == 0 || bank.heard.load() == 0) && waiting.pause())
    bank.actors.publish("bank", {"news", "hear", {}});
  CHECK(shop.heard.load() > 0);
  CHECK(bank.heard.load() > 0);
}

#endif

}  // namespace
}  // namespace odeon::sidecar
