#pragma once

#include <odeon/base/error.hpp>

#include <sqlite3.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

/// @file SQLite's C interface with owners, spans and results. One thread at a time may use a
/// connection and its statements (they are opened without SQLite's own mutexes).

namespace odeon::detail {

class sqlite_db;

/// A prepared statement. Blobs and texts that are bound must live until the next `reset`; what a
/// column returns lives until the next `step` or `reset`.
class sqlite_statement {
 public:
  sqlite_statement() noexcept = default;

  void bind(int index, std::int64_t value) noexcept;
  void bind(int index, std::uint64_t value) noexcept {
    bind(index, static_cast<std::int64_t>(value));
  }
  void bind(int index, std::uint32_t value) noexcept { bind(index, std::int64_t{value}); }
  void bind(int index, std::string_view text) noexcept;
  void bind(int index, std::span<const std::byte> blob) noexcept;

  template <class... Values>
  void bind_all(const Values&... values) noexcept {
    int index = 0;
    (bind(++index, values), ...);
  }

  /// True: there is a row. After false or an error the statement is reset.
  [[nodiscard]] result<bool> step();

  /// Steps to the end and resets.
  [[nodiscard]] result<void> run();

  void reset() noexcept { sqlite3_reset(raw_.get()); }

  /// A damaged file may hold a value of any type in any column: it is converted, as SQLite does.
  [[nodiscard]] std::int64_t integer(int column) noexcept;
  [[nodiscard]] std::uint64_t natural(int column) noexcept {
    return static_cast<std::uint64_t>(integer(column));
  }
  [[nodiscard]] std::uint32_t natural32(int column) noexcept {
    return static_cast<std::uint32_t>(integer(column));
  }
  [[nodiscard]] std::string_view text(int column) noexcept;
  [[nodiscard]] std::span<const std::byte> blob(int column) noexcept;

 private:
  friend class sqlite_db;
  struct finalize {
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
  };
  const sqlite_db* db_ = nullptr;
  std::unique_ptr<sqlite3_stmt, finalize> raw_;
};

/// Resets a statement at the end of a scope, so that it holds no lock and no row.
class reset_at_exit {
 public:
  explicit reset_at_exit(sqlite_statement& s) noexcept : statement_(s) {}
  ~reset_at_exit() { statement_.reset(); }
  reset_at_exit(const reset_at_exit&) = delete;
  reset_at_exit& operator=(const reset_at_exit&) = delete;

 private:
  sqlite_statement& statement_;
};

/// A connection. Not movable: its statements point to it.
class sqlite_db {
 public:
  /// `flags`: of `sqlite3_open_v2`.
  [[nodiscard]] static result<std::unique_ptr<sqlite_db>> open(const std::string& path, int flags);

  sqlite_db(const sqlite_db&) = delete;
  sqlite_db& operator=(const sqlite_db&) = delete;

  [[nodiscard]] result<sqlite_statement> prepare(const char* sql);

  /// Runs statements that return nothing of interest.
  [[nodiscard]] result<void> execute(const std::string& sql);

  /// The first column of the first row; `missing` when there is none.
  [[nodiscard]] result<std::int64_t> integer(const char* sql, std::int64_t missing = 0);

  /// The error that the last call left, in Odeon's terms. The text names the file.
  [[nodiscard]] error last_error() const;

  [[nodiscard]] sqlite3* raw() const noexcept { return raw_.get(); }
  [[nodiscard]] const std::string& path() const noexcept { return path_; }

 private:
  struct close {
    void operator()(sqlite3* db) const noexcept { sqlite3_close(db); }
  };
  sqlite_db(std::string path, sqlite3* raw) noexcept : path_(std::move(path)), raw_(raw) {}
  std::string path_;
  std::unique_ptr<sqlite3, close> raw_;
};

}  // namespace odeon::detail
