#pragma once

#include <odeon/base/time.hpp>
#include <odeon/postgres/fwd.hpp>
#include <odeon/projection/offset_store.hpp>
#include <odeon/projection/sqlite_offsets.hpp>

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

/// @file Offsets of projections in a PostgreSQL database, together with what they write there.

namespace odeon::detail {
class pg_offsets_db;
}

namespace odeon::projection {

/// A transaction on the database. Its members block, and throw `actor_error`: `invalid_argument`
/// (SQL that is wrong, a constraint that is not kept; SQLSTATE classes 22, 23 and 42),
/// `store_full`, `io_failed` (the connection, a deadlock, what else the server says),
/// `limit_exceeded`. Letting it out of the handler undoes the transaction. PostgreSQL lets no
/// transaction go on after a statement has failed in it: who catches the exception meets the next
/// one.
class postgres_transaction final : public store_transaction {
 public:
  explicit postgres_transaction(odeon::detail::pg_offsets_db& db) noexcept : db_(&db) {}

  /// Runs one statement, its `$1`, `$2`, … bound to `values`: a number or text to whatever type the
  /// statement wants there, bytes to a bytea. How many rows it changed.
  std::int64_t execute(std::string_view sql, std::span<const sql_value> values = {});
  std::int64_t execute(std::string_view sql, std::initializer_list<sql_value> values) {
    return execute(sql, std::span(values.begin(), values.size()));
  }

  /// The rows of a query, at most `query_rows_max`. Integers and booleans come as `std::int64_t`,
  /// floating numbers as `double`, bytea as bytes, every other type as its text.
  [[nodiscard]] std::vector<sql_row> query(std::string_view sql,
                                           std::span<const sql_value> values = {});
  [[nodiscard]] std::vector<sql_row> query(std::string_view sql,
                                           std::initializer_list<sql_value> values) {
    return query(sql, std::span(values.begin(), values.size()));
  }

 private:
  odeon::detail::pg_offsets_db* db_;
};

struct postgres_offsets_options {
  std::string connection;  ///< as `postgres_journal_options::connection`
  std::string schema =
      "odeon";             ///< holds the table `projection_offsets`; made when it is not there
  std::string setup = {};  ///< SQL to be run at opening, in a transaction: CREATE TABLE …
  duration connect_timeout = std::chrono::seconds(5);
  duration statement_timeout = std::chrono::seconds(30);
  bool accept_unsafe_server = false;  ///< as `postgres_journal_options::accept_unsafe_server`
};

/// A store in a database that also holds the projections' own tables. One connection, on a thread
/// of its own; lost, it is made anew by the next call. Any number of programs may use one database.
/// A transaction whose COMMIT was on its way when the connection was lost completes with
/// `io_failed`, and `load` tells what became of it. @threadsafe
class postgres_offsets final : public transactional_store {
 public:
  using transaction = postgres_transaction;

  /// Blocks the calling thread. `rt` must outlive the store. Errors as `open_postgres_journal`, and
  /// `invalid_argument` for the setup's SQL.
  [[nodiscard]] static result<std::shared_ptr<postgres_offsets>> open(
      runtime& rt, postgres_offsets_options options);
  ~postgres_offsets() override;

  void load(std::string projection, completion<std::uint64_t> done) override;
  void save(std::string projection, std::uint64_t from, std::uint64_t to,
            completion<void> done) override;
  void list(completion<std::vector<stored_offset>> done) override;
  void run(std::string projection, std::uint64_t from, std::uint64_t to, work what,
           completion<void> done) override;

  /// Runs `what` in a transaction that moves no offset: to read what projections have written.
  void with(work what, completion<void> done);

 private:
  explicit postgres_offsets(std::unique_ptr<odeon::detail::pg_offsets_db> db) noexcept;
  std::unique_ptr<odeon::detail::pg_offsets_db> db_;
};

}  // namespace odeon::projection
