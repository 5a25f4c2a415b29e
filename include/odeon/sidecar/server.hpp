#pragma once

#include <odeon/net/http_server.hpp>
#include <odeon/sidecar/engine.hpp>

#include <functional>
#include <memory>
#include <string>

/// @file The sidecar's face to apps: the Spawn protocol v1 over HTTP/1.1, and the client that calls
/// them back. docs/reference/sidecar-protocol.md has its endpoints and messages.
///
///     odeon::sidecar::server face{rt, actors, *tcp, {.app_port = 8091}};
///     auto address = face.listen(*tcp, "127.0.0.1:9001");
///
/// Nobody is asked who they are: listen where only apps reach it.

namespace odeon::sidecar {

struct server_options {
  /// `answer_time` is long, because the engine answers each invocation by its own deadline.
  http_limits limits = {.body_bytes = 16 * 1024 * 1024, .answer_time = std::chrono::hours(1)};
  /// Where registering apps are called back; "": the address that the registration came from.
  std::string app_host = "127.0.0.1";
  std::uint16_t app_port = 8090;
  std::string app_path = "/api/v1/actors/actions";
  duration app_time = std::chrono::seconds(60);  ///< for one action
  std::size_t app_connections = 128;             ///< kept and used at once, for each app
  std::uint64_t app_answer_bytes = 64 * 1024 * 1024;
  /// Where registrations are kept: an app that stays up while its sidecar is started again does not
  /// register again. Null: nowhere. Those who share a store have different names.
  std::shared_ptr<state_store> remember = nullptr;
  std::string remember_as = "sidecar";
  /// Adds routes of others, once, before the server listens; none: there are no others.
  std::function<void(http_routes&)> more_routes = {};
};

/// Counts since the start.
struct server_figures {
  std::uint64_t registrations = 0, spawns = 0, invocations = 0;  ///< that were well formed
  std::uint64_t malformed = 0;                                   ///< answered with 400
  std::uint64_t app_calls = 0, app_errors = 0;
};

/// @threadsafe
class server {
 public:
  /// `rt`, `actors` and `plain` (a transport for TCP: apps are called over it) outlive it.
  server(runtime& rt, engine& actors, transport& plain, server_options options = {});
  server(const server&) = delete;
  /// Aborts all connections. Apps that registered here cannot be reached from then on. Never from
  /// one of its own threads.
  ~server();

  /// Registers again what had registered before the last end, at the addresses of that time or,
  /// where `app_host` is set, at the present one: how many actor systems. Once, before the first
  /// `listen`. Errors: those of the store; `corrupt_record`.
  [[nodiscard]] future<std::size_t> recall();

  /// Serves there too; gives the address with the real port. Errors as `transport::listen`.
  result<std::string> listen(transport& t, std::string_view address);

  /// Not ready from now on; new invocations are taken until `drain`.
  void not_ready() noexcept;

  /// Not ready from now on; ends as `http_server::drain`. Apps can still be called.
  [[nodiscard]] future<std::size_t> drain(duration limit);

  [[nodiscard]] server_figures figures() const;
  /// Prometheus text of this server and its engine.
  [[nodiscard]] std::string metrics() const;

 private:
  struct core;
  std::unique_ptr<core> core_;
};

}  // namespace odeon::sidecar
