#include "postgres/internal/offsets_db.hpp"

#include <charconv>
#include <deque>

namespace odeon::detail {

namespace {

using projection::sql_value;

constexpr std::int64_t advisory_lock = 0x4f444a4c;  // as the journal's

/// The values of a statement in libpq's form; owns the texts of numbers.
class bound_values {
 public:
  explicit bound_values(std::span<const sql_value> values) {
    for (const auto& v : values) std::visit(*this, v);
  }
  [[nodiscard]] std::span<const pg_connection::parameter> all() const noexcept { return all_; }

  void operator()(std::monostate) { all_.push_back({}); }
  void operator()(std::int64_t n) { text(std::to_string(n)); }
  void operator()(double n) {
    char digits[32];
    const auto end = std::to_chars(digits, digits + sizeof digits, n);
    text(std::string(digits, end.ptr));
  }
  void operator()(const std::string& s) {
    if (s.find('\0') != std::string::npos)
      throw actor_error(errc::invalid_argument, "a text for PostgreSQL contains a NUL byte");
    all_.push_back({s.c_str(), s.size()});
  }
  void operator()(const std::vector<std::byte>& b) {
    const auto* data = b.empty() ? "" : reinterpret_cast<const char*>(b.data());
    all_.push_back({data, b.size(), true});
  }

