#pragma once

/// @file Forward declarations of `base`: errors, results, ids, configuration.

namespace odeon {

enum class errc : int;
class error;
class actor_error;
class configuration;
class config_schema;

}  // namespace odeon
