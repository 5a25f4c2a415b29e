#pragma once

#include <odeon/persistence/backend.hpp>

/// @file The house's own stores are written against the same contract as anybody's.

namespace odeon::detail {

using namespace odeon::store;

}  // namespace odeon::detail
