#pragma once

#include "postgres/internal/values.hpp"
#include <odeon/postgres/postgres_journal.hpp>
#include <odeon/runtime/runtime.hpp>

#include <functional>
#include <string_view>

/// @file libpq's interface with owners, results and a limit to every wait. One thread at a time
/// may use a connection.

namespace odeon::detail {

/// Where a journal is, for texts: "postgres(host=db, dbname=bank, schema odeon)". Errors:
/// `invalid_argument`, without the string, which may hold a password.
[[nodiscard]] result<std::string> place_of(const postgres_journal_options& options);

/// Whose statements a session runs: the journal's own, or those of others, whose mistakes are
/// `invalid_argument`.
enum class pg_session : std::uint8_t { journal, others };

class pg_connection {
 public:
  /// Connects, and sets the session up. `place`: see `place_of`.
  [[nodiscard]] static result<std::unique_ptr<pg_connection>> open(
      runtime& rt, const postgres_journal_options& options, std::string place,
      pg_session session = pg_session::journal);

  pg_connection(const pg_connection&) = delete;
  pg_connection& operator=(const pg_connection&) = delete;

  [[nodiscard]] bool alive() const noexcept { return alive_; }
  [[nodiscard]] const std::string& place() const noexcept { return place_; }

  /// Runs SQL of one or more statements; the result of the last one, as text.
  [[nodiscard]] result<pg_result> run(const std::string& sql);

  /// A value of a statement that is not prepared: a text of any type, or bytes. Null: NULL.
  struct parameter {
    const char* data = nullptr;
    std::size_t size = 0;
    bool binary = false;
  };
  /// Runs one statement; its result as text.
  [[nodiscard]] result<pg_result> run(const std::string& sql, std::span<const parameter> values);

  /// A statement has failed in the open transaction: it can only be rolled back.
  [[nodiscard]] bool transaction_broken() const noexcept {
    return PQtransactionStatus(raw_.get()) != PQTRANS_INTRANS;
  }
  [[nodiscard]] result<void> prepare(const char* name, const std::string& sql);

  /// Runs a prepared statement and calls `to` for each row; false of it skips the rest. How many
  /// rows there were.
  [[nodiscard]] result<std::size_t> query(const char* name, const pg_values& values,
                                          const std::function<result<bool>(const pg_row&)>& to);

  // Several statements in one journey (libpq's pipeline mode). After an error the rest of them
  // is skipped by the server.
  void begin_pipeline();
  void add(const char* name, const pg_values& values = {});
  /// Sends them, and returns their results in order; or the first error.
  [[nodiscard]] result<std::vector<pg_result>> run_pipeline();

  /// Quoted, for names that cannot be values.
  [[nodiscard]] std::string identifier(std::string_view name) const;
  [[nodiscard]] std::string literal(std::string_view text) const;

 private:
  struct finish {
    void operator()(PGconn* c) const noexcept { PQfinish(c); }
  };
  pg_connection(runtime& rt, const postgres_journal_options& options, std::string place,
                pg_session session);
  [[nodiscard]] result<pg_result> last_result();
  [[nodiscard]] result<void> connect(const std::string& conninfo, duration limit);
  [[nodiscard]] result<void> set_up(const postgres_journal_options& options);
  [[nodiscard]] result<void> check_server(const postgres_journal_options& options);
  [[nodiscard]] bool wait(bool for_writing, time_point deadline);
  [[nodiscard]] bool send_all();
  [[nodiscard]] bool receive();
  [[nodiscard]] result<pg_result> next_result();
  [[nodiscard]] result<void> check(const PGresult* r);
  [[nodiscard]] error lost();
  [[nodiscard]] error refused_login() const;
  [[nodiscard]] error told(errc code, std::string_view what) const;

  runtime& rt_;
  std::string place_;
  pg_session session_;
  duration silence_max_;
  std::unique_ptr<PGconn, finish> raw_;
  std::size_t queued_ = 0;
  bool queueing_failed_ = false;
  bool alive_ = false;
  bool silent_ = false;
};

}  // namespace odeon::detail
