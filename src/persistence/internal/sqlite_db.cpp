#include "persistence/internal/sqlite_db.hpp"

#include <cerrno>
#include <cstring>

namespace odeon::detail {

namespace {

bool means_full(int system_errno) noexcept {
  return system_errno == ENOSPC || system_errno == EDQUOT || system_errno == EFBIG;
}

errc meaning(int code, int system_errno) noexcept {
  switch (code & 0xff) {
    case SQLITE_FULL: return errc::store_full;
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN: return means_full(system_errno) ? errc::store_full : errc::io_failed;
    case SQLITE_CORRUPT: return errc::corrupt_record;
    case SQLITE_NOTADB: return errc::bad_encoding;
    case SQLITE_TOOBIG: return errc::limit_exceeded;
    default: return errc::io_failed;
  }
}

}  // namespace

void sqlite_statement::bind(int index, std::int64_t value) noexcept {
  sqlite3_bind_int64(raw_.get(), index, value);
}

void sqlite_statement::bind(int index, std::string_view text) noexcept {
  sqlite3_bind_text64(raw_.get(), index, text.empty() ? "" : text.data(), text.size(),
                      SQLITE_STATIC, SQLITE_UTF8);
}

void sqlite_statement::bind(int index, std::span<const std::byte> blob) noexcept {
  const void* data = blob.empty() ? static_cast<const void*>("") : blob.data();
  sqlite3_bind_blob64(raw_.get(), index, data, blob.size(), SQLITE_STATIC);
}

result<bool> sqlite_statement::step() {
  errno = 0;  // for `last_error`
  switch (sqlite3_step(raw_.get())) {
    case SQLITE_ROW: return true;
    case SQLITE_DONE: sqlite3_reset(raw_.get()); return false;
    default: {
      error why = db_->last_error();
      sqlite3_reset(raw_.get());
      return std::unexpected(std::move(why));
    }
  }
}

result<void> sqlite_statement::run() {
  while (true) {
    auto row = step();
    if (!row) return std::unexpected(std::move(row.error()));
    if (!*row) return {};
  }
}

std::int64_t sqlite_statement::integer(int column) noexcept {
  return sqlite3_column_int64(raw_.get(), column);
}

std::string_view sqlite_statement::text(int column) noexcept {
  const auto* data = sqlite3_column_text(raw_.get(), column);
  if (data == nullptr) return {};
  return {reinterpret_cast<const char*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(raw_.get(), column))};
}

std::span<const std::byte> sqlite_statement::blob(int column) noexcept {
  const void* data = sqlite3_column_blob(raw_.get(), column);
  if (data == nullptr) return {};
  return {static_cast<const std::byte*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(raw_.get(), column))};
}

result<std::unique_ptr<sqlite_db>> sqlite_db::open(const std::string& path, int flags) {
  sqlite3* raw = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &raw, flags | SQLITE_OPEN_NOMUTEX, nullptr);
  if (raw == nullptr) return fail(errc::io_failed, path + ": out of memory");
  std::unique_ptr<sqlite_db> db(new sqlite_db(path, raw));
  if (code != SQLITE_OK) return std::unexpected(db->last_error());
  sqlite3_extended_result_codes(raw, 1);
  return db;
}

result<sqlite_statement> sqlite_db::prepare(const char* sql) {
  sqlite_statement out;
  sqlite3_stmt* raw = nullptr;
  if (sqlite3_prepare_v3(raw_.get(), sql, -1, SQLITE_PREPARE_PERSISTENT, &raw, nullptr) !=
      SQLITE_OK)
    return std::unexpected(last_error());
  out.db_ = this;
  out.raw_.reset(raw);
  return out;
}

result<void> sqlite_db::execute(const std::string& sql) {
  if (sqlite3_exec(raw_.get(), sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK)
    return std::unexpected(last_error());
  return {};
}

result<std::int64_t> sqlite_db::integer(const char* sql, std::int64_t missing) {
  auto statement = prepare(sql);
  if (!statement) return std::unexpected(std::move(statement.error()));
  auto row = statement->step();
  if (!row) return std::unexpected(std::move(row.error()));
  return *row ? statement->integer(0) : missing;
}

error sqlite_db::last_error() const {
  const int code = sqlite3_extended_errcode(raw_.get());
  // SQLite keeps no errno of a failed commit; the thread still has it.
  int system_errno = sqlite3_system_errno(raw_.get());
  if (system_errno == 0) system_errno = errno;
  std::string text = path_ + ": ";
  if (const int kind = code & 0xff; kind == SQLITE_BUSY || kind == SQLITE_LOCKED) {
    text += "another program holds a lock on it";
  } else if (kind == SQLITE_READONLY) {
    text += "is not writable";
  } else {
    text += sqlite3_errmsg(raw_.get());
    const bool from_system = kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN || kind == SQLITE_FULL;
    if (from_system && system_errno != 0)
      text += std::string(" (") + std::strerror(system_errno) + ")";
  }
  return {meaning(code, system_errno), std::move(text)};
}

}  // namespace odeon::detail
