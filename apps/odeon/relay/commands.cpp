#include "odeon/relay/commands.hpp"

#include "odeon/relay/tool.hpp"

#include <CLI/CLI.hpp>

#include <chrono>
#include <memory>

namespace odeon::relay_tool {

namespace {

template <class T>
void add_bound(CLI::App& app, const std::string& name, T& into, std::uint64_t low,
               const std::string& help) {
  app.add_option(name, into, help)
      ->check(CLI::Range(low, std::uint64_t{1} << 40U))
      ->type_name("N")
      ->capture_default_str();
}

}  // namespace

void add_commands(CLI::App& program, std::function<int()>& run) {
  auto o = std::make_shared<relay_options>();
  CLI::App& app = *program.add_subcommand(
      "relay", "Let nodes meet that can only connect outward; SIGTERM drains");
  app.add_option("--host", o->host, "a numeric address of this machine, or * for all")
      ->type_name("HOST")
      ->capture_default_str();
  app.add_option("--port", o->port, "0: one that is free, which is printed")
      ->type_name("PORT")
      ->capture_default_str();
  app.add_option("--protocol", o->protocol, "how nodes reach it: ws, or tcp")
      ->check(CLI::IsMember({"ws", "tcp"}))
      ->type_name("NAME")
      ->capture_default_str();
  app.add_option("--path", o->path, "of the WebSocket")->type_name("PATH")->capture_default_str();
  app.add_option("--certificate", o->certificate, "PEM: the relay speaks TLS itself (wss, tls)")
      ->type_name("FILE");
  app.add_option("--key", o->key, "PEM: the certificate's key")->type_name("FILE");
  app.add_option("--trusted", o->trusted, "PEM: nodes need a certificate that these have signed")
      ->type_name("FILE");
  app.add_option("--auth-secret-env", o->secret_env,
                 "an environment variable with the secret that nodes must know")
      ->type_name("VAR");
  app.add_flag("--allow-unauthenticated-local", o->allow_unauthenticated_local,
               "no secret; on 127.0.0.1 only");
  app.add_option_function<unsigned>(
         "--metrics", [o](unsigned s) { o->metrics_every = std::chrono::seconds(s); },
         "a line of JSON on stdout so often, and one at the end")
      ->check(CLI::Range(1U, 86'400U))
      ->type_name("SECONDS");
  app.add_flag("--events", o->events,
               "a line on stdout for each node that comes, goes or is refused");
  auto& l = o->limits;
  add_bound(app, "--max-names", l.names, 1, "registered at a time");
  add_bound(app, "--max-connections", l.connections, 1, "open at a time");
  add_bound(app, "--max-connections-per-host", l.connections_per_host, 0,
            "0: no bound, behind a proxy");
  add_bound(app, "--max-queue-bytes", l.queue_bytes, 4096, "that wait for one node");
  add_bound(app, "--max-bytes-per-second", l.bytes_per_second, 0, "from one node; 0: no bound");
  app.callback([o, &run] { run = [o] { return serve(*o, {}); }; });
}

}  // namespace odeon::relay_tool
