#pragma once

/// @file Forward declarations of `postgres`: the journal on a PostgreSQL server, and the offsets of
/// projections there.

namespace odeon {

struct postgres_journal_options;

namespace projection {
struct postgres_offsets_options;
class postgres_offsets;
class postgres_transaction;
}  // namespace projection

}  // namespace odeon
