#include "odeon/node/commands.hpp"

#include "odeon/node/tool.hpp"

#include <CLI/CLI.hpp>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

namespace odeon::node_tool {

namespace {

std::optional<std::string> environment(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr) return std::nullopt;
  return std::string(value);
}

/// An option that is a key of the configuration by another name.
void add_key(CLI::App& app, const std::shared_ptr<node_arguments>& a, const std::string& name,
             const std::string& key, const std::string& type, const std::string& help) {
  app.add_option_function<std::string>(
         name, [a, key](const std::string& v) { a->overrides.push_back(key + "=" + v); }, help)
      ->type_name(type);
}

}  // namespace

void add_commands(CLI::App& program, std::function<int()>& run) {
  auto a = std::make_shared<node_arguments>();
  CLI::App& app = *program.add_subcommand(
      "node", "Keep actors for programs in other languages; SIGTERM drains");
  app.add_flag("--sidecar", a->sidecar,
               "speak the Spawn protocol v1: apps register their actors over HTTP, and this node "
               "owns their mailboxes, states and timers");
  app.add_option("--config", a->config, "a TOML file; the environment and options go over it")
      ->type_name("FILE");
  add_key(app, a, "--host", "sidecar.host", "HOST",
          "where it listens (PROXY_HTTP_HOST; default: 127.0.0.1)");
  add_key(app, a, "--port", "sidecar.port", "PORT",
          "0: one that is free, which is printed (PROXY_HTTP_PORT; default: 9001)");
  add_key(app, a, "--unix-socket", "sidecar.unix_socket", "PATH",
          "listens there too (PROXY_UDS_ENABLED, PROXY_UDS_ADDRESS)");
  add_key(app, a, "--app-host", "sidecar.app_host", "HOST",
          "where apps are called back; peer: where they register from (USER_FUNCTION_HOST; "
          "default: 127.0.0.1)");
  add_key(app, a, "--app-port", "sidecar.app_port", "PORT", "(USER_FUNCTION_PORT; default: 8090)");
  add_key(app, a, "--store", "sidecar.store", "KIND",
          "sqlite, memory, postgres or mariadb (PROXY_DATABASE_TYPE; default: sqlite)");
  add_key(app, a, "--database", "sidecar.database", "NAME",
          "the SQLite file, or the server's database (PROXY_DATABASE_PATH, PROXY_DATABASE_NAME)");
  app.add_option_function<std::vector<std::string>>(
         "--set",
         [a](const std::vector<std::string>& more) {
           a->overrides.insert(a->overrides.end(), more.begin(), more.end());
         },
         "a key of the configuration and its value")
      ->type_name("KEY=VALUE");
  app.add_flag("--settings", a->show_settings,
               "print each setting with its value and where that comes from, and end");
  app.callback([a, &run] { run = [a] { return serve(*a, environment, {}); }; });
}

}  // namespace odeon::node_tool
