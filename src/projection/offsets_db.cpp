#include "projection/internal/offsets_db.hpp"

#include <odeon/runtime/runtime.hpp>

namespace odeon::projection::detail {

namespace {

constexpr std::size_t statements_max = 64;  // prepared ones that are kept

errc meaning(int code) noexcept {
  switch (code & 0xff) {
    case SQLITE_FULL: return errc::store_full;
    case SQLITE_NOTADB: return errc::bad_encoding;
    case SQLITE_CORRUPT: return errc::corrupt_record;
    case SQLITE_TOOBIG: return errc::limit_exceeded;
    case SQLITE_ERROR:
    case SQLITE_RANGE:
    case SQLITE_MISMATCH: return errc::invalid_argument;
    case SQLITE_CONSTRAINT: return errc::refused;
    default: return errc::io_failed;
  }
}

void bind_at(sqlite3_stmt* s, int at, std::string_view text) noexcept {
  sqlite3_bind_text(s, at, text.data(), static_cast<int>(text.size()), SQLITE_STATIC);
}
void bind_at(sqlite3_stmt* s, int at, std::uint64_t number) noexcept {
  sqlite3_bind_int64(s, at, static_cast<std::int64_t>(number));
}

}  // namespace

error offsets_db::last_error() const {
  const int code = sqlite3_extended_errcode(db_.get());
  return {meaning(code), path_ + ": " + sqlite3_errmsg(db_.get())};
}

result<std::unique_ptr<offsets_db>> offsets_db::open(runtime& rt, const sqlite_offsets_options& o) {
  auto out = std::unique_ptr<offsets_db>(new offsets_db(o.path));
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(
      o.path.c_str(), &raw,
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
      nullptr);
  out->db_.reset(raw);
  if (code != SQLITE_OK) return std::unexpected(out->last_error());
  const auto busy = std::chrono::duration_cast<std::chrono::milliseconds>(o.busy_timeout).count();
  sqlite3_busy_timeout(raw, static_cast<int>(busy));
  auto ok = out->script(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; BEGIN IMMEDIATE;"
      "CREATE TABLE IF NOT EXISTS odeon_projections(name TEXT PRIMARY KEY,"
      " position INTEGER NOT NULL) WITHOUT ROWID;" +
      o.setup + ";COMMIT");
  if (!ok) return std::unexpected(std::move(ok.error()));
  out->thread = rt.make_serial("projections");
  return out;
}

result<void> offsets_db::script(const std::string& sql) {
  if (sqlite3_exec(db_.get(), sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return std::unexpected(last_error());
}

result<sqlite3_stmt*> offsets_db::prepared(std::string_view sql) {
  std::string key(sql);
  if (const auto at = statements_.find(key); at != statements_.end()) return at->second.get();
  sqlite3_stmt* raw = nullptr;
  const char* rest = nullptr;
  const int code = sqlite3_prepare_v3(db_.get(), key.c_str(), static_cast<int>(key.size()),
                                      SQLITE_PREPARE_PERSISTENT, &raw, &rest);
  if (code != SQLITE_OK) return std::unexpected(last_error());
  std::unique_ptr<sqlite3_stmt, finalize> made(raw);
  if (raw == nullptr) return fail(errc::invalid_argument, path_ + ": there is no SQL in \"\"");
  while (*rest == ' ' || *rest == ';' || *rest == '\n') ++rest;
  if (*rest != '\0')
    return fail(errc::invalid_argument,
                path_ + ": one statement at a time, and \"" + rest + "\" is a second one");
  if (statements_.size() >= statements_max) statements_.clear();
  statements_.emplace(std::move(key), std::move(made));
  return raw;
}

result<void> offsets_db::transaction(transactional_store::work& what) {
  if (auto ok = script("BEGIN IMMEDIATE"); !ok) return ok;
  sqlite_transaction tx(*this);
  result<void> done;
  try {
    done = what(tx);
  } catch (const actor_error& e) {
    done = std::unexpected<error>(e.reason());
  } catch (const std::exception& e) {
    done = fail(errc::handler_failed, e.what());
  } catch (...) {
    done = fail(errc::handler_failed, "an exception that is no std::exception");
  }
  if (done) done = script("COMMIT");
  if (!done) sqlite3_exec(db_.get(), "ROLLBACK", nullptr, nullptr, nullptr);
  return done;
}

result<std::uint64_t> offsets_db::load(const std::string& projection) {
  auto s = prepared("SELECT position FROM odeon_projections WHERE name = ?");
  if (!s) return std::unexpected(std::move(s.error()));
  const rewound at_exit{*s};
  bind_at(*s, 1, projection);
  switch (sqlite3_step(*s)) {
    case SQLITE_ROW: return static_cast<std::uint64_t>(sqlite3_column_int64(*s, 0));
    case SQLITE_DONE: return 0;
    default: return std::unexpected(last_error());
  }
}

result<void> offsets_db::move(const std::string& projection, std::uint64_t from, std::uint64_t to) {
  const auto changed = [&](std::string_view sql, auto... values) -> result<bool> {
    auto s = prepared(sql);
    if (!s) return std::unexpected(std::move(s.error()));
    const rewound at_exit{*s};
    int at = 0;
    (bind_at(*s, ++at, values), ...);
    if (sqlite3_step(*s) != SQLITE_DONE) return std::unexpected(last_error());
    return sqlite3_changes(db_.get()) == 1;
  };
  const std::string_view name = projection;
  auto moved = changed("UPDATE odeon_projections SET position = ? WHERE name = ? AND position = ?",
                       to, name, from);
  if (moved && !*moved && from == 0)
    moved =
        changed("INSERT OR IGNORE INTO odeon_projections(name, position) VALUES(?, ?)", name, to);
  if (!moved) return std::unexpected(std::move(moved.error()));
  if (*moved) return {};
  auto is = load(projection);
  if (!is) return std::unexpected(std::move(is.error()));
  return fail(errc::version_conflict, path_ + ": the offset of projection \"" + projection +
                                          "\" is " + std::to_string(*is) + ", not " +
                                          std::to_string(from));
}

result<std::vector<stored_offset>> offsets_db::list() {
  auto s = prepared("SELECT name, position FROM odeon_projections ORDER BY name");
  if (!s) return std::unexpected(std::move(s.error()));
  const rewound at_exit{*s};
  std::vector<stored_offset> out;
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(*s)) == SQLITE_ROW)
    out.push_back({reinterpret_cast<const char*>(sqlite3_column_text(*s, 0)),
                   static_cast<std::uint64_t>(sqlite3_column_int64(*s, 1))});
  if (code != SQLITE_DONE) return std::unexpected(last_error());
  return out;
}

}  // namespace odeon::projection::detail
