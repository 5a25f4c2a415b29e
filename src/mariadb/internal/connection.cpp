#include "mariadb/internal/connection.hpp"

#include <mariadb/errmsg.h>
#include <mariadb/mysqld_error.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace odeon::detail {

namespace {

constexpr unsigned grace_seconds = 2;          // beyond the server's own time-out
constexpr unsigned slow_reader_seconds = 600;  // what the server waits for a replay's visitor
constexpr unsigned long client_packet_max = 1u << 30;

unsigned seconds(duration d) {
  return static_cast<unsigned>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::seconds>(d).count(), 1));
}

// The library's own start is not safe to be done by two threads.
void start_library() {
  static const int started = mysql_library_init(0, nullptr, nullptr);
  static_cast<void>(started);
}

bool is_lost(unsigned number) {
  return (number >= CR_MIN_ERROR && number <= CR_MAX_ERROR) || number == ER_SERVER_SHUTDOWN ||
         number == ER_CONNECTION_KILLED;
}

errc code_of(unsigned number, std::string_view text) {
  switch (number) {
    case ER_RECORD_FILE_FULL:
    case ER_DISK_FULL: return errc::store_full;
    case ER_GET_ERRNO:
    case ER_ERROR_ON_WRITE:
      return text.contains("No space left") ? errc::store_full : errc::io_failed;
    case ER_BAD_DB_ERROR: return errc::not_found;
    case ER_NO_SUCH_TABLE:
    case ER_BAD_FIELD_ERROR: return errc::wrong_type;
    case ER_CRASHED_ON_USAGE:
    case ER_INDEX_CORRUPT:
    case ER_NOT_KEYFILE: return errc::corrupt_record;
    case ER_NET_PACKET_TOO_LARGE: return errc::limit_exceeded;
    default: return errc::io_failed;
  }
}

}  // namespace

std::string place_of(const mariadb_journal_options& o) {
  std::string out = "mariadb(";
  if (!o.socket.empty()) out += "socket=" + o.socket + ", ";
  if (!o.host.empty()) out += "host=" + o.host + ", port=" + std::to_string(o.port) + ", ";
  return out + "database=" + o.database + ", user=" + o.user + ", tables " + o.table_prefix + "*)";
}

