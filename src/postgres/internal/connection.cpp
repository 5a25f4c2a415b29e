#include "postgres/internal/connection.hpp"

#include <poll.h>

#include <algorithm>
#include <array>
#include <optional>

namespace odeon::detail {

namespace {

constexpr duration grace = std::chrono::seconds(2);  // beyond the server's own time-out
constexpr int server_version_min = 120000;

std::string_view trimmed(const char* text) {
  std::string_view out = text == nullptr ? "" : text;
  while (!out.empty() && (out.back() == '\n' || out.back() == ' ')) out.remove_suffix(1);
  return out;
}

std::int64_t milliseconds(duration d) {
  return std::max<std::int64_t>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count(),
                                1);
}

errc code_of(std::string_view sqlstate, pg_session session) {
  if (sqlstate == "53100") return errc::store_full;
  if (sqlstate == "3D000" || sqlstate == "3F000") return errc::not_found;
  if (session == pg_session::others)  // data, constraints, syntax
    for (const char* kind : {"22", "23", "42"})
      if (sqlstate.starts_with(kind)) return errc::invalid_argument;
  if (sqlstate == "42P01" || sqlstate == "42703" || sqlstate == "42804") return errc::wrong_type;
  if (sqlstate == "XX001" || sqlstate == "XX002") return errc::corrupt_record;
  return errc::io_failed;
}

struct free_options {
  void operator()(PQconninfoOption* o) const noexcept { PQconninfoFree(o); }
};
using conninfo = std::unique_ptr<PQconninfoOption, free_options>;

}  // namespace

// libpq's own text of what is wrong with the string would quote from it.
result<std::string> place_of(const postgres_journal_options& options) {
  char* why = nullptr;
  const conninfo given(PQconninfoParse(options.connection.c_str(), &why));
  PQfreemem(why);
  if (!given)
    return fail(errc::invalid_argument,
                "postgres: the connection string is not of the form \"host=… dbname=…\" or "
                "\"postgresql://…\"");
  const conninfo defaults(PQconndefaults());
  const auto value = [&](std::string_view key) -> std::string {
    for (const auto* from : {given.get(), defaults.get()})
      for (const auto* o = from; o != nullptr && o->keyword != nullptr; ++o)
        if (o->keyword == key && o->val != nullptr && *o->val != '\0') return o->val;
    return {};
  };
  std::string out = "postgres(";
  for (const char* key : {"host", "hostaddr", "port", "dbname", "user"})
    if (const auto v = value(key); !v.empty()) out += std::string(key) + "=" + v + ", ";
  return out + "schema " + options.schema + ")";
}

pg_connection::pg_connection(runtime& rt, const postgres_journal_options& options,
                             std::string place, pg_session session)
    : rt_(rt),
      place_(std::move(place)),
      session_(session),
      silence_max_(options.statement_timeout + grace) {}

