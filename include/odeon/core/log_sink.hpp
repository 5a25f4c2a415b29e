#pragma once

#include <odeon/core/log.hpp>

#include <functional>
#include <string_view>

/// @file Where the lines of the log go: for programs that have a log of their own.

namespace odeon {

/// Called with each line that is at or above the level, on the thread that logs it; `name` is the
/// actor's path or the part of the runtime, `text` is formatted. It must be short, must not throw
/// and must not log.
using log_sink = std::function<void(log_level level, std::string_view name, std::string_view text)>;

/// Lines go to `sink` in place of stderr; an empty one: to stderr again. A call of the sink before
/// that is under way on another thread may still come. @threadsafe
void set_log_sink(log_sink sink);

}  // namespace odeon
