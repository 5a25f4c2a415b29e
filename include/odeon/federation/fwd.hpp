#pragma once

/// @file Forward declarations of `federation`: systems that trust each other and place actors.

namespace odeon::federation {

class membership;
struct federation_options;
struct member;
struct placement;

}  // namespace odeon::federation
