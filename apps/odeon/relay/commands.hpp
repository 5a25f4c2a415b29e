#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace odeon::relay_tool {

/// Adds `odeon relay`. When it was chosen, `run` is set.
void add_commands(CLI::App& program, std::function<int()>& run);

}  // namespace odeon::relay_tool
