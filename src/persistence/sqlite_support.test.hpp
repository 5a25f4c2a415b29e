#pragma once

#include "persistence/internal/conformance.hpp"
#include "persistence/scratch.hpp"
#include <odeon/persistence/sqlite_journal.hpp>

#include <doctest/doctest.h>
#include <sqlite3.h>

#include <memory>
#include <string>

/// @file What the tests of the SQLite journal share.

/// A second connection to a journal's file, as a person with a shell has one.
class raw_sqlite {
 public:
  explicit raw_sqlite(const std::string& path) {
    REQUIRE(sqlite3_open(path.c_str(), &db_) == SQLITE_OK);
  }
  ~raw_sqlite() { sqlite3_close(db_); }
  raw_sqlite(const raw_sqlite&) = delete;
  raw_sqlite& operator=(const raw_sqlite&) = delete;

  void run(const std::string& sql) {
    char* text = nullptr;
    const int code = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &text);
    REQUIRE_MESSAGE(code == SQLITE_OK, sql << ": " << (text != nullptr ? text : ""));
  }
  long long number(const std::string& sql) {
    sqlite3_stmt* s = nullptr;
    REQUIRE(sqlite3_prepare_v2(db_, sql.c_str(), -1, &s, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(s) == SQLITE_ROW);
    const long long out = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return out;
  }

 private:
  sqlite3* db_ = nullptr;
};

/// A folder, a runtime, and journals on one file in it.
struct sqlite_world {
  scratch_folder folder;
  std::unique_ptr<odeon::runtime> rt = odeon::make_threaded_runtime();
  odeon::sqlite_journal_options options;

  sqlite_world() {
    options.path = folder.file("journal.db");
    options.busy_timeout = std::chrono::milliseconds(20);
  }
  odeon::result<std::unique_ptr<odeon::journal>> try_open() {
    return odeon::open_sqlite_journal(*rt, options);
  }
  odeon::testing::waiting_journal open() {
    auto j = try_open();
    REQUIRE_MESSAGE(j.has_value(), (j ? std::string() : j.error().to_string()));
    return odeon::testing::waiting_journal(*rt, std::move(*j));
  }
  [[nodiscard]] odeon::journal_report verify() const {
    auto report = odeon::verify_sqlite_journal(options.path);
    REQUIRE_MESSAGE(report.has_value(), (report ? std::string() : report.error().to_string()));
    return *report;
  }
};

/// `count` events for one id, one append each; the first `tagged` of them with the tag "t".
inline std::uint64_t write_events(odeon::testing::waiting_journal& j, const std::string& id,
                                  std::uint64_t count, std::uint64_t tagged = 0) {
  const auto epoch = j.open_writer(id).value();
  for (std::uint64_t k = 0; k < count; ++k) {
    auto event = odeon::testing::event_of(id + "/" + std::to_string(k + 1));
    if (k < tagged) event.tags = {"t"};
    REQUIRE(j.append(id, epoch, k, {event}).has_value());
  }
  return epoch;
}