result<std::unique_ptr<pg_connection>> pg_connection::open(runtime& rt,
                                                           const postgres_journal_options& options,
                                                           std::string place, pg_session session) {
  std::unique_ptr<pg_connection> out(new pg_connection(rt, options, std::move(place), session));
  if (auto ok = out->connect(options.connection, options.connect_timeout); !ok)
    return std::unexpected(std::move(ok.error()));
  if (auto ok = out->set_up(options); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

// libpq's sentences go over several lines.
error pg_connection::told(errc code, std::string_view what) const {
  std::string text = place_ + ": ";
  for (const char c : what) {
    if (c == '\n')
      text += ' ';
    else if (c != '\t')
      text += c;
  }
  return {code, std::move(text)};
}

result<void> pg_connection::connect(const std::string& conninfo, duration limit) {
  const std::array<const char*, 4> keys{"dbname", "fallback_application_name", "client_encoding",
                                        nullptr};
  const std::array<const char*, 4> values{conninfo.c_str(), "odeon journal", "UTF8", nullptr};
  raw_.reset(PQconnectStartParams(keys.data(), values.data(), 1));
  if (!raw_) return fail(errc::io_failed, place_ + ": no memory for a connection");
  PQsetNoticeProcessor(raw_.get(), [](void*, const char*) {}, nullptr);
  PQsetErrorVerbosity(raw_.get(), PQERRORS_VERBOSE);  // with SQLSTATE: nothing else tells it yet
  const time_point deadline = rt_.now(clock_domain::housekeeping) + limit;
  for (PostgresPollingStatusType next = PGRES_POLLING_WRITING; next != PGRES_POLLING_OK;) {
    if (PQstatus(raw_.get()) == CONNECTION_BAD || next == PGRES_POLLING_FAILED)
      return std::unexpected(refused_login());
    if (!wait(next == PGRES_POLLING_WRITING, deadline))
      return std::unexpected(
          told(errc::io_failed, "no connection within " + odeon::to_string(limit)));
    next = PQconnectPoll(raw_.get());
  }
  PQsetErrorVerbosity(raw_.get(), PQERRORS_DEFAULT);
  if (PQsetnonblocking(raw_.get(), 1) != 0)
    return std::unexpected(told(errc::io_failed, trimmed(PQerrorMessage(raw_.get()))));
  alive_ = true;
  return {};
}

error pg_connection::refused_login() const {
  std::string_view why = trimmed(PQerrorMessage(raw_.get()));
  const bool no_database = why.find(" 3D000: ") != std::string_view::npos;
  why = why.substr(0, why.find("\nLOCATION"));  // in the server's source
  return told(no_database ? errc::not_found : errc::io_failed, why);
}

// Plans are made once and go by the indexes, whatever statistics there are: each statement finds
// its rows by keys.
result<void> pg_connection::set_up(const postgres_journal_options& o) {
  const std::string limit = std::to_string(milliseconds(o.statement_timeout));
  std::string sql = "SET statement_timeout = " + limit +
                    "; SET idle_in_transaction_session_timeout = " + limit +
                    "; SET client_min_messages = error;"
                    "SET default_transaction_isolation = 'read committed';";
  if (session_ == pg_session::journal)
    sql +=
        "SET search_path = pg_catalog; SET jit = off; SET plan_cache_mode = force_generic_plan;"
        "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;";
  auto done = run(sql +
                  "SELECT set_config('synchronous_commit', CASE"
                  " current_setting('synchronous_commit') WHEN 'off' THEN 'on'"
                  " ELSE current_setting('synchronous_commit') END, false)");
  if (!done) return std::unexpected(std::move(done.error()));
  return check_server(o);
}

result<void> pg_connection::check_server(const postgres_journal_options& o) {
  if (PQserverVersion(raw_.get()) < server_version_min)
    return std::unexpected(told(errc::io_failed, "the server is older than PostgreSQL 12"));
  auto settings = run("SELECT current_setting('fsync'), current_setting('full_page_writes')");
  if (!settings) return std::unexpected(std::move(settings.error()));
  if (o.accept_unsafe_server) return {};
  for (const auto& [column, name] : {std::pair(0, "fsync"), std::pair(1, "full_page_writes")})
    if (std::string_view(PQgetvalue(settings->get(), 0, column)) != "on")
      return std::unexpected(
          told(errc::io_failed, std::string("the server runs with ") + name +
                                    " = off and may lose what it has acknowledged; "
                                    "accept_unsafe_server takes it all the same"));
  return {};
}

// Waiting. A connection that fails in any way is not used again.

bool pg_connection::wait(bool for_writing, time_point deadline) {
  const int fd = PQsocket(raw_.get());
  if (fd < 0) return false;
  while (true) {
    const time_point now = rt_.now(clock_domain::housekeeping);
    if (now >= deadline) return false;
    pollfd one{
        .fd = fd, .events = static_cast<short>(POLLIN | (for_writing ? POLLOUT : 0)), .revents = 0};
    if (!for_writing) one.events = POLLIN;
    const auto left = std::min<std::int64_t>(milliseconds(deadline - now), 60'000);
    if (::poll(&one, 1, static_cast<int>(left)) > 0) return true;
  }
}

// A server that sends while it is sent to must be read, or both wait for ever.
bool pg_connection::send_all() {
  while (true) {
    const int left = PQflush(raw_.get());
    if (left == 0) return true;
    if (left < 0) return false;
    if (!wait(true, rt_.now(clock_domain::housekeeping) + silence_max_)) {
      silent_ = true;
      return false;
    }
    if (PQconsumeInput(raw_.get()) == 0) return false;
  }
}

bool pg_connection::receive() {
  while (PQisBusy(raw_.get()) != 0) {
    if (!wait(false, rt_.now(clock_domain::housekeeping) + silence_max_)) {
      silent_ = true;
      return false;
    }
    if (PQconsumeInput(raw_.get()) == 0) return false;
  }
  return true;
}

error pg_connection::lost() {
  alive_ = false;
  const std::string_view why = trimmed(PQerrorMessage(raw_.get()));
  error out = silent_ ? told(errc::io_failed,
                             "the server has not answered for " + odeon::to_string(silence_max_))
                      : told(errc::io_failed, why.empty() ? "the connection was lost" : why);
  raw_.reset();
  return out;
}

// Null: the end of a statement's results.
result<pg_result> pg_connection::next_result() {
  if (!receive()) return std::unexpected(lost());
  pg_result out(PQgetResult(raw_.get()));
  if (PQstatus(raw_.get()) == CONNECTION_BAD) return std::unexpected(lost());
  return out;
}

result<void> pg_connection::check(const PGresult* r) {
  switch (PQresultStatus(r)) {
    case PGRES_COMMAND_OK:
    case PGRES_TUPLES_OK:
    case PGRES_SINGLE_TUPLE:
    case PGRES_PIPELINE_SYNC:
    case PGRES_EMPTY_QUERY: return {};
    default: break;
  }
  const char* sqlstate = PQresultErrorField(r, PG_DIAG_SQLSTATE);
  const std::string_view state = sqlstate == nullptr ? "" : sqlstate;
  const char* severity = PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED);
  const std::string_view how = severity == nullptr ? "" : severity;
  const char* primary = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);
  std::string text(trimmed(primary == nullptr ? PQresultErrorMessage(r) : primary));
  if (!state.empty()) text += " (SQLSTATE " + std::string(state) + ")";
  if (how == "FATAL" || how == "PANIC") alive_ = false;  // the server closes it
  return std::unexpected(told(code_of(state, session_), text));
}

// Statements.

result<pg_result> pg_connection::run(const std::string& sql) {
  if (PQsendQuery(raw_.get(), sql.c_str()) == 0 || !send_all()) return std::unexpected(lost());
  return last_result();
}

result<pg_result> pg_connection::run(const std::string& sql, std::span<const parameter> values) {
  std::vector<const char*> data;
  std::vector<int> sizes;
  std::vector<int> formats;
  for (const auto& v : values) {
    data.push_back(v.data);
    sizes.push_back(static_cast<int>(v.size));
    formats.push_back(v.binary ? 1 : 0);
  }
  if (PQsendQueryParams(raw_.get(), sql.c_str(), static_cast<int>(data.size()), nullptr,
                        data.data(), sizes.data(), formats.data(), 0) == 0 ||
      !send_all())
    return std::unexpected(lost());
  return last_result();
}

result<pg_result> pg_connection::last_result() {
  pg_result last;
  std::optional<error> failed;
  while (true) {
    auto next = next_result();
    if (!next) return std::unexpected(failed ? std::move(*failed) : std::move(next.error()));
    if (!*next) break;
    if (auto ok = check(next->get()); !ok && !failed) failed = std::move(ok.error());
    last = std::move(*next);
  }
  if (failed) return std::unexpected(std::move(*failed));
  return last;
}

result<void> pg_connection::prepare(const char* name, const std::string& sql) {
  if (PQsendPrepare(raw_.get(), name, sql.c_str(), 0, nullptr) == 0 || !send_all())
    return std::unexpected(lost());
  std::optional<error> failed;
  while (true) {
    auto next = next_result();
    if (!next) return std::unexpected(std::move(next.error()));
    if (!*next) break;
    if (auto ok = check(next->get()); !ok && !failed) failed = std::move(ok.error());
  }
  if (failed) return std::unexpected(std::move(*failed));
  return {};
}

namespace {

bool send_prepared(PGconn* to, const char* name, const pg_values& values) {
  std::vector<const char*> data;
  std::vector<int> sizes;
  const std::vector<int> formats(values.all().size(), 1);
  for (const auto v : values.all()) {
    data.push_back(v.data());
    sizes.push_back(static_cast<int>(v.size()));
  }
  return PQsendQueryPrepared(to, name, static_cast<int>(data.size()), data.data(), sizes.data(),
                             formats.data(), 1) != 0;
}

}  // namespace

result<std::size_t> pg_connection::query(const char* name, const pg_values& values,
                                         const std::function<result<bool>(const pg_row&)>& to) {
  if (!send_prepared(raw_.get(), name, values)) return std::unexpected(lost());
  PQsetSingleRowMode(raw_.get());
  if (!send_all()) return std::unexpected(lost());
  std::size_t rows = 0;
  bool wanted = true;
  std::optional<error> failed;
  while (true) {
    auto next = next_result();
    if (!next) return std::unexpected(failed ? std::move(*failed) : std::move(next.error()));
    if (!*next) break;
    if (auto ok = check(next->get()); !ok) {
      if (!failed) failed = std::move(ok.error());
      continue;
    }
    if (PQresultStatus(next->get()) != PGRES_SINGLE_TUPLE) continue;
    ++rows;
    if (!wanted) continue;
    auto more = to(pg_row(next->get(), 0));
    wanted = more && *more;
    if (!more && !failed) failed = std::move(more.error());
  }
  if (failed) return std::unexpected(std::move(*failed));
  return rows;
}

void pg_connection::begin_pipeline() {
  if (PQpipelineStatus(raw_.get()) == PQ_PIPELINE_OFF) PQenterPipelineMode(raw_.get());
  queued_ = 0;
  queueing_failed_ = false;
}

void pg_connection::add(const char* name, const pg_values& values) {
  queueing_failed_ |= !send_prepared(raw_.get(), name, values);
  ++queued_;
}

result<std::vector<pg_result>> pg_connection::run_pipeline() {
  if (queueing_failed_ || PQpipelineSync(raw_.get()) == 0 || !send_all())
    return std::unexpected(lost());
  std::vector<pg_result> out;
  std::optional<error> failed;
  while (true) {
    auto next = next_result();
    if (!next) return std::unexpected(failed ? std::move(*failed) : std::move(next.error()));
    if (!*next) continue;  // between two statements
    const auto status = PQresultStatus(next->get());
    if (status == PGRES_PIPELINE_SYNC) break;
    if (status != PGRES_PIPELINE_ABORTED)
      if (auto ok = check(next->get()); !ok && !failed) failed = std::move(ok.error());
    if (!alive_) return std::unexpected(std::move(*failed));
    out.push_back(std::move(*next));
  }
  if (failed) return std::unexpected(std::move(*failed));
  if (out.size() != queued_) return std::unexpected(lost());
  return out;
}

std::string pg_connection::identifier(std::string_view name) const {
  char* quoted = PQescapeIdentifier(raw_.get(), name.data(), name.size());
  std::string out = quoted == nullptr ? "\"\"" : quoted;
  PQfreemem(quoted);
  return out;
}

std::string pg_connection::literal(std::string_view text) const {
  char* quoted = PQescapeLiteral(raw_.get(), text.data(), text.size());
  std::string out = quoted == nullptr ? "''" : quoted;
  PQfreemem(quoted);
  return out;
}

}  // namespace odeon::detail
