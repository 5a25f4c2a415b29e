#pragma once

#include <odeon/net/http_client.hpp>
#include <odeon/sidecar/server.hpp>

#include <string>

/// @file Figures as text for Prometheus (exposition format 0.0.4).

namespace odeon::sidecar {

struct all_figures {
  engine_figures actors;
  server_figures face;
  http_server_figures web;
  http_client_figures apps;
  bool ready = false;
};

inline constexpr char metrics_type[] = "text/plain; version=0.0.4; charset=utf-8";

/// Each figure with its help and type; docs/reference/sidecar-protocol.md lists them.
[[nodiscard]] std::string to_prometheus(const all_figures& f);

}  // namespace odeon::sidecar
