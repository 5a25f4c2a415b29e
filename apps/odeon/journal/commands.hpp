#pragma once

#include <functional>

namespace CLI {
class App;
}

namespace odeon::journal_tool {

/// Adds `odeon journal …`. A command that was chosen sets `run`.
void add_commands(CLI::App& program, std::function<int()>& run);

}  // namespace odeon::journal_tool
