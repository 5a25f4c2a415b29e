#pragma once

#include "support/database_server.hpp"
#include <odeon/mariadb/mariadb_journal.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/runtime/runtime.hpp>

#include <doctest/doctest.h>
#include <mariadb/mysql.h>

#include <memory>
#include <string>

/// @file For tests: the one server of this program, and what it is asked by hand.

namespace my_test {

/// Runs SQL as the administrator, one statement. The first column of the result, in lines.
inline std::string sql_on(const std::string& socket, const std::string& text) {
  const std::unique_ptr<MYSQL, void (*)(MYSQL*)> db(mysql_init(nullptr), mysql_close);
  REQUIRE(mysql_real_connect(db.get(), nullptr, "root", "", "mysql", 0, socket.c_str(), 0) !=
          nullptr);
  const int outcome = mysql_real_query(db.get(), text.data(), text.size());
  REQUIRE_MESSAGE(outcome == 0, text << ": " << mysql_error(db.get()));
  const std::unique_ptr<MYSQL_RES, void (*)(MYSQL_RES*)> rows(mysql_store_result(db.get()),
                                                              mysql_free_result);
  std::string out;
  if (!rows) return out;
  while (MYSQL_ROW row = mysql_fetch_row(rows.get()))
    out += (out.empty() ? "" : "\n") + std::string(row[0] == nullptr ? "" : row[0]);
  return out;
}

/// Null: MariaDB is not installed. Started with the first call.
inline database_server* server() {
  static const auto one = [] {
    auto s = database_server::make(database_server::kind::mariadb);
    if (s) sql_on(s->socket(), "CREATE DATABASE bank");
    return s;
  }();
  return one.get();
}

inline std::string sql(const std::string& text) { return sql_on(server()->socket(), text); }

inline bool missing() {
  if (server() != nullptr) return false;
  MESSAGE("skipped: MariaDB's server programs are not installed (Debian: mariadb-server)");
  return true;
}

inline odeon::mariadb_journal_options options_on(const std::string& prefix) {
  odeon::mariadb_journal_options o;
  o.socket = server()->socket();
  o.user = "root";
  o.database = "bank";
  o.table_prefix = prefix;
  return o;
}

}  // namespace my_test
