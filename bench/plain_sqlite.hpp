#pragma once

/// @file
/// What SQLite itself commits: one small row a transaction, `synchronous = FULL`, write-ahead log.

#include "harness.hpp"
#include "scratch.hpp"

#include <sqlite3.h>

#include <cstdint>

namespace bench {

/// A database of its own, in a `scratch` folder.
class plain_sqlite {
 public:
  explicit plain_sqlite(const scratch& folder) {
    require(sqlite3_open(folder.file("plain.db").c_str(), &db_) == SQLITE_OK, "it does not open");
    require(sqlite3_exec(db_,
                         "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                         "CREATE TABLE t(n INTEGER PRIMARY KEY, payload BLOB)",
                         nullptr, nullptr, nullptr) == SQLITE_OK,
            "it does not make its table");
    sqlite3_prepare_v2(db_, "INSERT INTO t(payload) VALUES (zeroblob(64))", -1, &insert_, nullptr);
  }
  ~plain_sqlite() {
    sqlite3_finalize(insert_);
    sqlite3_close(db_);
  }
  plain_sqlite(const plain_sqlite&) = delete;
  plain_sqlite& operator=(const plain_sqlite&) = delete;

  /// One transaction after the other.
  nanoseconds commit(std::uint64_t times) {
    const auto begin = clock::now();
    for (std::uint64_t i = 0; i < times; ++i) {
      require(sqlite3_step(insert_) == SQLITE_DONE, "it does not insert");
      sqlite3_reset(insert_);
    }
    return clock::now() - begin;
  }

 private:
  sqlite3* db_ = nullptr;
  sqlite3_stmt* insert_ = nullptr;
};

}  // namespace bench