 private:
  void text(std::string s) {
    const std::string& kept = texts_.emplace_back(std::move(s));
    all_.push_back({kept.c_str(), kept.size()});
  }
  std::deque<std::string> texts_;
  std::vector<pg_connection::parameter> all_;
};

std::uint64_t number(const PGresult* r, int row, int column) {
  const std::string_view text = PQgetvalue(r, row, column);
  std::uint64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

std::int64_t stored(std::uint64_t position) { return static_cast<std::int64_t>(position); }

}  // namespace

pg_offsets_db::pg_offsets_db(runtime& rt, projection::postgres_offsets_options options)
    : rt_(rt),
      options_(std::move(options)),
      thread_(rt.make_serial("offsets")) {
  connecting_.connection = options_.connection;
  connecting_.schema = options_.schema;
  connecting_.connect_timeout = options_.connect_timeout;
  connecting_.statement_timeout = options_.statement_timeout;
  connecting_.accept_unsafe_server = options_.accept_unsafe_server;
}

result<std::unique_ptr<pg_offsets_db>> pg_offsets_db::open(
    runtime& rt, projection::postgres_offsets_options options) {
  const auto refuse = [](error& e) { return std::unexpected(std::move(e)); };
  if (options.schema.empty() || options.connect_timeout <= duration::zero() ||
      options.statement_timeout <= duration::zero())
    return fail(errc::invalid_argument,
                "postgres: schema is not empty, and the time-outs are more than 0");
  std::unique_ptr<pg_offsets_db> out(new pg_offsets_db(rt, std::move(options)));
  auto place = place_of(out->connecting_);
  if (!place) return refuse(place.error());
  out->place_ = std::move(*place);
  if (auto ok = out->connect(); !ok) return refuse(ok.error());
  if (auto ok = out->make_table(); !ok) return refuse(ok.error());
  if (!out->options_.setup.empty()) {
    auto done = out->db_->run("BEGIN; " + out->options_.setup + "; COMMIT");
    if (!done) return refuse(done.error());
  }
  return out;
}

result<void> pg_offsets_db::connect() {
  db_.reset();
  auto opened = pg_connection::open(rt_, connecting_, place_, pg_session::others);
  if (!opened) return std::unexpected(std::move(opened.error()));
  db_ = std::move(*opened);
  table_ = db_->identifier(options_.schema) + ".projection_offsets";
  return {};
}

// Under a lock, for CREATE … IF NOT EXISTS of two programs at once fails for one of them.
result<void> pg_offsets_db::make_table() {
  auto there = ask("SELECT to_regclass($1) IS NOT NULL", {table_});
  if (!there) return std::unexpected(std::move(there.error()));
  if (*PQgetvalue(there->get(), 0, 0) == 't') return {};
  const std::string schema = db_->identifier(options_.schema);
  auto known = ask("SELECT 1 FROM pg_namespace WHERE nspname = $1", {options_.schema});
  if (!known) return std::unexpected(std::move(known.error()));
  auto made =
      db_->run("BEGIN; SELECT pg_advisory_xact_lock(" + std::to_string(advisory_lock) + ");" +
               (PQntuples(known->get()) == 0 ? "CREATE SCHEMA IF NOT EXISTS " + schema + ";" : "") +
               "CREATE TABLE IF NOT EXISTS " + table_ +
               "(projection text PRIMARY KEY, position bigint NOT NULL); COMMIT");
  if (!made) return std::unexpected(std::move(made.error()));
  return {};
}

result<pg_result> pg_offsets_db::ask(const std::string& sql,
                                     std::initializer_list<sql_value> values) {
  const bound_values bound(std::span(values.begin(), values.size()));
  return db_->run(sql, bound.all());
}

// A connection that turns out to be dead is replaced once; nothing was done yet.
result<void> pg_offsets_db::begin() {
  for (bool again = true;; again = false) {
    if (!db_ || !db_->alive())
      if (auto ok = connect(); !ok) return ok;
    auto begun = db_->run("BEGIN READ WRITE");
    if (begun) return {};
    if (db_->alive() || !again) return std::unexpected(std::move(begun.error()));
  }
}

result<void> pg_offsets_db::transaction(projection::transactional_store::work& what) {
  if (auto ok = begin(); !ok) return ok;
  projection::postgres_transaction tx(*this);
  result<void> done;
  try {
    done = what(tx);
  } catch (const actor_error& e) {
    done = std::unexpected(e.reason());
  } catch (const std::exception& e) {
    done = fail(errc::handler_failed, e.what());
  } catch (...) {
    done = fail(errc::handler_failed, "an exception that is no std::exception");
  }
  if (!db_->alive()) {
    if (done) done = fail(errc::io_failed, place_ + ": the connection was lost");
    return done;
  }
  // The COMMIT of a broken transaction succeeds, and stores nothing.
  if (done && db_->transaction_broken())
    done = fail(errc::invalid_argument,
                place_ + ": a statement of the transaction has failed, and nothing is stored");
  if (done) {
    auto committed = db_->run("COMMIT");
    if (!committed) done = std::unexpected(std::move(committed.error()));
  }
  if (!done && db_->alive()) static_cast<void>(db_->run("ROLLBACK"));
  return done;
}

result<std::uint64_t> pg_offsets_db::load(const std::string& projection) {
  std::uint64_t out = 0;
  projection::transactional_store::work read = [&](projection::store_transaction&) -> result<void> {
    auto r = ask("SELECT position FROM " + table_ + " WHERE projection = $1", {projection});
    if (!r) return std::unexpected(std::move(r.error()));
    if (PQntuples(r->get()) > 0) out = number(r->get(), 0, 0);
    return {};
  };
  if (auto ok = transaction(read); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

result<void> pg_offsets_db::move(const std::string& projection, std::uint64_t from,
                                 std::uint64_t to) {
  const auto count = [](const result<pg_result>& r) {
    return std::string_view(PQcmdTuples(r->get())) == "1";
  };
  auto moved =
      ask("UPDATE " + table_ + " SET position = $1 WHERE projection = $2 AND position = $3",
          {stored(to), projection, stored(from)});
  if (moved && !count(moved) && from == 0)
    moved = ask("INSERT INTO " + table_ + " VALUES ($1, $2) ON CONFLICT DO NOTHING",
                {projection, stored(to)});
  if (!moved) return std::unexpected(std::move(moved.error()));
  if (count(moved)) return {};
  auto is = ask("SELECT position FROM " + table_ + " WHERE projection = $1", {projection});
  if (!is) return std::unexpected(std::move(is.error()));
  const auto now = PQntuples(is->get()) > 0 ? number(is->get(), 0, 0) : 0;
  return fail(errc::version_conflict, place_ + ": the offset of projection \"" + projection +
                                          "\" is " + std::to_string(now) + ", not " +
                                          std::to_string(from));
}

result<std::vector<projection::stored_offset>> pg_offsets_db::list() {
  std::vector<projection::stored_offset> out;
  projection::transactional_store::work read = [&](projection::store_transaction&) -> result<void> {
    auto r = ask(
        "SELECT projection, position FROM " + table_ + " ORDER BY projection COLLATE \"C\"", {});
    if (!r) return std::unexpected(std::move(r.error()));
    for (int k = 0; k < PQntuples(r->get()); ++k)
      out.push_back({PQgetvalue(r->get(), k, 0), number(r->get(), k, 1)});
    return {};
  };
  if (auto ok = transaction(read); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

pg_result pg_offsets_db::run(std::string_view sql, std::span<const sql_value> values) {
  if (!db_->alive()) throw actor_error(errc::io_failed, place_ + ": the connection was lost");
  const bound_values bound(values);
  auto r = db_->run(std::string(sql), bound.all());
  if (!r) throw actor_error(std::move(r.error()));
  return std::move(*r);
}

}  // namespace odeon::detail
