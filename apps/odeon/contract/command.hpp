#pragma once

#include <functional>
#include <string>

namespace CLI {
class App;
}

namespace odeon::contracts {

/// Exit codes of `odeon contract …`.
enum exit_code : int {
  exit_good = 0,       ///< done; the same, or compatible
  exit_breaking = 1,   ///< a change breaks the wire, stored data or replay
  exit_usage = 2,      ///< a wrong command line
  exit_unreadable = 3  ///< a file or program cannot be read, asked or written
};

/// `odeon contract dump PROGRAM [-o FILE]`: the program's document, to stdout or a file.
[[nodiscard]] int run_dump(const std::string& program, const std::string& out);

/// `odeon contract diff OLD NEW [--json]`: what changed, one line each. Each of the two is a
/// document or a program.
[[nodiscard]] int run_diff(const std::string& before, const std::string& after, bool json);

/// `odeon contract lock NEW [--file contract.lock] [--accept]`: compares with the lock file, and
/// writes it where it is not there or the change is compatible; a breaking change only with
/// `accept`.
[[nodiscard]] int run_lock(const std::string& now, const std::string& file, bool accept);

/// Adds `odeon contract` with its three commands; what the command line chose is put into `run`.
void add_commands(CLI::App& program, std::function<int()>& run);

}  // namespace odeon::contracts
