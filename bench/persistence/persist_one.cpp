/// @file
/// One writer that waits for each acknowledgement, in turns with plain SQLite: one small row a
/// transaction with `synchronous = FULL` in the same folder. The turns are short, so that both see
/// the same disk.

#include "support.hpp"

#include <sqlite3.h>

namespace {

constexpr std::uint64_t turns = 10;
constexpr std::uint64_t events = 10'000;

struct plain_sqlite {
  sqlite3* db = nullptr;
  sqlite3_stmt* insert = nullptr;
  std::uint64_t next = 1;

  explicit plain_sqlite(const std::string& path) {
    bench::require(sqlite3_open(path.c_str(), &db) == SQLITE_OK, "plain SQLite did not open");
    run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;"
        "CREATE TABLE t(n INTEGER PRIMARY KEY, payload BLOB)");
    sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?, zeroblob(64))", -1, &insert, nullptr);
  }
  ~plain_sqlite() {
    sqlite3_finalize(insert);
    sqlite3_close(db);
  }
  plain_sqlite(const plain_sqlite&) = delete;
  plain_sqlite& operator=(const plain_sqlite&) = delete;
  void run(const char* sql) const {
    bench::require(sqlite3_exec(db, sql, nullptr, nullptr, nullptr) == SQLITE_OK,
                   "plain SQLite failed");
  }
  void commit_one() {
    sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(next++));
    bench::require(sqlite3_step(insert) == SQLITE_DONE, "plain SQLite did not insert");
    sqlite3_reset(insert);
  }
};

void run(const bench::options& opt, bench::report& out) {
  const auto rt = odeon::make_threaded_runtime();
  const bench::scratch folder;
  plain_sqlite plain(folder.file("plain.db"));
  const auto j = bench::open(*rt, folder.file("journal.db"));
  const auto epoch = bench::take_over(*rt, *j, "account-1");
  const std::uint64_t each = opt.scaled(events, turns) / turns;
  std::uint64_t sequence = 0;
  bench::nanoseconds ours{};
  bench::nanoseconds theirs{};
  const auto turn = [&](bool counts) {
    auto start = bench::clock::now();
    for (std::uint64_t k = 0; k < each; ++k) plain.commit_one();
    auto middle = bench::clock::now();
    for (std::uint64_t k = 0; k < each; ++k) {
      odeon::append_request r{"account-1", epoch, sequence};
      r.events.push_back(bench::event_of(sequence + 1));
      auto ack = odeon::wait_for<odeon::append_ack>(
          *rt, [&](auto done) { j->append(std::move(r), std::move(done)); });
      bench::require(ack && ack->sequence == sequence + 1, "an event was not acknowledged");
      ++sequence;
    }
    const auto end = bench::clock::now();
    if (!counts) return;
    theirs += middle - start;
    ours += end - middle;
  };
  turn(false);
  for (std::uint64_t k = 0; k < turns; ++k) turn(true);
  const auto per_second = [&](bench::nanoseconds t) {
    return static_cast<double>(each * turns) / std::chrono::duration<double>(t).count();
  };
  out.add("acknowledged", "events/s", bench::better::higher, per_second(ours));
  out.add("sqlite_full", "commits/s", bench::better::higher, per_second(theirs));
  out.add("of_sqlite", "%", bench::better::higher, 100 * per_second(ours) / per_second(theirs));
}

const bench::registration entry{"persist_one", 1, run};

}  // namespace
