#pragma once

#include <odeon/net/http_server.hpp>
#include <odeon/sidecar/engine.hpp>

#include <memory>
#include <string>

/// @file The sidecar's face to apps: the Spawn protocol v1 over HTTP/1.1, and the client that calls
/// them back. docs/reference/sidecar-protocol.md has its endpoints and messages.

namespace odeon::sidecar {

struct server_options {
  http_limits limits = {.body_bytes = 16 * 1024 * 1024};
  /// Where registering apps are called back; "": the address that the registration came from.
  std::string app_host = "127.0.0.1";
  std::uint16_t app_port = 8090;
  std::string app_path = "/api/v1/actors/actions";
  duration app_time = std::chrono::seconds(60);  ///< for one action
  std::size_t app_connections = 64;              ///< kept and used at once, for each app
  std::uint64_t app_answer_bytes = 64 * 1024 * 1024;
};

struct server_figures {
  std::uint64_t registrations = 0, spawns = 0, invocations = 0, malformed = 0;
  std::uint64_t app_calls = 0, app_errors = 0;
};

/// @threadsafe
class server {
 public:
  /// `rt`, `actors` and `plain` (a transport for TCP: apps are called over it) outlive it.
  server(runtime& rt, engine& actors, transport& plain, server_options options = {});
  server(const server&) = delete;
  ~server();

  /// Serves there too; gives the address with the real port.
  result<std::string> listen(transport& t, std::string_view address);

  /// Not ready from now on; ends as `http_server::drain`.
  [[nodiscard]] future<std::size_t> drain(duration limit);

  [[nodiscard]] server_figures figures() const;
  /// Prometheus text of this server and its engine.
  [[nodiscard]] std::string metrics() const;

 private:
  struct core;
  std::shared_ptr<core> core_;
};

}  // namespace odeon::sidecar
