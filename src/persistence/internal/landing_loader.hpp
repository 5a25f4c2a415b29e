#pragma once

#include "persistence/internal/landing.hpp"
#include "persistence/internal/sqlite_schema.hpp"

/// @file Filling the landing when a journal is opened.

namespace odeon::detail {

/// The landing is what the log has and the segments have not. `into` is empty. Errors:
/// `corrupt_record` where the log cannot be told whose events it holds, with the place.
[[nodiscard]] result<void> load_landing(sqlite_db& db, actor_finder& finder,
                                        const store_state& state, landing& into);

}  // namespace odeon::detail
