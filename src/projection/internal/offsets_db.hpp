#pragma once

#include <odeon/projection/sqlite_offsets.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <sqlite3.h>

#include <memory>
#include <string>
#include <unordered_map>

/// @file The connection of an SQLite offset store. All members but `thread` run on its thread, and
/// those of `open` before there is one.

namespace odeon::projection::detail {

/// Unbinds and rewinds a statement at the end of a scope.
struct rewound {
  sqlite3_stmt* s;
  ~rewound() {
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
  }
};

class offsets_db {
 public:
  static result<std::unique_ptr<offsets_db>> open(runtime& rt, const sqlite_offsets_options& o);

  /// Runs statements that return nothing of interest.
  result<void> script(const std::string& sql);
  /// A statement, ready to be bound: prepared before, or now.
  result<sqlite3_stmt*> prepared(std::string_view sql);
  /// Between BEGIN and COMMIT; undone when `what` fails or throws.
  result<void> transaction(transactional_store::work& what);

  result<std::uint64_t> load(const std::string& projection);
  result<void> move(const std::string& projection, std::uint64_t from, std::uint64_t to);
  result<std::vector<stored_offset>> list();

  [[nodiscard]] sqlite3* raw() const noexcept { return db_.get(); }
  [[nodiscard]] error last_error() const;

 private:
  struct close_db {
    void operator()(sqlite3* db) const noexcept { sqlite3_close_v2(db); }
  };
  struct finalize {
    void operator()(sqlite3_stmt* s) const noexcept { sqlite3_finalize(s); }
  };
  explicit offsets_db(std::string path) noexcept : path_(std::move(path)) {}

  std::string path_;
  std::unique_ptr<sqlite3, close_db> db_;
  std::unordered_map<std::string, std::unique_ptr<sqlite3_stmt, finalize>> statements_;

 public:
  std::unique_ptr<serial_executor> thread;  // last: its destructor runs what uses the rest
};

}  // namespace odeon::projection::detail
