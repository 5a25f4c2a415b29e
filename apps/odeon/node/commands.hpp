#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace odeon::node_tool {

/// Adds `odeon node`. When it was chosen, `run` is set.
void add_commands(CLI::App& program, std::function<int()>& run);

}  // namespace odeon::node_tool
