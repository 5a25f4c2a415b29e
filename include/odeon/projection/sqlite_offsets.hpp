#pragma once

#include <odeon/base/time.hpp>
#include <odeon/projection/offset_store.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// @file Offsets in an SQLite file, together with what projections write there.

namespace odeon::projection {

namespace detail {
class offsets_db;
}

/// What SQLite holds in a column: nothing, an integer, a floating number, a text, bytes.
using sql_value =
    std::variant<std::monostate, std::int64_t, double, std::string, std::vector<std::byte>>;
using sql_row = std::vector<sql_value>;

inline constexpr std::size_t query_rows_max = 100'000;  ///< that one query may return

/// A transaction on the file. Its members block, and throw `actor_error` (`store_full`,
/// `io_failed`, `invalid_argument` for SQL that is wrong, `limit_exceeded`), whose text has
/// SQLite's reason; letting it out of the handler undoes the transaction.
class sqlite_transaction final : public store_transaction {
 public:
  explicit sqlite_transaction(detail::offsets_db& db) noexcept : db_(&db) {}

  /// Runs one statement, its `?` bound to `values` in order. How many rows it changed. The 64 last
  /// different statements stay prepared.
  std::int64_t execute(std::string_view sql, std::span<const sql_value> values = {});
  std::int64_t execute(std::string_view sql, std::initializer_list<sql_value> values) {
    return execute(sql, std::span(values.begin(), values.size()));
  }
  /// The rows of a query.
  [[nodiscard]] std::vector<sql_row> query(std::string_view sql,
                                           std::span<const sql_value> values = {});
  [[nodiscard]] std::vector<sql_row> query(std::string_view sql,
                                           std::initializer_list<sql_value> values) {
    return query(sql, std::span(values.begin(), values.size()));
  }
  /// The connection, an `sqlite3*`, for whoever links SQLite himself. It must be left inside the
  /// transaction.
  [[nodiscard]] void* native() const noexcept;

 private:
  detail::offsets_db* db_;
};

struct sqlite_offsets_options {
  std::string path;  ///< of the file, which is created when it is not there; its folder must be
  std::string setup =
      {};  ///< SQL to be run at each opening, in a transaction: CREATE TABLE IF NOT EXISTS …
  duration busy_timeout = std::chrono::seconds(5);  ///< how long to wait for another's lock
};

/// A store in a file that also holds the projections' own tables: the offsets are the table
/// `odeon_projections`. WAL and `synchronous=FULL`; one connection, on a thread of its own. Several
/// processes may use one file; it is not to be a journal's. @threadsafe
class sqlite_offsets final : public transactional_store {
 public:
  using transaction = sqlite_transaction;

  /// Blocks the calling thread. `rt` must outlive the store. Errors, naming the file: `io_failed`,
  /// `bad_encoding` (not a database), `invalid_argument` (the setup's SQL).
  [[nodiscard]] static result<std::shared_ptr<sqlite_offsets>> open(runtime& rt,
                                                                    sqlite_offsets_options options);
  ~sqlite_offsets() override;

  void load(std::string projection, completion<std::uint64_t> done) override;
  void save(std::string projection, std::uint64_t from, std::uint64_t to,
            completion<void> done) override;
  void list(completion<std::vector<stored_offset>> done) override;
  void run(std::string projection, std::uint64_t from, std::uint64_t to, work what,
           completion<void> done) override;

  /// Runs `what` in a transaction that moves no offset: to read what projections have written.
  void with(work what, completion<void> done);

 private:
  explicit sqlite_offsets(std::unique_ptr<detail::offsets_db> db) noexcept;
  std::unique_ptr<detail::offsets_db> db_;
};

}  // namespace odeon::projection
