/// What SQLite itself commits: one small row a transaction, `synchronous = FULL`, write-ahead log.

#include "harness.hpp"

#include <sqlite3.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace bench {
namespace {

constexpr std::uint64_t events = 10'000;

void check(int code, int wanted, const char* what) {
  if (code != wanted) throw wrong_result(what);
}

void run(const options& opt, report& out) {
  const char* where = std::getenv("ODEON_BENCH_DIR");
  const auto folder =
      std::filesystem::path(where ? where : ".") / ("floor-bench-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  sqlite3* db = nullptr;
  check(sqlite3_open((folder / "plain.db").c_str(), &db), SQLITE_OK, "it does not open");
  check(sqlite3_exec(db,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
                     "CREATE TABLE t(n INTEGER PRIMARY KEY, payload BLOB)",
                     nullptr, nullptr, nullptr),
        SQLITE_OK, "it does not make its table");
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(db, "INSERT INTO t(payload) VALUES (zeroblob(64))", -1, &insert, nullptr);
  const std::uint64_t n = opt.scaled(events, 10);
  auto begin = clock::now();
  for (std::uint64_t i = 0; i < n + n / 10; ++i) {
    if (i == n / 10) begin = clock::now();
    check(sqlite3_step(insert), SQLITE_DONE, "it does not insert");
    sqlite3_reset(insert);
  }
  const auto elapsed = clock::now() - begin;
  sqlite3_finalize(insert);
  sqlite3_close(db);
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  out.add("events", "k/s", better::higher,
          static_cast<double>(n) / 1000 / std::chrono::duration<double>(elapsed).count());
}

const registration entry{"persist_one", 1'000, run};

}  // namespace
}  // namespace bench
