#pragma once

/// @file Forward declarations of `postgres`: the journal on a PostgreSQL server.

namespace odeon {

struct postgres_journal_options;

}  // namespace odeon
