#include "mariadb/internal/schema.hpp"

#include <odeon/persistence/table_rows.hpp>

#include <array>
#include <charconv>
#include <span>

namespace odeon::detail {

namespace {

// "ODJL": what `meta` says the tables are for.
constexpr std::int64_t application_id = 0x4f444a4c;

constexpr const char* create_meta =
    "CREATE TABLE IF NOT EXISTS @meta(name VARCHAR(32) PRIMARY KEY, value BIGINT NOT NULL)"
    " ENGINE=InnoDB DEFAULT CHARSET=ascii";

// What turns nothing into version 1. Each may be repeated. A released list is never changed.
constexpr const char* version_1[] = {
    "CREATE TABLE IF NOT EXISTS @state(one TINYINT PRIMARY KEY, position_next BIGINT NOT NULL,"
    " outbox_next BIGINT NOT NULL, actor_next BIGINT NOT NULL, crc BIGINT NOT NULL) ENGINE=InnoDB",
    "CREATE TABLE IF NOT EXISTS @actors(actor BIGINT PRIMARY KEY, id VARBINARY(1024) NOT NULL,"
    " epoch BIGINT NOT NULL, sequence BIGINT NOT NULL, kind BIGINT NOT NULL, crc BIGINT NOT NULL,"
    " UNIQUE KEY by_id(id)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS @events(actor BIGINT, sequence BIGINT, position BIGINT NOT NULL,"
    " epoch BIGINT NOT NULL, written BIGINT NOT NULL, version BIGINT NOT NULL,"
    " manifest VARBINARY(1024) NOT NULL, tags BLOB NOT NULL, payload LONGBLOB NOT NULL,"
    " crc BIGINT NOT NULL, PRIMARY KEY(actor, sequence)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS @tagged(tag VARBINARY(1024), position BIGINT,"
    " actor BIGINT NOT NULL, sequence BIGINT NOT NULL, PRIMARY KEY(tag, position))"
    " ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS @snapshots(actor BIGINT, sequence BIGINT, written BIGINT NOT NULL,"
    " manifest VARBINARY(1024) NOT NULL, version BIGINT NOT NULL, payload LONGBLOB NOT NULL,"
    " crc BIGINT NOT NULL, PRIMARY KEY(actor, sequence)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS @timers(actor BIGINT, id VARBINARY(1024), due BIGINT NOT NULL,"
    " manifest VARBINARY(1024) NOT NULL, version BIGINT NOT NULL, payload LONGBLOB NOT NULL,"
    " crc BIGINT NOT NULL, PRIMARY KEY(actor, id), KEY by_due(due, actor, id))"
    " ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS @outbox(position BIGINT PRIMARY KEY, actor BIGINT NOT NULL,"
    " sequence BIGINT NOT NULL, id VARBINARY(1024) NOT NULL, target VARBINARY(1024) NOT NULL,"
    " manifest VARBINARY(1024) NOT NULL, version BIGINT NOT NULL, payload LONGBLOB NOT NULL,"
    " crc BIGINT NOT NULL) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
    "CREATE TABLE IF NOT EXISTS @marks(actor BIGINT, name VARBINARY(1024), value BIGINT NOT NULL,"
    " crc BIGINT NOT NULL, PRIMARY KEY(actor, name)) ENGINE=InnoDB ROW_FORMAT=DYNAMIC",
};

constexpr const char* other_tables[] = {"state",     "actors", "events", "tagged",
                                        "snapshots", "timers", "outbox", "marks"};

result<std::int64_t> number(my_connection& db, const std::string& sql, std::int64_t missing) {
  auto rows = db.run(sql);
  if (!rows) return std::unexpected(std::move(rows.error()));
  std::int64_t out = missing;
  if (!rows->empty()) {
    const std::string& text = rows->front().front();
    std::from_chars(text.data(), text.data() + text.size(), out);
  }
  return out;
}

result<std::int64_t> count_tables(my_connection& db, const std::string& prefix,
                                  std::span<const char* const> names) {
  std::string list;
  for (const char* name : names) list += (list.empty() ? "" : ", ") + db.literal(prefix + name);
  return number(db,
                "SELECT count(*) FROM information_schema.tables WHERE table_schema = database()"
                " AND table_name IN (" +
                    list + ")",
                0);
}

// The version of the journal; 0: there is none yet, or one whose making was interrupted.
result<std::int64_t> identify(my_connection& db, const std::string& prefix) {
  const auto refuse = [&](errc code, const std::string& what) {
    return fail(code, db.place() + ": " + what);
  };
  constexpr const char* meta_table[] = {"meta"};
  auto meta = count_tables(db, prefix, meta_table);
  auto others = count_tables(db, prefix, other_tables);
  if (!meta) return meta;
  if (!others) return others;
  if (*meta == 0 && *others == 0) return 0;
  const auto value = [&](const char* name) {
    return number(db, with_prefix(prefix, "SELECT value FROM @meta WHERE name = '") + name + "'",
                  -1);
  };
  result<std::int64_t> application = -1;
  if (*meta == 1) application = value("application");
  if (!application && application.error() != errc::wrong_type) return application;
  if (application && *application == -1 && *others == 0 &&
      number(db, with_prefix(prefix, "SELECT count(*) FROM @meta"), -1) == 0)
    return 0;
  if (!application || *application != application_id)
    return refuse(errc::wrong_type, "there are tables of these names that are no Odeon journal");
  auto version = value("schema_version");
  if (!version) return version;
  if (*version > mariadb_schema_version)
    return refuse(errc::newer_version, "has schema version " + std::to_string(*version) +
                                           ", and this program knows up to " +
                                           std::to_string(mariadb_schema_version));
  if (*version < 0)
    return refuse(errc::corrupt_record,
                  "meta has no valid schema_version (" + std::to_string(*version) + ")");
  return version;
}

result<void> make_tables(my_connection& db, const std::string& prefix) {
  std::vector<std::string> all{create_meta, "INSERT IGNORE INTO @meta VALUES ('application', " +
                                                std::to_string(application_id) +
                                                "), ('schema_version', 0)"};
  for (const char* sql : version_1) all.emplace_back(sql);
  all.push_back("INSERT IGNORE INTO @state VALUES (1, 1, 1, 1, " +
                std::to_string(checksum(store::state_row{})) + ")");
  all.emplace_back("UPDATE @meta SET value = 1 WHERE name = 'schema_version'");
  for (const auto& sql : all)
    if (auto done = db.run(with_prefix(prefix, sql)); !done)
      return std::unexpected(std::move(done.error()));
  return {};
}

}  // namespace

std::string with_prefix(const std::string& prefix, std::string_view sql) {
  std::string out;
  for (const char c : sql) {
    if (c == '@')
      out += prefix;
    else
      out += c;
  }
  return out;
}

result<void> ensure_tables(my_connection& db, const mariadb_journal_options& o, bool may_create) {
  auto found = identify(db, o.table_prefix);
  if (!found) return std::unexpected(std::move(found.error()));
  if (*found == mariadb_schema_version) return {};
  if (!may_create)
    return fail(errc::not_found, db.place() + ": there is no journal of schema version " +
                                     std::to_string(mariadb_schema_version));
  const std::string lock = db.literal("odeon " + o.database + "." + o.table_prefix);
  const auto wait = std::chrono::ceil<std::chrono::seconds>(o.statement_timeout).count();
  auto got = number(db, "SELECT GET_LOCK(" + lock + ", " + std::to_string(wait) + ")", 0);
  if (!got) return std::unexpected(std::move(got.error()));
  if (*got != 1)
    return fail(errc::io_failed, db.place() + ": another program is making the tables");
  result<void> made{};
  found = identify(db, o.table_prefix);  // again: the other program may have been faster
  if (!found)
    made = std::unexpected(std::move(found.error()));
  else if (*found != mariadb_schema_version)
    made = make_tables(db, o.table_prefix);
  if (db.alive()) static_cast<void>(db.run("DO RELEASE_LOCK(" + lock + ")"));
  return made;
}

}  // namespace odeon::detail
