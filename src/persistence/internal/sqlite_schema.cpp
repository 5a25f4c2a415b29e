#include "persistence/internal/sqlite_schema.hpp"

#include "persistence/internal/commit_witness.hpp"
#include <odeon/base/crc32c.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>

namespace odeon::detail {

namespace {

// Step k turns a file of version k into one of version k + 1; step 0 starts from an empty file. A
// released step is never changed.
constexpr std::array<const char*, journal_schema_version> steps{R"sql(
CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
CREATE TABLE state(one INTEGER PRIMARY KEY CHECK (one = 1), log_first INTEGER NOT NULL,
  log_next INTEGER NOT NULL, position_next INTEGER NOT NULL, outbox_next INTEGER NOT NULL,
  actor_next INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE TABLE actors(actor INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, id_crc INTEGER NOT NULL,
  epoch INTEGER NOT NULL, stored INTEGER NOT NULL, crc INTEGER NOT NULL) STRICT;
CREATE INDEX actors_by_crc ON actors(id_crc);
CREATE TABLE log(number INTEGER PRIMARY KEY, directory BLOB NOT NULL, records BLOB NOT NULL) STRICT;
CREATE TABLE segments(actor INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  records BLOB NOT NULL, PRIMARY KEY(actor, first)) STRICT, WITHOUT ROWID;
CREATE TABLE tagged(tag TEXT NOT NULL, position INTEGER NOT NULL, actor INTEGER NOT NULL,
  sequence INTEGER NOT NULL, PRIMARY KEY(tag, position)) STRICT, WITHOUT ROWID;
CREATE TABLE snapshots(actor INTEGER NOT NULL, sequence INTEGER NOT NULL, written INTEGER NOT NULL,
  manifest TEXT NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY(actor, sequence)) STRICT;
CREATE TABLE timers(actor INTEGER NOT NULL, id TEXT NOT NULL, due INTEGER NOT NULL,
  manifest TEXT NOT NULL, version INTEGER NOT NULL, payload BLOB NOT NULL, crc INTEGER NOT NULL,
  PRIMARY KEY(actor, id)) STRICT;
CREATE INDEX timers_by_due ON timers(due, actor, id);
CREATE TABLE outbox(position INTEGER PRIMARY KEY, actor INTEGER NOT NULL, sequence INTEGER NOT NULL,
  id TEXT NOT NULL, target TEXT NOT NULL, manifest TEXT NOT NULL, version INTEGER NOT NULL,
  payload BLOB NOT NULL, crc INTEGER NOT NULL) STRICT;
)sql",
                                                                R"sql(
ALTER TABLE actors ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE TABLE marks(actor INTEGER NOT NULL, name TEXT NOT NULL, name_crc INTEGER NOT NULL,
  value INTEGER NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY(actor, name)) STRICT;
CREATE INDEX marks_by_crc ON marks(actor, name_crc);
)sql"};

// What version 1 lacks, for who only looks: in the connection's temporary database, in memory.
constexpr const char* show_version_1 = R"sql(
PRAGMA temp_store = MEMORY;
CREATE TEMP VIEW actors AS SELECT *, 0 AS revision FROM main.actors;
CREATE TEMP VIEW marks AS
  SELECT 0 AS actor, '' AS name, 0 AS name_crc, 0 AS value, 0 AS crc WHERE 0;
)sql";

constexpr const char* write_state_sql =
    "INSERT OR REPLACE INTO state"
    "(one, log_first, log_next, position_next, outbox_next, actor_next, crc)"
    " VALUES (1, ?, ?, ?, ?, ?, ?)";

// Covers what SQLite reads the tables by: a flipped byte there would show as anything but damage.
// An index or a table that somebody else added does not matter.
result<std::int64_t> schema_checksum(sqlite_db& db) {
  auto rows = db.prepare(
      "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE name IN ('meta', 'state',"
      " 'actors', 'actors_by_crc', 'log', 'segments', 'tagged', 'snapshots', 'timers',"
      " 'timers_by_due', 'outbox', 'marks', 'marks_by_crc')"
      " ORDER BY name");
  if (!rows) return std::unexpected(std::move(rows.error()));
  row_checksum sum(0);
  while (true) {
    auto row = rows->step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return sum.value();
    for (int column = 0; column < 4; ++column) sum.text(rows->text(column));
  }
}

// What is in the file, before anything is changed in it. Empty: no table, version 0.
struct identity {
  bool empty = false;
  std::int64_t version = 0;
};

result<identity> identify(sqlite_db& db) {
  auto objects = db.integer("SELECT count(*) FROM sqlite_master");
  if (!objects) {
    if (objects.error() == errc::bad_encoding)
      return fail(errc::bad_encoding, db.path() + ": is not an SQLite database");
    return std::unexpected(std::move(objects.error()));
  }
  auto application = db.integer("PRAGMA application_id");
  if (!application) return std::unexpected(std::move(application.error()));
  if (*objects == 0 && (*application == 0 || *application == journal_application_id))
    return identity{.empty = true};
  if (*application != journal_application_id)
    return fail(errc::wrong_type, db.path() + ": is an SQLite database, but no Odeon journal");
  auto version = db.integer("SELECT value FROM meta WHERE key = 'schema_version'", -1);
  if (!version) return std::unexpected(std::move(version.error()));
  if (*version > journal_schema_version)
    return fail(errc::newer_version,
                db.path() + ": has schema version " + std::to_string(*version) +
                    ", and this program knows up to " + std::to_string(journal_schema_version));
  if (*version < 1)
    return fail(errc::corrupt_record, db.path() + ": meta has no valid schema_version (" +
                                          std::to_string(*version) + ")");
  auto written = db.integer("SELECT value FROM meta WHERE key = 'schema_crc'", -1);
  if (!written) return std::unexpected(std::move(written.error()));
  auto found = schema_checksum(db);
  if (!found) return std::unexpected(std::move(found.error()));
  if (*found != *written)
    return fail(errc::corrupt_record, db.path() + ": the tables' definitions are not as written");
  return identity{.version = *version};
}

result<void> write_first_state(sqlite_db& db) {
  auto statement = db.prepare(write_state_sql);
  if (!statement) return std::unexpected(std::move(statement.error()));
  const store_state s;
  statement->bind_all(s.log_first, s.log_next, s.position_next, s.outbox_next, s.actor_next,
                      checksum(s));
  return statement->run();
}

result<void> migrate_in_transaction(sqlite_db& db) {
  const auto from = identify(db);  // again, under the lock: another process may have been faster
  if (!from) return std::unexpected(from.error());
  for (std::int64_t v = from->version; v < journal_schema_version; ++v)
    if (auto ok = db.execute(steps[static_cast<std::size_t>(v)]); !ok) return ok;
  if (from->empty) {
    if (auto ok = write_first_state(db); !ok) return ok;
    if (auto ok = db.execute("PRAGMA application_id = " + std::to_string(journal_application_id));
        !ok)
      return ok;
  }
  const auto crc = schema_checksum(db);
  if (!crc) return std::unexpected(crc.error());
  if (auto ok = db.execute("INSERT OR REPLACE INTO meta VALUES ('schema_version', " +
                           std::to_string(journal_schema_version) + "), ('schema_crc', " +
                           std::to_string(*crc) + ")");
      !ok)
    return ok;
  return db.execute("COMMIT");
}

result<void> migrate(sqlite_db& db, const identity& found) {
  if (!found.empty && found.version == journal_schema_version) return {};
  if (auto ok = db.execute("BEGIN IMMEDIATE"); !ok) return ok;
  auto ok = migrate_in_transaction(db);
  if (!ok) static_cast<void>(db.execute("ROLLBACK"));
  return ok;
}

result<void> configure(sqlite_db& db, const sqlite_journal_options& o, store_access access) {
  const auto number = [](auto n) { return std::to_string(n); };
  std::string sql = "PRAGMA cache_size = -" + number(o.cache_bytes / 1024) +
                    "; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
                    "PRAGMA cell_size_check = ON; PRAGMA mmap_size = 0;";
  if (access == store_access::write) {
    sql +=
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = " +
        number(4 * o.checkpoint_bytes) + ";";
    if (o.max_file_bytes > 0) {
      auto page = db.integer("PRAGMA page_size", 4096);
      if (!page) return std::unexpected(std::move(page.error()));
      sql += "PRAGMA max_page_count = " +
             number(o.max_file_bytes / static_cast<std::uint64_t>(*page) + 1) + ";";
    }
  } else {
    sql += "PRAGMA query_only = ON;";
  }
  return db.execute(sql);
}

result<void> switch_to_wal(sqlite_db& db) {
  auto statement = db.prepare("PRAGMA journal_mode = WAL");
  if (!statement) return std::unexpected(std::move(statement.error()));
  auto row = statement->step();
  if (!row) return std::unexpected(std::move(row.error()));
  if (*row && statement->text(0) == "wal") return {};
  return fail(errc::io_failed, db.path() + ": its file system does not allow SQLite's WAL mode");
}

result<void> check_path(const sqlite_journal_options& o, bool create) {
  if (o.path.empty() || o.path.front() == ':')
    return fail(errc::invalid_argument, "\"" + o.path + "\" is not the path of a file");
  std::error_code ignored;
  const std::filesystem::path path(o.path);
  if (path.has_parent_path() && !std::filesystem::is_directory(path.parent_path(), ignored))
    return fail(errc::not_found, o.path + ": its folder does not exist");
  const bool there = std::filesystem::exists(path, ignored);
  if (there && !std::filesystem::is_regular_file(path, ignored))
    return fail(errc::io_failed, o.path + ": is not a file");
  if (!there && !create) return fail(errc::not_found, o.path + ": does not exist");
  return {};
}

}  // namespace

