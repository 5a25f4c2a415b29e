#pragma once

/// @file Forward declarations of `net`: bytes that travel between machines.

namespace odeon {

struct tcp_options;

}  // namespace odeon
