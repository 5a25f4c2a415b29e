#pragma once

#include "odeon/journal/tool.hpp"
#include <odeon/base/time.hpp>
#include <odeon/remote/relay.hpp>

#include <cstdint>
#include <cstdio>
#include <string>

/// @file `odeon relay`: a relay as a program.

namespace odeon::relay_tool {

/// What scripts go by.
enum exit_code : std::uint8_t {
  good = 0,           ///< it was told to stop, and everything queued was written
  failed = 1,         ///< it was told to stop, and something was still queued after the time for it
  usage = 2,          ///< the command line is wrong, or something that it names
  cannot_listen = 3,  ///< the address is in use, or not permitted
};

using journal_tool::terminal;

struct relay_options {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  std::string protocol = "ws";
  std::string path = "/odeon";
  std::string certificate = {};  ///< files: with these the relay speaks TLS itself
  std::string key = {};
  std::string trusted = {};  ///< whose certificates nodes must have; "": they need none
  std::string secret_env = {};
  bool allow_unauthenticated_local = false;
  duration metrics_every{0};  ///< 0: none
  bool events = false;
  remote::relay_limits limits = {};
  duration drain = std::chrono::seconds(5);
};

/// Serves until SIGTERM or SIGINT. Blocks. The result is an `exit_code`; why, if it is not `good`,
/// has been told in one sentence. The first line on `out` has the address with the real port.
[[nodiscard]] int serve(const relay_options& options, const terminal& t);

/// One JSON object without a line break.
[[nodiscard]] std::string to_json(const remote::relay_metrics& m);

}  // namespace odeon::relay_tool