result<opened_store> open_store(const sqlite_journal_options& o, store_access access) {
  const auto refuse = [](error& e) { return std::unexpected(std::move(e)); };
  const bool writes = access == store_access::write;
  if (auto ok = check_path(o, writes && o.create); !ok) return refuse(ok.error());
  int flags = SQLITE_OPEN_READWRITE;
  if (writes && o.create) flags |= SQLITE_OPEN_CREATE;
  if (access == store_access::inspect) flags = SQLITE_OPEN_READONLY;
  // What stands in the write-ahead log alone leaves a file that has no table, but its first page.
  std::error_code unknown;
  const auto size = std::filesystem::file_size(o.path, unknown);
  const bool is_new = unknown || size == 0;
  auto opened = sqlite_db::open(o.path, flags);
  if (!opened) return refuse(opened.error());
  opened_store out{std::nullopt, std::move(*opened)};
  sqlite_db& db = *out.db;
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(o.busy_timeout);
  sqlite3_busy_timeout(db.raw(), static_cast<int>(wait.count()));
  if (access == store_access::inspect)
    sqlite3_db_config(db.raw(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);

  auto what = identify(db);
  if (!what) return refuse(what.error());
  if (what->empty && !writes) {
    if (!is_new)
      if (auto ok = check_witness(db); !ok) return refuse(ok.error());
    return fail(errc::wrong_type, o.path + ": is empty, and no Odeon journal");
  }
  if (writes) {
    if (sqlite3_db_readonly(db.raw(), "main") != 0 ||
        ::faccessat(AT_FDCWD, o.path.c_str(), W_OK, AT_EACCESS) != 0)
      return fail(errc::io_failed, o.path + ": is not writable");
    auto owner = owner_lock::take(o.path);
    if (!owner) return refuse(owner.error());
    out.owner.emplace(std::move(*owner));
    // Before anything is written behind what may be damage.
    if (is_new) remove_witness(o.path);
    if (auto ok = check_witness(db); !ok) return refuse(ok.error());
    if (auto ok = switch_to_wal(db); !ok) return refuse(ok.error());
  }
  if (access == store_access::inspect && what->version == 1)
    if (auto ok = db.execute(show_version_1); !ok) return refuse(ok.error());
  if (auto ok = configure(db, o, access); !ok) return refuse(ok.error());
  if (writes)
    if (auto ok = migrate(db, *what); !ok) return refuse(ok.error());
  return out;
}

std::uint32_t checksum(const store_state& s) noexcept {
  return row_checksum(0)
      .number(s.log_first)
      .number(s.log_next)
      .number(s.position_next)
      .number(s.outbox_next)
      .number(s.actor_next)
      .value();
}

result<store_state> read_state(sqlite_db& db) {
  auto row = db.prepare(
      "SELECT log_first, log_next, position_next, outbox_next, actor_next, crc FROM state"
      " WHERE one = 1");
  if (!row) return std::unexpected(std::move(row.error()));
  auto found = row->step();
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found) return fail(errc::corrupt_record, db.path() + ": the row of state is not there");
  const store_state s{row->natural(0), row->natural(1), row->natural(2), row->natural(3),
                      row->natural32(4)};
  if (checksum(s) != row->natural32(5))
    return fail(errc::corrupt_record, db.path() + ": state: the checksum does not match");
  return s;
}

