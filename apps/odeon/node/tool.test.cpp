#include "odeon/node/tool.hpp"

#include "odeon/node/stores.hpp"
#include "odeon/printed.test.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <map>

using namespace odeon;
using namespace odeon::node_tool;
using namespace std::chrono_literals;

namespace {

using words = std::map<std::string, std::string>;

environment_fn of(words all) {
  return [all = std::move(all)](const std::string& name) -> std::optional<std::string> {
    const auto at = all.find(name);
    if (at == all.end()) return std::nullopt;
    return at->second;
  };
}

printed run(const node_arguments& a, words environment = {}) {
  return odeon::run([&](auto t) { return serve(a, of(environment), t); });
}

std::string refusal(const node_arguments& a, words environment = {}) {
  const printed p = run(a, std::move(environment));
  CHECK(p.code == usage);
  CHECK(p.out.empty());
  CHECK(p.err.starts_with("odeon: "));
  CHECK(std::count(p.err.begin(), p.err.end(), '\n') == 1);
  return p.err;
}

}  // namespace

TEST_CASE("the Spawn proxy's variables are understood, and options go over them") {
  const words all{{"PROXY_HTTP_PORT", "9003"},         {"PROXY_HTTP_HOST", "0.0.0.0"},
                  {"USER_FUNCTION_HOST", "0.0.0.0"},   {"USER_FUNCTION_PORT", "8091"},
                  {"PROXY_UDS_ENABLED", "true"},       {"PROXY_UDS_ADDRESS", "/run/app.sock"},
                  {"PROXY_APP_NAME", "shop"},          {"PROXY_DATABASE_TYPE", "postgresql"},
                  {"PROXY_DATABASE_HOST", "db"},       {"PROXY_DATABASE_PORT", "5433"},
                  {"PROXY_DATABASE_NAME", "states"},   {"PROXY_DATABASE_USERNAME", "ann"},
                  {"PROXY_DATABASE_SECRET", "a'b\\c"}, {"PROXY_CLUSTER_STRATEGY", "gossip"}};
  const auto s = read_settings({.sidecar = true}, of(all));
  REQUIRE(s);
  CHECK(s->listen == "0.0.0.0:9003");
  CHECK(s->app_host == "127.0.0.1");
  CHECK(s->app_port == 8091);
  CHECK(s->unix_socket == "/run/app.sock");
  CHECK(s->name == "shop");
  CHECK(s->store.kind == "postgres");
  CHECK(postgres_connection(s->store) ==
        "host='db' port='5433' user='ann' password='a\\'b\\\\c' dbname='states'");
  const auto over = read_settings({.sidecar = true,
                                   .overrides = {"sidecar.port=7", "sidecar.store=sqlite",
                                                 "sidecar.database=x.db", "sidecar.app_host=peer"}},
                                  of(all));
  REQUIRE(over);
  CHECK(over->listen == "0.0.0.0:7");
  CHECK(over->app_host.empty());
  CHECK(over->store.kind == "sqlite");
  CHECK(over->store.path == "x.db");
}

TEST_CASE("without a word a node listens on this machine alone, with a file for its states") {
  const auto s = read_settings({.sidecar = true}, of({}));
  REQUIRE(s);
  CHECK(s->listen == "127.0.0.1:9001");
  CHECK(s->unix_socket.empty());
  CHECK(s->app_port == 8090);
  CHECK(s->app_time == 60s);
  CHECK(s->store.kind == "sqlite");
  CHECK(s->store.path == "odeon-sidecar.db");
}

TEST_CASE("a wrong configuration is refused in one sentence that names it, and no secret") {
  CHECK(refusal({}).contains("--sidecar"));
  CHECK(refusal({.sidecar = true}, {{"PROXY_HTTP_PORT", "many"}}).contains("PROXY_HTTP_PORT"));
  CHECK(
      refusal({.sidecar = true}, {{"PROXY_UDS_ENABLED", "perhaps"}}).contains("PROXY_UDS_ENABLED"));
  CHECK(refusal({.sidecar = true}, {{"PROXY_DATABASE_TYPE", "mssql"}}).contains("mssql"));
  CHECK(refusal({.sidecar = true, .overrides = {"sidecar.prot=1"}}).contains("sidecar.port"));
  CHECK(
      refusal({.sidecar = true, .config = "/no/such/odeon.toml"}).contains("/no/such/odeon.toml"));
  const std::string key = refusal({.sidecar = true, .overrides = {"sidecar.store=memory"}},
                                  {{"SPAWN_STATESTORE_KEY", "c2hvcnQ="}});
  CHECK(key.contains("SPAWN_STATESTORE_KEY"));
  CHECK_FALSE(key.contains("c2hvcnQ="));
}

TEST_CASE("the settings are shown with where they come from") {
  const printed p = run({.show_settings = true, .overrides = {"sidecar.drain=5s"}},
                        {{"PROXY_HTTP_PORT", "9003"}});
  CHECK(p.code == good);
  CHECK(p.out.contains("sidecar.port = 9003  (environment ODEON_SIDECAR__PORT)"));
  CHECK(p.out.contains("sidecar.drain = 5s  (command line)"));
  CHECK(p.out.contains("sidecar.app_port = 8090  (default)"));
}
