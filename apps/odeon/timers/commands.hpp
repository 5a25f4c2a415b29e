#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace odeon::timers_tool {

/// Adds `odeon timers …`. A command that was chosen sets `run`.
void add_commands(CLI::App& program, std::function<int()>& run);

}  // namespace odeon::timers_tool
