#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/journal_options.hpp>
#include <odeon/postgres/fwd.hpp>
#include <odeon/runtime/fwd.hpp>

#include <chrono>
#include <memory>
#include <string>

/// @file A journal on a PostgreSQL server, which several programs may have open at once.
/// `docs/reference/postgres-journal.md` describes the tables.

namespace odeon {

struct postgres_journal_options : journal_options {
  /// A libpq connection string or URI: "host=db dbname=bank user=odeon", "postgresql://db/bank".
  /// What is not in it comes from libpq's environment variables and password file. Of several
  /// hosts, ask for the one that writes: "target_session_attrs=read-write".
  std::string connection;
  std::string schema = "odeon";  ///< holds the tables; 1 to 63 bytes
  bool create = true;    ///< make schema and tables when they are not there; otherwise `not_found`
  unsigned readers = 2;  ///< connections, each with a thread of its own, that serve reads; 1 to 64

  duration connect_timeout = std::chrono::seconds(5);
  /// How long the server may take for one statement, waiting for other writers included. A server
  /// that is silent for two seconds longer is taken for lost.
  duration statement_timeout = std::chrono::seconds(30);
  /// After the connection was lost, calls wait so long for the server's return. Later ones fail at
  /// once with `io_failed`, until an attempt to connect succeeds. 0: no call waits.
  duration reconnect_patience = std::chrono::seconds(5);
  duration reconnect_delay_max =
      std::chrono::seconds(1);  ///< between attempts; they begin at 20 ms

  /// Take a server that runs with `fsync` or `full_page_writes` off: an acknowledged write may be
  /// lost, and the whole database with it, when its machine goes down.
  bool accept_unsafe_server = false;
};

/// Connects, and creates schema and tables when they are not there. Any number of journals, in this
/// process and others, may be open on one schema: writers of an id are fenced across all of them,
/// and positions are given out in the order of commits.
///
/// Blocks the calling thread: up to `connect_timeout` for each connection. `rt` must outlive the
/// journal.
///
/// Errors, each naming server, database and schema, and never a password: `invalid_argument` (an
/// option outside its range, a connection string that cannot be read), `io_failed` (not reachable,
/// login refused, no permission, an unsafe server, or what the server says), `not_found` (no such
/// database; schema or tables, when `create` is off), `wrong_type` (the schema has tables of those
/// names that are no journal), `newer_version` (written by a newer Odeon), `corrupt_record`.
///
/// A write that fails with `io_failed` because the connection was lost during its commit may have
/// been stored: the text says so, and the next append's `expected_sequence` tells.
[[nodiscard]] result<std::unique_ptr<journal>> open_postgres_journal(
    runtime& rt, postgres_journal_options options);

}  // namespace odeon
