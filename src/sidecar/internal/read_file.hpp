#pragma once

#include <odeon/base/error.hpp>

#include <cstddef>
#include <string>

/// @file Files that are read once, with the configuration.

namespace odeon::sidecar::internal {

/// All of a file. Errors, each naming it: `not_found`, `io_failed`, `limit_exceeded` (it has more
/// than `max` bytes).
[[nodiscard]] result<std::string> read_file(const std::string& path, std::size_t max);

}  // namespace odeon::sidecar::internal
