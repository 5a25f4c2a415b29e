#include "postgres/internal/schema.hpp"

#include <odeon/persistence/table_rows.hpp>

#include <array>
#include <charconv>

namespace odeon::detail {

namespace {

// "ODJL": what the advisory lock is taken on, and what `meta` says the schema is for.
constexpr std::int64_t application_id = 0x4f444a4c;

// Step k turns a schema of version k into one of version k + 1; step 0 starts from nothing. A
// released step is never changed.
constexpr std::array<const char*, postgres_schema_version> steps{R"sql(
CREATE TABLE @meta(key text PRIMARY KEY, value bigint NOT NULL);
CREATE TABLE @state(one smallint PRIMARY KEY CHECK (one = 1), position_next bigint NOT NULL,
  outbox_next bigint NOT NULL, actor_next bigint NOT NULL, crc bigint NOT NULL)
  WITH (fillfactor = 50);
CREATE TABLE @actors(actor bigint PRIMARY KEY, id bytea NOT NULL UNIQUE, epoch bigint NOT NULL,
  sequence bigint NOT NULL, kind bigint NOT NULL, crc bigint NOT NULL) WITH (fillfactor = 80);
CREATE TABLE @events(actor bigint, sequence bigint, position bigint NOT NULL,
  epoch bigint NOT NULL, written bigint NOT NULL, version bigint NOT NULL, manifest bytea NOT NULL,
  tags bytea NOT NULL, payload bytea NOT NULL, crc bigint NOT NULL, PRIMARY KEY(actor, sequence));
CREATE TABLE @tagged(tag bytea, position bigint, actor bigint NOT NULL, sequence bigint NOT NULL,
  PRIMARY KEY(tag, position));
CREATE TABLE @snapshots(actor bigint, sequence bigint, written bigint NOT NULL,
  manifest bytea NOT NULL, version bigint NOT NULL, payload bytea NOT NULL, crc bigint NOT NULL,
  PRIMARY KEY(actor, sequence));
CREATE TABLE @timers(actor bigint, id bytea, due bigint NOT NULL, manifest bytea NOT NULL,
  version bigint NOT NULL, payload bytea NOT NULL, crc bigint NOT NULL, PRIMARY KEY(actor, id));
CREATE INDEX timers_by_due ON @timers(due, actor, id);
CREATE TABLE @outbox(position bigint PRIMARY KEY, actor bigint NOT NULL, sequence bigint NOT NULL,
  id bytea NOT NULL, target bytea NOT NULL, manifest bytea NOT NULL, version bigint NOT NULL,
  payload bytea NOT NULL, crc bigint NOT NULL);
CREATE TABLE @marks(actor bigint, name bytea, value bigint NOT NULL, crc bigint NOT NULL,
  PRIMARY KEY(actor, name));
)sql"};

constexpr const char* our_tables =
    "('meta', 'state', 'actors', 'events', 'tagged', 'snapshots', 'timers', 'outbox', 'marks')";

result<std::int64_t> number(pg_connection& db, const std::string& sql, std::int64_t missing) {
  auto r = db.run(sql);
  if (!r) return std::unexpected(std::move(r.error()));
  if (PQntuples(r->get()) == 0 || PQgetisnull(r->get(), 0, 0) != 0) return missing;
  const std::string_view text = PQgetvalue(r->get(), 0, 0);
  std::int64_t out = missing;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

struct identity {
  bool schema_exists = false;
  std::int64_t version = 0;  // 0: no journal, and nothing in its way
};

result<identity> identify(pg_connection& db, const std::string& schema) {
  const auto place = [&](const std::string& what) { return db.place() + ": " + what; };
  const std::string name = db.literal(schema);
  auto there = number(db, "SELECT 1 FROM pg_namespace WHERE nspname = " + name, 0);
  if (!there) return std::unexpected(std::move(there.error()));
  if (*there == 0) return identity{};
  const std::string ours =
      " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = " + name +
      " AND c.relkind IN ('r', 'p', 'v', 'm', 'f') AND c.relname ";
  auto tables = number(db, "SELECT count(*)" + ours + "IN " + our_tables, 0);
  if (!tables) return std::unexpected(std::move(tables.error()));
  if (*tables == 0) return identity{.schema_exists = true};
  const auto meta = [&](const char* key) {
    return number(db, in_schema(db, schema, "SELECT value FROM @meta WHERE key = '") + key + "'",
                  -1);
  };
  auto application = number(db, "SELECT count(*)" + ours + "= 'meta'", 0);
  if (application && *application == 1) application = meta("application");
  if (!application && application.error() != errc::wrong_type)
    return std::unexpected(std::move(application.error()));
  if (!application || *application != application_id)
    return fail(errc::wrong_type, place("holds tables of these names that are no Odeon journal"));
  auto version = meta("schema_version");
  if (!version) return std::unexpected(std::move(version.error()));
  if (*version > postgres_schema_version)
    return fail(errc::newer_version,
                place("has schema version " + std::to_string(*version) +
                      ", and this program knows up to " + std::to_string(postgres_schema_version)));
  if (*version < 1)
    return fail(errc::corrupt_record,
                place("meta has no valid schema_version (" + std::to_string(*version) + ")"));
  return identity{.schema_exists = true, .version = *version};
}

result<void> execute(pg_connection& db, const std::string& sql) {
  if (auto r = db.run(sql); !r) return std::unexpected(std::move(r.error()));
  return {};
}

result<void> migrate_in_transaction(pg_connection& db, const std::string& schema) {
  const auto found =
      identify(db, schema);  // again, under the lock: another one may have been faster
  if (!found) return std::unexpected(found.error());
  std::string sql;
  if (!found->schema_exists) sql += "CREATE SCHEMA " + db.identifier(schema) + ";";
  for (std::int64_t v = found->version; v < postgres_schema_version; ++v)
    sql += in_schema(db, schema, steps[static_cast<std::size_t>(v)]);
  if (found->version == 0)
    sql += in_schema(db, schema, "INSERT INTO @meta VALUES ('application', ") +
           std::to_string(application_id) + "), ('schema_version', 0);" +
           in_schema(db, schema, "INSERT INTO @state VALUES (1, 1, 1, 1, ") +
           std::to_string(checksum(store::state_row{})) + ");";
  sql += in_schema(db, schema, "UPDATE @meta SET value = ") +
         std::to_string(postgres_schema_version) + " WHERE key = 'schema_version'; COMMIT";
  return execute(db, sql);
}

}  // namespace

std::string in_schema(const pg_connection& db, const std::string& schema, std::string_view sql) {
  const std::string prefix = db.identifier(schema) + ".";
  std::string out;
  for (const char c : sql) {
    if (c == '@')
      out += prefix;
    else
      out += c;
  }
  return out;
}

result<void> ensure_schema(pg_connection& db, const std::string& schema, bool may_create) {
  auto found = identify(db, schema);
  if (!found) return std::unexpected(std::move(found.error()));
  if (found->version == postgres_schema_version) return {};
  if (!may_create)
    return fail(errc::not_found, db.place() + ": there is no journal of schema version " +
                                     std::to_string(postgres_schema_version));
  auto ok =
      execute(db, "BEGIN; SELECT pg_advisory_xact_lock(" + std::to_string(application_id) + ")");
  if (ok) ok = migrate_in_transaction(db, schema);
  if (!ok && db.alive()) static_cast<void>(execute(db, "ROLLBACK"));
  return ok;
}

}  // namespace odeon::detail
