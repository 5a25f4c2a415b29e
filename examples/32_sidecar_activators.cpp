// A request of HTTP and a time of the clock invoke an actor: activators from a file, under virtual
// time and on a network in memory.

#include <odeon/net/http_client.hpp>
#include <odeon/odeon.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/runtime/memory_transport.hpp>
#include <odeon/runtime/simulated.hpp>
#include <odeon/sidecar/activator.hpp>
#include <odeon/sidecar/actor.hpp>
#include <odeon/sidecar/engine.hpp>

#include <cstdio>
#include <string>

using namespace std::chrono_literals;
namespace sidecar = odeon::sidecar;

constexpr const char* file = R"(
  [sidecar.http.write]
  path = "/notes/{name}"
  actor = "{name}"
  parent = "notebook"
  action = "write"

  [sidecar.cron.hourly]
  schedule = "0 * * * *"
  actor = "clock"
  parent = "notebook"
  action = "write"
  json = '"it is the hour"'
)";

/// Keeps all that was written, and says how much that is.
sidecar::value note_down(const sidecar::action_call& c) {
  auto pages = sidecar::unpack_or<std::vector<std::string>>(c.state);
  pages.push_back(sidecar::json_of(*c.value).value().value());  // what was sent, as it was sent
  return sidecar::value().state(pages).reply(sidecar::json_any(std::to_string(pages.size())));
}

int main() {
  odeon::simulated_runtime rt;
  odeon::actor_system system{"office", {.runtime = &rt}};
  sidecar::engine engine(system, sidecar::make_state_store(rt, odeon::make_memory_journal(rt)));
  const auto ok = engine.register_app(sidecar::local_app(
      system, "office",
      {sidecar::local_actor{"notebook", {.kind = sidecar::actor_kind::unnamed}}.action(
          "write", note_down)}));
  const auto config = odeon::configuration::parse(sidecar::activator_schema(), file, "activators");
  const auto types = std::make_shared<sidecar::descriptors>();
  if (!ok || !config) return 1;
  auto all = sidecar::read_activators(*config, *types);
  if (!all) return 1;
  for (auto& a : all->cron) a.what.system = "office";

  odeon::http_routes routes;
  if (!sidecar::add_http_activators(routes, rt, sidecar::target_of(engine), types, all->http,
                                    "office"))
    return 1;
  sidecar::cron_activators times(rt, sidecar::target_of(engine), *types, all->cron);
  const auto net = odeon::make_memory_transport(rt);
  odeon::http_server server(rt, std::move(routes));
  if (!server.listen(*net, "office:80")) return 1;

  odeon::http_client client(rt, {.plain = net.get()});
  for (const char* text : {R"("milk")", R"({"eggs": 6})"}) {
    auto answer =
        client.send({.method = "POST", .url = "http://office:80/notes/ann", .body = text});
    std::printf("ann has %s\n", answer.get().body.c_str());
  }
  rt.advance(3h);
  std::printf("the clock wrote %d times\n", static_cast<int>(times.figures().succeeded));
  return times.figures().succeeded == 3 && times.figures().failed == 0 ? 0 : 1;
}
