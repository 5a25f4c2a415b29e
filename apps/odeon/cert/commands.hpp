#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace odeon::cert_tool {

/// Adds `odeon cert …`. A command that was chosen sets `run`.
void add_commands(CLI::App& program, std::function<int()>& run);

}  // namespace odeon::cert_tool
