#pragma once

#include <odeon/sidecar/statestore.hpp>

#include <string>

namespace odeon::node_tool {

/// The statestores on servers that this program was built with.
[[nodiscard]] sidecar::statestore_kinds server_stores();

/// A libpq connection string of the options; values are quoted.
[[nodiscard]] std::string postgres_connection(const sidecar::statestore_options& o);

}  // namespace odeon::node_tool
