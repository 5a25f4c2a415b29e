#pragma once

#include <odeon/base/error.hpp>

#include <string>
#include <string_view>

/// @file The forms of `endpoint_options::listen`, taken apart.

namespace odeon::remote::detail {

struct listen_address {
  std::string scheme;  ///< "tcp", "unix", "ws", "wss", "memory"; "" for a text without one
  std::string rest;    ///< behind "://": "127.0.0.1:7400", "/run/odeon.sock", "0.0.0.0:80/odeon"
};

/// Takes a text apart at its "://". `invalid_argument` for a scheme that there is none of.
[[nodiscard]] result<listen_address> parse_listen(std::string_view text);

/// Whether that host is this machine alone: "127.…", "localhost", "::1".
[[nodiscard]] bool is_loopback(std::string_view host) noexcept;
/// Whether that host stands for all of a machine's addresses.
[[nodiscard]] bool is_any(std::string_view host) noexcept;

/// The host of "host:port" or of "host:port/path"; "" when it has none.
[[nodiscard]] std::string host_of(std::string_view address);

}  // namespace odeon::remote::detail
