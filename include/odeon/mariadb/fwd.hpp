#pragma once

/// @file Forward declarations of `mariadb`: the journal on a MariaDB server.

namespace odeon {

struct mariadb_journal_options;

}  // namespace odeon
