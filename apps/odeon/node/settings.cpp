#include "odeon/node/settings.hpp"

#include <odeon/runtime/transport.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace odeon::node_tool {

namespace {

/// Keys that the Spawn proxy knows as variables.
struct known_variable {
  const char* name;
  const char* key;
  bool is_port;
};
constexpr std::array<known_variable, 5> variables{{
    {"PROXY_APP_NAME", "sidecar.name", false},
    {"PROXY_HTTP_HOST", "sidecar.host", false},
    {"PROXY_HTTP_PORT", "sidecar.port", true},
    {"USER_FUNCTION_HOST", "sidecar.app_host", false},
    {"USER_FUNCTION_PORT", "sidecar.app_port", true},
}};

/// "sidecar.app_port" as a variable of the configuration's own.
std::string variable_of(std::string_view key) {
  std::string out = "ODEON_";
  for (const char c : key)
    if (c == '.')
      out += "__";
    else
      out += c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

bool is_port(const std::string& text) {
  std::uint16_t n = 0;
  const auto [end, wrong] = std::from_chars(text.data(), text.data() + text.size(), n);
  return wrong == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// "true" and what people write for it; none: neither.
std::optional<bool> is_yes(const std::string& text) {
  if (text == "true" || text == "1" || text == "yes") return true;
  if (text == "false" || text == "0" || text == "no") return false;
  return std::nullopt;
}

using variables_list = std::vector<std::pair<std::string, std::string>>;

result<variables_list> spawn_variables(const environment_fn& environment) {
  variables_list out;
  for (const auto& v : variables) {
    const auto value = environment(v.name);
    if (!value || value->empty()) continue;
    if (v.is_port && !is_port(*value))
      return fail(errc::config_invalid,
                  std::string(v.name) + " is \"" + *value + "\" and takes a port, 0 to 65535");
    out.emplace_back(variable_of(v.key), *value);
  }
  const auto enabled = environment("PROXY_UDS_ENABLED");
  if (!enabled || enabled->empty()) return out;
  const auto yes = is_yes(*enabled);
  if (!yes)
    return fail(errc::config_invalid,
                "PROXY_UDS_ENABLED is \"" + *enabled + "\" and takes true or false");
  if (!*yes) return out;
  const auto address = environment("PROXY_UDS_ADDRESS");
  out.emplace_back(variable_of("sidecar.unix_socket"),
                   address && !address->empty() ? *address : "/var/run/spawn.sock");
  return out;
}

/// What the statestore's variable says: an option's word first, then the environment's, then the
/// file's.
std::optional<std::string> store_value(const configuration& all, const environment_fn& environment,
                                       const std::string& name) {
  std::string key;
  if (name == "PROXY_DATABASE_TYPE") key = "sidecar.store";
  if (name == "PROXY_DATABASE_PATH" || name == "PROXY_DATABASE_NAME") key = "sidecar.database";
  if (name == "PROXY_DATABASE_HOST") key = "sidecar.database_host";
  if (name == "PROXY_DATABASE_PORT") key = "sidecar.database_port";
  if (name == "PROXY_DATABASE_USERNAME") key = "sidecar.database_user";
  if (name == "ODEON_STATESTORE_REVISIONS") key = "sidecar.revisions";
  if (key.empty()) return environment(name);
  const auto given = [&]() -> std::optional<std::string> {
    if (key == "sidecar.database_port" || key == "sidecar.revisions")
      return std::to_string(all.get_int(key));
    return all.get_string(key);
  };
  if (all.layer(key) == config_layer::command_line) return given();
  if (auto value = environment(name); value && !value->empty()) return value;
  if (all.layer(key) == config_layer::fallback) return std::nullopt;
  return given();
}

/// The activators, and the types that they transcode.
result<void> read_activators(const configuration& all, node_settings& s) {
  auto types = std::make_shared<sidecar::descriptors>();
  for (const std::string& file : all.get_list("sidecar.descriptors"))
    if (auto added = types->add_file(file); !added)
      return fail(errc::config_invalid, std::string(added.error().text()));
  auto read = sidecar::read_activators(all, *types);
  if (!read) return std::unexpected(read.error());
  s.system = all.get_string("sidecar.system");
  const auto with_system = [&](auto& list, const char* kind) -> result<void> {
    for (auto& a : list) {
      if (a.what.system.empty()) a.what.system = s.system;
      if (a.what.system.empty())
        return fail(errc::config_invalid, "sidecar." + std::string(kind) + "." + a.name +
                                              " names no system, and sidecar.system is not set");
    }
    return {};
  };
  for (const auto& named : {with_system(read->http, "http"), with_system(read->cron, "cron"),
                            with_system(read->nats, "nats")})
    if (!named) return named;
  s.activators = std::move(*read);
  s.types = std::move(types);
  return {};
}

}  // namespace

config_schema node_schema() {
  config_schema s;
  const auto text = [&s](const char* key, const char* fallback, const char* sentence) {
    s.add({.key = key, .fallback = fallback, .sentence = sentence});
  };
  const auto number = [&s](const char* key, const char* fallback, const char* unit, const char* min,
                           const char* max, const char* sentence) {
    s.add({.key = key,
           .type = config_type::integer,
           .fallback = fallback,
           .unit = unit,
           .sentence = sentence,
           .min = min,
           .max = max});
  };
  const auto time = [&s](const char* key, const char* fallback, const char* sentence) {
    s.add({.key = key,
           .type = config_type::duration,
           .fallback = fallback,
           .sentence = sentence,
           .min = "10ms",
           .max = "24h"});
  };
  text("sidecar.name", "spawn", "The node's name.");
  text("sidecar.host", "127.0.0.1", "Where it listens; nobody is asked who they are.");
  number("sidecar.port", "9001", "port", "0", "65535", "0 is one that is free.");
  text("sidecar.unix_socket", "", "A Unix socket's path, where it listens too; empty is none.");
  text("sidecar.app_host", "127.0.0.1",
       "Where apps are called back; peer is where they register from.");
  number("sidecar.app_port", "8090", "port", "1", "65535", "Where apps are called back.");
  time("sidecar.app_time", "60s", "For one action of an app.");
  number("sidecar.app_connections", "128", "connections", "1", "10000",
         "To one app at once; as many of its actions are under way.");
  time("sidecar.request_time", "60s", "For one invocation, with all that follows from it.");
  time("sidecar.drain", "30s", "From SIGTERM: to finish what is queued and store all states.");
  number("sidecar.threads", "1", "threads", "1", "64", "That wait for sockets.");
  text("sidecar.store", "sqlite", "sqlite, memory, postgres or mariadb.");
  text("sidecar.database", "odeon-sidecar.db", "The SQLite file, or the server's database.");
  text("sidecar.database_host", "", "The server's host; empty is its own default.");
  number("sidecar.database_port", "0", "port", "0", "65535", "0 is the server's own.");
  text("sidecar.database_user", "", "Who logs in there.");
  text("sidecar.system", "", "The actor system of activators that name none.");
  s.add({.key = "sidecar.descriptors",
         .type = config_type::string_list,
         .fallback = "",
         .sentence = "Files of protobuf descriptors, for activators that take JSON."});
  number("sidecar.revisions", "10", "revisions", "0", "1000000",
         "How many of a state stay; 0 is all.");
  s.add(sidecar::activator_schema());
  return s;
}

result<node_settings> read_settings(const node_arguments& a, const environment_fn& environment) {
  auto from_environment = spawn_variables(environment);
  if (!from_environment) return std::unexpected(from_environment.error());
  auto all = configuration::load(
      node_schema(),
      {.file = a.config, .environment = std::move(*from_environment), .overrides = a.overrides});
  if (!all) return std::unexpected(all.error());
  node_settings s;
  s.name = all->get_string("sidecar.name");
  s.listen = odeon::to_string(host_and_port{
      all->get_string("sidecar.host"), static_cast<std::uint16_t>(all->get_int("sidecar.port"))});
  s.unix_socket = all->get_string("sidecar.unix_socket");
  s.app_host = all->get_string("sidecar.app_host");
  if (s.app_host == "0.0.0.0") s.app_host = "127.0.0.1";  // the app's word for "all of mine"
  if (s.app_host == "peer") s.app_host.clear();
  s.app_port = static_cast<std::uint16_t>(all->get_int("sidecar.app_port"));
  s.app_time = all->get_duration("sidecar.app_time");
  s.app_connections = static_cast<std::size_t>(all->get_int("sidecar.app_connections"));
  s.request_time = all->get_duration("sidecar.request_time");
  s.drain = all->get_duration("sidecar.drain");
  s.threads = static_cast<unsigned>(all->get_int("sidecar.threads"));
  auto store = sidecar::statestore_from_environment(
      [&](const std::string& name) { return store_value(*all, environment, name); });
  if (!store) return std::unexpected(store.error());
  s.store = std::move(*store);
  auto nats = sidecar::nats_from_environment(environment);
  if (!nats) return std::unexpected(nats.error());
  s.nats = std::move(*nats);
  if (auto read = read_activators(*all, s); !read) return std::unexpected(read.error());
  if (!s.activators.nats.empty() && !s.nats)
    return fail(errc::config_invalid, "sidecar.nats." + s.activators.nats.front().name +
                                          " needs a NATS server, and the environment names none");
  s.all = std::move(*all);
  return s;
}

}  // namespace odeon::node_tool
