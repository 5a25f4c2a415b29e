/// @file The test of the tests: what the crash tests look for is seen when it is there.

#include "crash/checker.hpp"

#include "crash/fleet.hpp"
#include "crash/rounds.hpp"
#include <odeon/runtime/simulated.hpp>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <algorithm>
#include <filesystem>

using namespace crash;

namespace {

/// A journal that was written for a while and closed.
claims write_journal(const std::string& path) {
  claims told;
  told.ids = 12;
  odeon::simulated_runtime rt;
  auto j = odeon::open_sqlite_journal(rt, journal_at(path));
  REQUIRE_MESSAGE(j.has_value(), (j ? "" : j.error().to_string()));
  fleet writers(**j, told, {.seed = 5, .steps = 0, .delivers = false});
  writers.start();
  for (int burst = 0; burst < 10; ++burst) {
    rt.settle();
    writers.more(40);
  }
  rt.settle();
  j->reset();
  REQUIRE_MESSAGE(writers.fault().empty(), writers.fault());
  return told;
}

void change(const std::string& path, const char* sql) {
  sqlite3* db = nullptr;
  REQUIRE(sqlite3_open(path.c_str(), &db) == SQLITE_OK);
  char* text = nullptr;
  const int code = sqlite3_exec(db, sql, nullptr, nullptr, &text);
  REQUIRE_MESSAGE(code == SQLITE_OK, sql << ": " << (text != nullptr ? text : ""));
  REQUIRE(sqlite3_changes(db) > 0);
  sqlite3_close(db);
}

}  // namespace

TEST_CASE("a single row that is missing or another is seen by the checker of the crash tests") {
  const scratch_folder in;
  const claims told = write_journal(in.file("journal.db"));
  const auto good = check_journal(in.file("journal.db"), told, true);
  for (const auto& f : good.faults) FAIL_CHECK(f);
  REQUIRE(good.events > 300);
  for (const char* sql :
       {"DELETE FROM timers WHERE rowid = (SELECT max(rowid) FROM timers)",
        "DELETE FROM outbox WHERE position = (SELECT max(position) FROM outbox)",
        "DELETE FROM marks WHERE rowid = (SELECT max(rowid) FROM marks)",
        "DELETE FROM tagged WHERE tag = 't1' AND position = (SELECT max(position) FROM tagged"
        " WHERE tag = 't1')",
        "DELETE FROM segments WHERE actor = (SELECT max(actor) FROM segments)",
        "DELETE FROM log WHERE number = (SELECT max(number) FROM log)",
        "DELETE FROM snapshots WHERE rowid = (SELECT max(rowid) FROM snapshots)",
        "UPDATE timers SET due = due + 1 WHERE id = 'step' AND actor = 3",
        "UPDATE state SET log_next = log_next - 1"}) {
    CAPTURE(std::string(sql));
    const std::string copy = in.file("copy.db");
    std::filesystem::copy_file(in.file("journal.db"), copy,
                               std::filesystem::copy_options::overwrite_existing);
    change(copy, sql);
    CHECK(!check_journal(copy, told, false).faults.empty());
  }
}

TEST_CASE("an append that was never issued is seen by the checker of the crash tests") {
  const scratch_folder in;
  claims told = write_journal(in.file("journal.db"));
  told.of[2].issued = told.of[2].acked = told.of[2].acked - 1;
  const auto v = check_journal(in.file("journal.db"), told, false);
  REQUIRE(!v.faults.empty());
  CHECK_MESSAGE(v.faults[0].find("was never issued") != std::string::npos, v.faults[0]);
}
