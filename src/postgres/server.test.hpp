#pragma once

#include "support/database_server.hpp"
#include <odeon/persistence/journal.hpp>
#include <odeon/postgres/postgres_journal.hpp>
#include <odeon/runtime/runtime.hpp>

#include <doctest/doctest.h>
#include <libpq-fe.h>

#include <memory>
#include <string>
#include <vector>

/// @file For tests: the one server of this program, and what it is asked by hand.

namespace pg_test {

/// Null: PostgreSQL is not installed. Started with the first call.
inline database_server* server() {
  static const auto one = database_server::make(database_server::kind::postgres);
  return one.get();
}

inline bool missing() {
  if (server() != nullptr) return false;
  MESSAGE("skipped: PostgreSQL's server programs are not installed (Debian: postgresql)");
  return true;
}

inline std::string connection_as(const std::string& user, const std::string& more = "") {
  return "host=" + server()->folder() + " dbname=postgres user=" + user + " " + more;
}

inline odeon::postgres_journal_options options_on(const std::string& schema) {
  odeon::postgres_journal_options o;
  o.connection = connection_as("odeon");
  o.schema = schema;
  return o;
}

/// Runs SQL as the administrator. The first column of the result, in lines.
inline std::string sql(const std::string& text) {
  const std::unique_ptr<PGconn, void (*)(PGconn*)> db(
      PQconnectdb(connection_as("odeon", "options='-c client_min_messages=error'").c_str()),
      PQfinish);
  const std::unique_ptr<PGresult, void (*)(PGresult*)> r(PQexec(db.get(), text.c_str()), PQclear);
  REQUIRE_MESSAGE(
      (PQresultStatus(r.get()) == PGRES_COMMAND_OK || PQresultStatus(r.get()) == PGRES_TUPLES_OK),
      text << ": " << PQerrorMessage(db.get()));
  std::string out;
  for (int k = 0; k < PQntuples(r.get()); ++k) {
    if (k > 0) out += '\n';
    out += PQgetvalue(r.get(), k, 0);
  }
  return out;
}

}  // namespace pg_test
