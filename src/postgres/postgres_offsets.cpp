#include "postgres/internal/offsets_db.hpp"
#include <odeon/postgres/postgres_offsets.hpp>

#include <charconv>

namespace odeon::projection {

namespace {

// Types that are not told as text, by their numbers in pg_type.
enum : Oid {
  type_bool = 16,
  type_bytea = 17,
  type_int8 = 20,
  type_int2 = 21,
  type_int4 = 23,
  type_float4 = 700,
  type_float8 = 701
};

template <class T>
T number(std::string_view text) {
  T out{};
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

sql_value bytes(const char* text) {
  std::size_t size = 0;
  unsigned char* raw = PQunescapeBytea(reinterpret_cast<const unsigned char*>(text), &size);
  const auto* from = reinterpret_cast<const std::byte*>(raw);
  std::vector<std::byte> out(from, from + size);
  PQfreemem(raw);
  return out;
}

sql_value column(const PGresult* r, int row, int at) {
  if (PQgetisnull(r, row, at) != 0) return std::monostate();
  const char* text = PQgetvalue(r, row, at);
  switch (PQftype(r, at)) {
    case type_int2:
    case type_int4:
    case type_int8: return number<std::int64_t>(text);
    case type_bool: return std::int64_t{*text == 't' ? 1 : 0};
    case type_float4:
    case type_float8: return number<double>(text);
    case type_bytea: return bytes(text);
    default: return std::string(text, static_cast<std::size_t>(PQgetlength(r, row, at)));
  }
}

}  // namespace

std::int64_t postgres_transaction::execute(std::string_view sql,
                                           std::span<const sql_value> values) {
  const auto r = db_->run(sql, values);
  return number<std::int64_t>(PQcmdTuples(r.get()));
}

std::vector<sql_row> postgres_transaction::query(std::string_view sql,
                                                 std::span<const sql_value> values) {
  const auto r = db_->run(sql, values);
  const int rows = PQntuples(r.get());
  if (static_cast<std::size_t>(rows) > query_rows_max)
    throw actor_error(errc::limit_exceeded, "the query \"" + std::string(sql) +
                                                "\" has more than " +
                                                std::to_string(query_rows_max) + " rows");
  std::vector<sql_row> out(static_cast<std::size_t>(rows));
  for (int row = 0; row < rows; ++row)
    for (int at = 0; at < PQnfields(r.get()); ++at)
      out[static_cast<std::size_t>(row)].push_back(column(r.get(), row, at));
  return out;
}

result<std::shared_ptr<postgres_offsets>> postgres_offsets::open(runtime& rt,
                                                                 postgres_offsets_options options) {
  auto db = odeon::detail::pg_offsets_db::open(rt, std::move(options));
  if (!db) return std::unexpected(std::move(db.error()));
  return std::shared_ptr<postgres_offsets>(new postgres_offsets(std::move(*db)));
}

postgres_offsets::postgres_offsets(std::unique_ptr<odeon::detail::pg_offsets_db> db) noexcept
    : db_(std::move(db)) {}
postgres_offsets::~postgres_offsets() = default;

void postgres_offsets::load(std::string projection, completion<std::uint64_t> done) {
  db_->thread().post([db = db_.get(), projection = std::move(projection),
                      done = std::move(done)]() mutable { done(db->load(projection)); });
}

void postgres_offsets::save(std::string projection, std::uint64_t from, std::uint64_t to,
                            completion<void> done) {
  run(
      std::move(projection), from, to, [](store_transaction&) -> result<void> { return {}; },
      std::move(done));
}

void postgres_offsets::list(completion<std::vector<stored_offset>> done) {
  db_->thread().post([db = db_.get(), done = std::move(done)]() mutable { done(db->list()); });
}

void postgres_offsets::run(std::string projection, std::uint64_t from, std::uint64_t to, work what,
                           completion<void> done) {
  with(
      [db = db_.get(), projection = std::move(projection), from, to,
       what = std::move(what)](store_transaction& tx) mutable -> result<void> {
        if (auto ok = db->move(projection, from, to); !ok) return ok;
        return what(tx);
      },
      std::move(done));
}

void postgres_offsets::with(work what, completion<void> done) {
  db_->thread().post([db = db_.get(), what = std::move(what), done = std::move(done)]() mutable {
    done(db->transaction(what));
  });
}

}  // namespace odeon::projection
