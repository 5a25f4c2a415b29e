/// What SQLite itself commits: one small row a transaction, `synchronous = FULL`, write-ahead log.

#include "harness.hpp"
#include "scratch.hpp"

#include <sqlite3.h>

namespace bench {
namespace {

constexpr std::uint64_t events = 10'000;

void run(const options& opt, report& out) {
  const scratch folder;
  sqlite3* db = nullptr;
  require(sqlite3_open(folder.file("plain.db").c_str(), &db) == SQLITE_OK, "it does not open");
  require(sqlite3_exec(db,
                       "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                       "CREATE TABLE t(n INTEGER PRIMARY KEY, payload BLOB)",
                       nullptr, nullptr, nullptr) == SQLITE_OK,
          "it does not make its table");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t(payload) VALUES (zeroblob(64))", -1, &insert, nullptr);
  const std::uint64_t n = opt.scaled(events, 10);
  auto begin = clock::now();
  for (std::uint64_t i = 0; i < n + n / 10; ++i) {
    if (i == n / 10) begin = clock::now();
    require(sqlite3_step(insert) == SQLITE_DONE, "it does not insert");
    sqlite3_reset(insert);
  }
  const auto elapsed = clock::now() - begin;
  sqlite3_finalize(insert);
  sqlite3_close(db);
  out.rate_k("events", elapsed, n);
}

const registration entry{"persist_one", 1'000, run};

}  // namespace
}  // namespace bench
