#pragma once

#include <odeon/base/config.hpp>
#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/sidecar/activator.hpp>
#include <odeon/sidecar/nats.hpp>
#include <odeon/sidecar/statestore.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file What a node is told, from a file, the environment and the command line, in that order. The
/// environment's names are those of the Spawn proxy.

namespace odeon::node_tool {

/// A variable of the environment, as it is; none: not set.
using environment_fn = std::function<std::optional<std::string>(const std::string&)>;

struct node_arguments {
  bool sidecar = false;
  bool show_settings = false;
  std::string config = {};                  ///< a TOML file; "": none
  std::vector<std::string> overrides = {};  ///< "sidecar.port=9003"
};

struct node_settings {
  std::string name = "spawn";
  std::string listen = {};       ///< "127.0.0.1:9001"
  std::string unix_socket = {};  ///< "": none
  std::string app_host = {};     ///< "": where the app registers from
  std::uint16_t app_port = 8090;
  duration app_time{};
  std::size_t app_connections = 0;
  duration request_time{};
  duration drain{};
  unsigned threads = 0;  ///< that wait for sockets
  sidecar::statestore_options store = {};
  std::string system = {};  ///< the actor system of activators that name none
  std::shared_ptr<const sidecar::descriptors> types = {};
  sidecar::activators activators = {};
  std::optional<sidecar::nats_options> nats = {};
  configuration all = {};
};

/// The keys of `sidecar.*`, with those of activators.
[[nodiscard]] config_schema node_schema();

/// Errors: `config_invalid`, naming the variable, the file's line or the option, and what it takes;
/// never a secret.
[[nodiscard]] result<node_settings> read_settings(const node_arguments& a,
                                                  const environment_fn& environment);

}  // namespace odeon::node_tool