row_checksum& row_checksum::number(std::uint64_t n) noexcept {
  crc_ = crc32c(std::as_bytes(std::span(&n, 1)), crc_);
  return *this;
}

row_checksum& row_checksum::bytes(std::span<const std::byte> b) noexcept {
  number(b.size());
  crc_ = crc32c(b, crc_);
  return *this;
}

std::uint32_t checksum(const actor_row& r) noexcept {
  auto sum = row_checksum(r.id_crc).number(r.actor).number(r.epoch).number(r.stored);
  if (r.revision > 0) sum.number(r.revision);  // so that the rows of version 1 stay as they are
  return sum.value();
}

result<actor_row> read_actor(sqlite_statement& row) {
  const actor_row r{.actor = row.natural32(0),
                    .id_crc = row.natural32(2),
                    .epoch = row.natural(3),
                    .stored = row.natural(4),
                    .revision = row.natural(6)};
  if (crc32c(row.text(1)) != r.id_crc || checksum(r) != row.natural32(5))
    return fail(errc::corrupt_record,
                "actors(" + std::to_string(r.actor) + "): the checksum does not match");
  return r;
}

result<actor_finder> actor_finder::make(sqlite_db& db) {
  actor_finder out;
  const std::string select = std::string("SELECT ") + actor_columns + " FROM actors ";
  for (auto [statement, where] :
       {std::pair(&out.by_id_, "WHERE id = ?"), std::pair(&out.by_crc_, "WHERE id_crc = ?"),
        std::pair(&out.by_number_, "WHERE actor = ?")}) {
    auto prepared = db.prepare((select + where).c_str());
    if (!prepared) return std::unexpected(std::move(prepared.error()));
    *statement = std::move(*prepared);
  }
  return out;
}

