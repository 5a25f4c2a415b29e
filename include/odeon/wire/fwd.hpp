#pragma once

#include <cstdint>

/// @file Forward declarations of `wire`: reflection, schemas, codecs, the registry.

namespace odeon::wire {

enum class format : std::uint8_t;
enum class kind : std::uint8_t;
class buffer;
class context;
class registered;
class registry;
struct limits;
struct schema;
struct tagged;

template <class T>
struct codec;

}  // namespace odeon::wire
