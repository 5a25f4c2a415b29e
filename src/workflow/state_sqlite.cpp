// The SQLite file of a state store: one row for each key, the schema version beside it. A commit is
// one transaction with synchronous=FULL.

#include <sqlite3.h>
#include <workflow/internal/state_core.hpp>

namespace odeon::workflows {

namespace detail {

namespace {

constexpr int application_id = 0x6f647773;  // "odws"
constexpr int layout_version = 1;

struct finalize {
  void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
};
using statement = std::unique_ptr<sqlite3_stmt, finalize>;
struct close_db {
  void operator()(sqlite3* db) const noexcept { sqlite3_close(db); }
};

void bind_text(sqlite3_stmt* s, int at, std::string_view text) noexcept {
  sqlite3_bind_text(s, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}
std::string text_of(sqlite3_stmt* s, int column) {
  const auto* p = reinterpret_cast<const char*>(sqlite3_column_text(s, column));
  return p ? std::string(p, static_cast<std::size_t>(sqlite3_column_bytes(s, column)))
           : std::string();
}

class sqlite_disk final : public state_disk {
 public:
  static result<std::unique_ptr<sqlite_disk>> open(const std::string& path) {
    auto lock = state_file_lock::take(path);
    if (!lock) return std::unexpected(lock.error());
    auto disk = std::unique_ptr<sqlite_disk>(new sqlite_disk(path, std::move(*lock)));
    sqlite3* raw = nullptr;
    const int rc = sqlite3_open_v2(
        path.c_str(), &raw,
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
        nullptr);
    disk->db_.reset(raw);
    if (rc != SQLITE_OK) return disk->failed();
    return disk;
  }

  /// What is there; nothing: the file is new, and has been laid out.
  result<std::optional<int>> read(state_table& all) {
    auto tables = integer("SELECT count(*) FROM sqlite_master");
    if (!tables) return std::unexpected(tables.error());
    if (*tables == 0) {
      auto ok =
          run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; BEGIN IMMEDIATE;"
              "PRAGMA application_id=" +
              std::to_string(application_id) +
              ";"
              "PRAGMA user_version=" +
              std::to_string(layout_version) +
              ";"
              "CREATE TABLE schema(version INTEGER NOT NULL);"
              "CREATE TABLE state(key TEXT PRIMARY KEY, type TEXT NOT NULL,"
              " version INTEGER NOT NULL, value TEXT NOT NULL) WITHOUT ROWID;"
              "COMMIT");
      if (!ok) return std::unexpected(ok.error());
      return std::nullopt;
    }
    auto whose = integer("PRAGMA application_id");
    auto layout = integer("PRAGMA user_version");
    if (!whose || !layout) return failed();
    if (*whose != application_id)
      return fail(errc::wrong_type, path_ + " is the database of another program");
    if (*layout > layout_version)
      return fail(errc::newer_version, path_ + " was written by a newer Odeon");
    if (auto ok = run("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL"); !ok)
      return std::unexpected(ok.error());
    auto schema = integer("SELECT version FROM schema");
    if (!schema) return std::unexpected(schema.error());
    if (*schema == 0) return std::nullopt;  // laid out, and then the program ended
    statement rows;
    if (auto ok = prepare(rows, "SELECT key, type, version, value FROM state"); !ok)
      return std::unexpected(ok.error());
    int rc = SQLITE_ROW;
    while ((rc = sqlite3_step(rows.get())) == SQLITE_ROW)
      all[text_of(rows.get(), 0)] = {text_of(rows.get(), 1), sqlite3_column_int(rows.get(), 2),
                                     text_of(rows.get(), 3)};
    if (rc != SQLITE_DONE) return failed();
    return static_cast<int>(*schema);
  }

  [[nodiscard]] bool writes_all() const noexcept override { return false; }
  result<void> write(const state_changes& changes, const state_table&, int schema) override {
    auto ok = run("BEGIN IMMEDIATE");
    if (ok) ok = write_rows(changes, schema);
    if (ok) ok = run("COMMIT");
    if (!ok) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
    return ok;
  }

 private:
  sqlite_disk(std::string path, std::unique_ptr<state_file_lock> lock) noexcept
      : path_(std::move(path)),
        lock_(std::move(lock)) {}

  result<void> write_rows(const state_changes& changes, int schema) {
    if (schema != written_schema_) {
      if (auto ok =
              run("DELETE FROM schema; INSERT INTO schema VALUES(" + std::to_string(schema) + ")");
          !ok)
        return ok;
    }
    statement put, erase;
    if (auto ok = prepare(put, "INSERT OR REPLACE INTO state VALUES(?,?,?,?)"); !ok) return ok;
    if (auto ok = prepare(erase, "DELETE FROM state WHERE key=?"); !ok) return ok;
    for (const auto& [key, value] : changes) {
      sqlite3_stmt* s = value ? put.get() : erase.get();
      sqlite3_reset(s);
      bind_text(s, 1, key);
      if (value) {
        bind_text(s, 2, value->manifest);
        sqlite3_bind_int(s, 3, value->version);
        bind_text(s, 4, value->json);
      }
      if (sqlite3_step(s) != SQLITE_DONE) return failed();
    }
    written_schema_ = schema;
    return {};
  }
  result<void> run(const std::string& sql) {
    if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
      return failed();
    return {};
  }
  result<void> prepare(statement& out, const char* sql) {
    sqlite3_stmt* raw = nullptr;
    if (sqlite3_prepare_v2(db_.get(), sql, -1, &raw, nullptr) != SQLITE_OK) return failed();
    out.reset(raw);
    return {};
  }
  result<std::int64_t> integer(const char* sql) {
    statement s;
    if (auto ok = prepare(s, sql); !ok) return std::unexpected(ok.error());
    const int rc = sqlite3_step(s.get());
    if (rc != SQLITE_ROW && rc != SQLITE_DONE) return failed();
    return rc == SQLITE_ROW ? sqlite3_column_int64(s.get(), 0) : 0;
  }
  [[nodiscard]] std::unexpected<error> failed() const {
    const int rc = sqlite3_errcode(db_.get());
    const errc code = (rc & 0xff) == SQLITE_FULL ? errc::store_full
                      : (rc & 0xff) == SQLITE_NOTADB || (rc & 0xff) == SQLITE_CORRUPT
                          ? errc::bad_encoding
                          : errc::io_failed;
    return fail(code, path_ + ": " + sqlite3_errmsg(db_.get()));
  }

  std::string path_;
  std::unique_ptr<state_file_lock> lock_;
  std::unique_ptr<sqlite3, close_db> db_;
  int written_schema_ = 0;
};

}  // namespace

}  // namespace detail

result<std::shared_ptr<state_store>> open_sqlite_state(runtime& rt, std::string path,
                                                       state_options options) {
  auto disk = detail::sqlite_disk::open(path);
  if (!disk) return std::unexpected(disk.error());
  detail::state_table all;
  auto schema = (*disk)->read(all);
  if (!schema) return std::unexpected(schema.error());
  const bool is_new = !*schema;
  const int found = schema->value_or(options.schema_version);
  auto core = std::make_shared<detail::state_core>(rt, std::move(options));
  core->disk = std::move(*disk);
  if (auto ok = core->load(std::move(all), found, is_new, path); !ok)
    return std::unexpected(ok.error());
  core->writer = rt.make_serial("state");
  return std::make_shared<state_store>(std::move(core));
}

}  // namespace odeon::workflows
