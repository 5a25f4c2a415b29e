#pragma once

/// @file Forward declarations of `telemetry`: counting and measuring, without any output.

namespace odeon {

class histogram;

}  // namespace odeon