result<std::unique_ptr<my_connection>> my_connection::open(const mariadb_journal_options& options,
                                                           std::string place) {
  std::unique_ptr<my_connection> out(new my_connection(std::move(place)));
  if (auto ok = out->connect(options); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = out->check_server(options); !ok) return std::unexpected(std::move(ok.error()));
  if (auto ok = out->set_up(options); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

result<void> my_connection::connect(const mariadb_journal_options& o) {
  start_library();
  raw_.reset(mysql_init(nullptr));
  if (!raw_) return fail(errc::io_failed, place_ + ": no memory for a connection");
  const unsigned connecting = seconds(o.connect_timeout);
  const unsigned silence = seconds(o.statement_timeout) + grace_seconds;
  const my_bool on = 1;
  mysql_options(raw_.get(), MYSQL_OPT_CONNECT_TIMEOUT, &connecting);
  mysql_options(raw_.get(), MYSQL_OPT_READ_TIMEOUT, &silence);
  mysql_options(raw_.get(), MYSQL_OPT_WRITE_TIMEOUT, &silence);
  mysql_options(raw_.get(), MYSQL_OPT_MAX_ALLOWED_PACKET, &client_packet_max);
  mysql_options(raw_.get(), MYSQL_SET_CHARSET_NAME, "utf8mb4");
  mysql_options(raw_.get(), MYSQL_REPORT_DATA_TRUNCATION, &on);
  if (!o.tls_ca_file.empty()) mysql_options(raw_.get(), MYSQL_OPT_SSL_CA, o.tls_ca_file.c_str());
  if (o.require_tls) {
    mysql_options(raw_.get(), MYSQL_OPT_SSL_ENFORCE, &on);
    mysql_options(raw_.get(), MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &on);
  }
  const auto text = [](const std::string& s) { return s.empty() ? nullptr : s.c_str(); };
  if (mysql_real_connect(raw_.get(), text(o.host), text(o.user), o.password.c_str(),
                         o.database.c_str(), o.port, text(o.socket), 0) == nullptr)
    return failed();
  alive_ = true;
  return {};
}

result<void> my_connection::check_server(const mariadb_journal_options& o) {
  if (mariadb_connection(raw_.get()) == 0)
    return fail(errc::io_failed, place_ + ": the server is not MariaDB");
  auto rows = run(
      "SELECT @@innodb_flush_log_at_trx_commit, @@log_bin, @@sync_binlog, @@max_allowed_packet");
  if (!rows) return std::unexpected(std::move(rows.error()));
  const text_row& now = rows->at(0);
  std::from_chars(now[3].data(), now[3].data() + now[3].size(), max_packet_);
  if (o.accept_unsafe_server) return {};
  const std::string ending =
      ", and may lose what it has acknowledged; accept_unsafe_server takes it all the same";
  if (now[0] != "1" && now[0] != "3")
    return fail(
        errc::io_failed,
        place_ + ": the server runs with innodb_flush_log_at_trx_commit = " + now[0] + ending);
  if (now[1] == "1" && now[2] != "1")
    return fail(errc::io_failed, place_ + ": the server runs with a binary log and sync_binlog = " +
                                     now[2] + ending);
  return {};
}

result<void> my_connection::set_up(const mariadb_journal_options& o) {
  const std::string limit = std::to_string(seconds(o.statement_timeout));
  auto done = run(
      "SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION',"
      " tx_isolation = 'READ-COMMITTED', max_statement_time = " +
      limit + ", innodb_lock_wait_timeout = " + limit + ", idle_transaction_timeout = " + limit +
      ", net_write_timeout = " + std::to_string(slow_reader_seconds) +
      ", in_predicate_conversion_threshold = 0, eq_range_index_dive_limit = 1");
  if (!done) return std::unexpected(std::move(done.error()));
  return {};
}

std::unexpected<error> my_connection::failed(unsigned number, const char* text) {
  if (number == 0 || is_lost(number)) alive_ = false;
  const std::string_view said = text == nullptr || *text == '\0' ? "the connection was lost" : text;
  return fail(code_of(number, said),
              place_ + ": " + std::string(said) + " (error " + std::to_string(number) + ")");
}

std::unexpected<error> my_connection::failed() {
  return failed(mysql_errno(raw_.get()), mysql_error(raw_.get()));
}

std::unexpected<error> my_connection::failed(MYSQL_STMT* statement) {
  return failed(mysql_stmt_errno(statement), mysql_stmt_error(statement));
}

result<std::vector<my_connection::text_row>> my_connection::run(const std::string& sql) {
  if (mysql_real_query(raw_.get(), sql.data(), sql.size()) != 0) return failed();
  std::vector<text_row> out;
  struct free_result {
    void operator()(MYSQL_RES* r) const noexcept { mysql_free_result(r); }
  };
  const std::unique_ptr<MYSQL_RES, free_result> rows(mysql_store_result(raw_.get()));
  if (!rows) {
    if (mysql_field_count(raw_.get()) != 0) return failed();
    return out;
  }
  const unsigned columns = mysql_num_fields(rows.get());
  for (MYSQL_ROW row = mysql_fetch_row(rows.get()); row != nullptr;
       row = mysql_fetch_row(rows.get())) {
    const unsigned long* sizes = mysql_fetch_lengths(rows.get());
    text_row& to = out.emplace_back();
    for (unsigned k = 0; k < columns; ++k)
      to.push_back(row[k] == nullptr ? std::string() : std::string(row[k], sizes[k]));
  }
  return out;
}

result<my_statement> my_connection::prepare(const std::string& sql) {
  my_statement out(mysql_stmt_init(raw_.get()));
  if (!out) return failed();
  if (mysql_stmt_prepare(out.get(), sql.data(), sql.size()) != 0) return failed(out.get());
  return out;
}

result<std::uint64_t> my_connection::execute(MYSQL_STMT* s, my_values& values) {
  const unsigned no_array = 0;
  mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &no_array);
  if (!values.binds().empty() && mysql_stmt_bind_param(s, values.binds().data()) != 0)
    return failed(s);
  if (mysql_stmt_execute(s) != 0) return failed(s);
  return mysql_stmt_affected_rows(s);
}

result<void> my_connection::execute_all(MYSQL_STMT* s, my_rows& rows) {
  for (std::size_t first = 0; first < rows.size();) {
    const auto count = static_cast<unsigned>(rows.fitting(first, max_packet_ / 2));
    auto binds = rows.binds(first);
    mysql_stmt_attr_set(s, STMT_ATTR_ARRAY_SIZE, &count);
    if (mysql_stmt_bind_param(s, binds.data()) != 0) return failed(s);
    if (mysql_stmt_execute(s) != 0) return failed(s);
    first += count;
  }
  return {};
}

// Numbers are fetched into place; bytes, whose size is known only then, in a second step.
result<void> my_connection::fetch(MYSQL_STMT* s, std::vector<MYSQL_BIND>& binds, my_row& row,
                                  bool& there) {
  const int outcome = mysql_stmt_fetch(s);
  there = outcome == 0 || outcome == MYSQL_DATA_TRUNCATED;
  if (outcome == MYSQL_NO_DATA) return {};
  if (!there) return failed(s);
  for (unsigned k = 0; k < binds.size(); ++k) {
    if (binds[k].buffer_type != MYSQL_TYPE_BLOB) continue;
    std::string& text = row.texts_[k];
    text.resize(row.nulls_[k] != 0 ? 0 : row.sizes_[k]);
    if (text.empty()) continue;
    MYSQL_BIND one{};
    one.buffer_type = MYSQL_TYPE_BLOB;
    one.buffer = text.data();
    one.buffer_length = text.size();
    one.length = &row.sizes_[k];
    if (mysql_stmt_fetch_column(s, &one, k, 0) != 0) return failed(s);
  }
  return {};
}

result<std::size_t> my_connection::query(MYSQL_STMT* s, my_values& values, std::string_view types,
                                         const std::function<result<bool>(const my_row&)>& to) {
  if (auto ok = execute(s, values); !ok) return std::unexpected(std::move(ok.error()));
  my_row row(types.size());
  std::vector<MYSQL_BIND> binds(types.size());
  for (std::size_t k = 0; k < binds.size(); ++k) {
    const bool number = types[k] == 'n';
    binds[k].buffer_type = number ? MYSQL_TYPE_LONGLONG : MYSQL_TYPE_BLOB;
    binds[k].buffer = number ? &row.numbers_[k] : nullptr;
    binds[k].length = &row.sizes_[k];
    binds[k].is_null = &row.nulls_[k];
  }
  if (mysql_stmt_bind_result(s, binds.data()) != 0) return failed(s);
  std::size_t rows = 0;
  bool wanted = true;
  std::optional<error> refused;
  while (true) {
    bool there = false;
    if (auto ok = fetch(s, binds, row, there); !ok) {
      if (alive_) mysql_stmt_free_result(s);
      return std::unexpected(refused ? std::move(*refused) : std::move(ok.error()));
    }
    if (!there) break;
    ++rows;
    if (!wanted) continue;
    auto more = to(row);
    wanted = more && *more;
    if (!more) refused = std::move(more.error());
  }
  mysql_stmt_free_result(s);
  if (refused) return std::unexpected(std::move(*refused));
  return rows;
}

std::string my_connection::literal(std::string_view text) const {
  std::string out(2 * text.size() + 1, '\0');
  out.resize(mysql_real_escape_string(raw_.get(), out.data(), text.data(), text.size()));
  return "'" + out + "'";
}

}  // namespace odeon::detail
