#pragma once

#include "postgres/internal/connection.hpp"

#include <string>
#include <string_view>

/// @file The tables of a journal in a PostgreSQL schema.

namespace odeon::detail {

/// The version that this program writes; older ones are migrated when a journal is opened.
inline constexpr std::int64_t postgres_schema_version = 1;

/// Makes sure that the schema holds a journal of this version: creates or migrates it when
/// `may_create` is on, one program at a time. Errors as `open_postgres_journal`.
[[nodiscard]] result<void> ensure_schema(pg_connection& db, const std::string& schema,
                                         bool may_create);

/// `sql` with each `@` replaced by the quoted schema and a dot.
[[nodiscard]] std::string in_schema(const pg_connection& db, const std::string& schema,
                                    std::string_view sql);

}  // namespace odeon::detail
