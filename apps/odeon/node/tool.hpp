#pragma once

#include "odeon/journal/tool.hpp"
#include "odeon/node/settings.hpp"

/// @file `odeon node`: a node as a program.

namespace odeon::node_tool {

/// What scripts go by.
enum exit_code : std::uint8_t {
  good = 0,         ///< it was told to stop, and all states are stored
  failed = 1,       ///< it was told to stop, and something could not be finished or stored
  usage = 2,        ///< the configuration is wrong, or something that it names
  cannot_open = 3,  ///< the address is in use, or the store cannot be opened
};

using journal_tool::terminal;

/// Serves until SIGTERM or SIGINT, then finishes what is queued and stores all states. Blocks. The
/// result is an `exit_code`; why, if it is not `good`, has been told in one sentence. The first
/// line on `out` has the addresses with the real port.
[[nodiscard]] int serve(const node_arguments& a, const environment_fn& environment,
                        const terminal& t);

}  // namespace odeon::node_tool
