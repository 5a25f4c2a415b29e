#pragma once

/// @file Forward declarations of `remote`: actors on other machines.

namespace odeon::remote {

class endpoint;
struct endpoint_options;
struct limits;
struct security;
struct peer_info;

}  // namespace odeon::remote