result<actor_row> actor_finder::find(std::string_view persistence_id) {
  const reset_at_exit a(by_id_);
  const reset_at_exit b(by_crc_);
  by_id_.bind(1, persistence_id);
  auto found = by_id_.step();
  if (!found) return std::unexpected(std::move(found.error()));
  if (*found) {
    if (by_id_.text(1) != persistence_id)
      return fail(errc::corrupt_record, "actors: the index by id leads to another id");
    return read_actor(by_id_);
  }
  // Not there – or its index entry is damaged. The other index knows, unless both are.
  by_crc_.bind(1, crc32c(persistence_id));
  while (true) {
    found = by_crc_.step();
    if (!found) return std::unexpected(std::move(found.error()));
    if (!*found) return actor_row{};
    auto row = read_actor(by_crc_);
    if (!row) return row;
    if (by_crc_.text(1) == persistence_id)
      return fail(errc::corrupt_record, "actors: the index by id lacks an entry");
  }
}

result<actor_row> actor_finder::find(std::uint32_t actor) {
  const reset_at_exit a(by_number_);
  by_number_.bind(1, actor);
  auto found = by_number_.step();
  if (!found) return std::unexpected(std::move(found.error()));
  if (!*found)
    return fail(errc::corrupt_record,
                "actors(" + std::to_string(actor) + "): the row is not there");
  return read_actor(by_number_);
}

error at_place(std::string_view place, const error& e) {
  return {e.code(), std::string(place) + ": " + std::string(e.text())};
}

}  // namespace odeon::detail
