#include "odeon/node/stores.hpp"

#ifdef ODEON_WITH_POSTGRES
#include <odeon/postgres/postgres_journal.hpp>
#endif
#ifdef ODEON_WITH_MARIADB
#include <odeon/mariadb/mariadb_journal.hpp>
#endif

#include <utility>

namespace odeon::node_tool {

using sidecar::statestore_options;

std::string postgres_connection(const statestore_options& o) {
  std::string out;
  const auto add = [&out](const char* name, const std::string& value) {
    if (value.empty()) return;
    if (!out.empty()) out += ' ';
    out += name;
    out += "='";
    for (const char c : value) {
      if (c == '\\' || c == '\'') out += '\\';
      out += c;
    }
    out += '\'';
  };
  add("host", o.host);
  add("port", o.port == 0 ? std::string() : std::to_string(o.port));
  add("user", o.user);
  add("password", o.password);
  add("dbname", o.database);
  return out;
}

sidecar::statestore_kinds server_stores() {
  sidecar::statestore_kinds out;
#ifdef ODEON_WITH_POSTGRES
  out["postgres"] = [](runtime& rt, const statestore_options& o) {
    postgres_journal_options options;
    options.connection = postgres_connection(o);
    return open_postgres_journal(rt, std::move(options));
  };
#endif
#ifdef ODEON_WITH_MARIADB
  out["mariadb"] = [](runtime& rt, const statestore_options& o) {
    mariadb_journal_options options;
    (o.host.starts_with('/') ? options.socket : options.host) = o.host;
    if (o.port != 0) options.port = o.port;
    options.user = o.user;
    options.password = o.password;
    options.database = o.database;
    return open_mariadb_journal(rt, std::move(options));
  };
#endif
  return out;
}

}  // namespace odeon::node_tool
