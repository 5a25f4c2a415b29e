#pragma once

/// @file Forward declarations of `pattern`: what is made of actors again and again.

namespace odeon {

class circuit_breaker;

}  // namespace odeon
