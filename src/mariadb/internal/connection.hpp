#pragma once

#include "mariadb/internal/values.hpp"
#include <odeon/base/error.hpp>
#include <odeon/mariadb/mariadb_journal.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file libmariadb's interface with owners, results and a limit to every wait. One thread at a
/// time may use a connection.

namespace odeon::detail {

/// Where a journal is, for texts: "mariadb(host=db, database=bank, tables odeon_*)".
[[nodiscard]] std::string place_of(const mariadb_journal_options& options);

/// A prepared statement.
struct my_close {
  void operator()(MYSQL_STMT* s) const noexcept { mysql_stmt_close(s); }
};
using my_statement = std::unique_ptr<MYSQL_STMT, my_close>;

class my_connection {
 public:
  /// Connects, and sets the session up for a journal. `place`: see `place_of`.
  [[nodiscard]] static result<std::unique_ptr<my_connection>> open(
      const mariadb_journal_options& options, std::string place);

  my_connection(const my_connection&) = delete;
  my_connection& operator=(const my_connection&) = delete;

  [[nodiscard]] bool alive() const noexcept { return alive_; }
  [[nodiscard]] const std::string& place() const noexcept { return place_; }
  /// What the server takes in one piece.
  [[nodiscard]] std::size_t max_packet() const noexcept { return max_packet_; }

  using text_row = std::vector<std::string>;
  /// Runs one statement; its rows as text.
  [[nodiscard]] result<std::vector<text_row>> run(const std::string& sql);
  [[nodiscard]] result<my_statement> prepare(const std::string& sql);

  /// How many rows it changed.
  [[nodiscard]] result<std::uint64_t> execute(MYSQL_STMT* statement, my_values& values);
  /// Once for each row, some megabytes in one journey.
  [[nodiscard]] result<void> execute_all(MYSQL_STMT* statement, my_rows& rows);
  /// Calls `to` for each row of the result, whose columns are of `types` ('n' or 'b'); false of it
  /// skips the rest. How many rows there were.
  [[nodiscard]] result<std::size_t> query(MYSQL_STMT* statement, my_values& values,
                                          std::string_view types,
                                          const std::function<result<bool>(const my_row&)>& to);

  [[nodiscard]] std::string literal(std::string_view text) const;

 private:
  struct close {
    void operator()(MYSQL* c) const noexcept { mysql_close(c); }
  };
  explicit my_connection(std::string place) : place_(std::move(place)) {}
  [[nodiscard]] result<void> connect(const mariadb_journal_options& options);
  [[nodiscard]] result<void> set_up(const mariadb_journal_options& options);
  [[nodiscard]] result<void> check_server(const mariadb_journal_options& options);
  [[nodiscard]] result<void> fetch(MYSQL_STMT* statement, std::vector<MYSQL_BIND>& binds,
                                   my_row& row, bool& there);
  [[nodiscard]] std::unexpected<error> failed();
  [[nodiscard]] std::unexpected<error> failed(MYSQL_STMT* statement);
  [[nodiscard]] std::unexpected<error> failed(unsigned number, const char* text);

  std::string place_;
  std::unique_ptr<MYSQL, close> raw_;
  std::size_t max_packet_ = 0;
  bool alive_ = false;
};

}  // namespace odeon::detail
