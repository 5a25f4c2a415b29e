#pragma once

#include "mariadb/internal/connection.hpp"

#include <string>
#include <string_view>

/// @file The tables of a journal in a MariaDB database.

namespace odeon::detail {

/// The version that this program writes; older ones are migrated when a journal is opened.
inline constexpr std::int64_t mariadb_schema_version = 1;

/// Makes sure that the tables are those of a journal of this version: creates or migrates them
/// when `may_create` is on, one program at a time. MariaDB commits each change of a definition by
/// itself; whoever is interrupted is continued by the next. Errors as `open_mariadb_journal`.
[[nodiscard]] result<void> ensure_tables(my_connection& db, const mariadb_journal_options& options,
                                         bool may_create);

/// `sql` with each `@` replaced by the tables' prefix.
[[nodiscard]] std::string with_prefix(const std::string& prefix, std::string_view sql);

}  // namespace odeon::detail
