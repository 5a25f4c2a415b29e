#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/mariadb/fwd.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/journal_options.hpp>
#include <odeon/runtime/fwd.hpp>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

/// @file A journal on a MariaDB server, which several programs may have open at once.
/// `docs/reference/mariadb-journal.md` describes the tables.

namespace odeon {

struct mariadb_journal_options : journal_options {
  std::string host;           ///< empty: this machine
  std::uint16_t port = 3306;  ///< not used with a socket
  std::string socket;         ///< path of the server's Unix socket; empty: TCP, unless host is
  std::string user;
  std::string password;
  std::string database;                 ///< exists; may hold other tables as well
  std::string table_prefix = "odeon_";  ///< letters, digits and '_', at most 48
  bool create = true;    ///< make the tables when they are not there; otherwise `not_found`
  unsigned readers = 2;  ///< connections, each with a thread of its own, that serve reads; 1 to 64
  bool require_tls = false;  ///< refuse a connection without TLS, or to another than `host`
  std::string tls_ca_file;   ///< of who signed the server's certificate; empty: the system's

  // Time-outs are rounded up to whole seconds.
  duration connect_timeout = std::chrono::seconds(5);
  /// How long the server may take for one statement, waiting for other writers included. A server
  /// that is silent for two seconds longer is taken for lost.
  duration statement_timeout = std::chrono::seconds(30);
  /// After the connection was lost, calls wait so long for the server's return. Later ones fail at
  /// once with `io_failed`, until an attempt to connect succeeds. 0: no call waits.
  duration reconnect_patience = std::chrono::seconds(5);
  duration reconnect_delay_max =
      std::chrono::seconds(1);  ///< between attempts; they begin at 20 ms

  /// Take a server that acknowledges a commit before it is on disk: see `open_mariadb_journal`.
  bool accept_unsafe_server = false;
};

/// Connects, and creates the tables when they are not there. Any number of journals, in this
/// process and others, may be open on them: writers of an id are fenced across all of them, and
/// positions are given out in the order of commits. What `max_payload_bytes` and
/// `max_snapshot_bytes` allow is lowered to what the server's `max_allowed_packet` lets through,
/// and `journal::options` says so.
///
/// Blocks the calling thread: up to `connect_timeout` for each connection. `rt` must outlive the
/// journal.
///
/// Errors, each naming server, database and tables, and never a password: `invalid_argument` (an
/// option outside its range), `io_failed` (not reachable, login refused, no permission, not
/// MariaDB, or what the server says; a server that runs with `innodb_flush_log_at_trx_commit` other
/// than 1 or 3, or with a binary log and `sync_binlog` other than 1), `not_found` (no such
/// database; tables, when `create` is off), `wrong_type` (tables of these names that are no
/// journal), `newer_version` (written by a newer Odeon), `corrupt_record`.
///
/// A write that fails with `io_failed` because the connection was lost during its commit may have
/// been stored: the text says so, and the next append's `expected_sequence` tells.
[[nodiscard]] result<std::unique_ptr<journal>> open_mariadb_journal(
    runtime& rt, mariadb_journal_options options);

}  // namespace odeon
