#pragma once

namespace odeon {

/// The whole program. The result is its exit code: 0 good, 1 failed, 2 a wrong command line or
/// something wrong that it names, 130 interrupted. Errors are one sentence on stderr.
[[nodiscard]] int run_program(int argc, const char* const* argv, const char* version);

}  // namespace odeon
