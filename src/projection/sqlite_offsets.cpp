#include "projection/internal/offsets_db.hpp"
#include <odeon/projection/sqlite_offsets.hpp>

namespace odeon::projection {

namespace {

using detail::rewound;

struct binder {
  sqlite3_stmt* s;
  int at;
  int operator()(std::monostate) const { return sqlite3_bind_null(s, at); }
  int operator()(std::int64_t v) const { return sqlite3_bind_int64(s, at, v); }
  int operator()(double v) const { return sqlite3_bind_double(s, at, v); }
  int operator()(const std::string& v) const {
    return sqlite3_bind_text64(s, at, v.data(), v.size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  int operator()(const std::vector<std::byte>& v) const {
    const void* data = v.empty() ? static_cast<const void*>("") : v.data();
    return sqlite3_bind_blob64(s, at, data, v.size(), SQLITE_STATIC);
  }
};

sqlite3_stmt* bound(detail::offsets_db& db, std::string_view sql,
                    std::span<const sql_value> values) {
  auto s = db.prepared(sql);
  if (!s) throw actor_error(std::move(s.error()));
  if (static_cast<std::size_t>(sqlite3_bind_parameter_count(*s)) != values.size())
    throw actor_error(errc::invalid_argument, "the statement \"" + std::string(sql) + "\" has " +
                                                  std::to_string(sqlite3_bind_parameter_count(*s)) +
                                                  " parameters, and there are " +
                                                  std::to_string(values.size()) + " values");
  int at = 0;
  for (const sql_value& v : values)
    if (std::visit(binder{*s, ++at}, v) != SQLITE_OK) throw actor_error(db.last_error());
  return *s;
}

sql_value column(sqlite3_stmt* s, int at) {
  const auto size = [&] { return static_cast<std::size_t>(sqlite3_column_bytes(s, at)); };
  switch (sqlite3_column_type(s, at)) {
    case SQLITE_INTEGER: return std::int64_t{sqlite3_column_int64(s, at)};
    case SQLITE_FLOAT: return sqlite3_column_double(s, at);
    case SQLITE_TEXT: {
      const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, at));
      return std::string(text, size());
    }
    case SQLITE_BLOB: {
      const auto* data = static_cast<const std::byte*>(sqlite3_column_blob(s, at));
      return data ? std::vector<std::byte>(data, data + size()) : std::vector<std::byte>();
    }
    default: return std::monostate();
  }
}

}  // namespace

std::int64_t sqlite_transaction::execute(std::string_view sql, std::span<const sql_value> values) {
  sqlite3_stmt* s = bound(*db_, sql, values);
  const rewound at_exit{s};
  int code = SQLITE_ROW;
  while (code == SQLITE_ROW) code = sqlite3_step(s);
  if (code != SQLITE_DONE) throw actor_error(db_->last_error());
  return sqlite3_changes64(db_->raw());
}

std::vector<sql_row> sqlite_transaction::query(std::string_view sql,
                                               std::span<const sql_value> values) {
  sqlite3_stmt* s = bound(*db_, sql, values);
  const rewound at_exit{s};
  std::vector<sql_row> out;
  const int columns = sqlite3_column_count(s);
  int code = SQLITE_ROW;
  while ((code = sqlite3_step(s)) == SQLITE_ROW) {
    if (out.size() == query_rows_max)
      throw actor_error(errc::limit_exceeded, "the query \"" + std::string(sql) +
                                                  "\" has more than " +
                                                  std::to_string(query_rows_max) + " rows");
    sql_row& row = out.emplace_back();
    for (int i = 0; i < columns; ++i) row.push_back(column(s, i));
  }
  if (code != SQLITE_DONE) throw actor_error(db_->last_error());
  return out;
}

void* sqlite_transaction::native() const noexcept { return db_->raw(); }

result<std::shared_ptr<sqlite_offsets>> sqlite_offsets::open(runtime& rt,
                                                             sqlite_offsets_options options) {
  auto db = detail::offsets_db::open(rt, options);
  if (!db) return std::unexpected(std::move(db.error()));
  return std::shared_ptr<sqlite_offsets>(new sqlite_offsets(std::move(*db)));
}

sqlite_offsets::sqlite_offsets(std::unique_ptr<detail::offsets_db> db) noexcept
    : db_(std::move(db)) {}
sqlite_offsets::~sqlite_offsets() = default;

void sqlite_offsets::load(std::string projection, completion<std::uint64_t> done) {
  db_->thread->post([db = db_.get(), projection = std::move(projection),
                     done = std::move(done)]() mutable { done(db->load(projection)); });
}

void sqlite_offsets::save(std::string projection, std::uint64_t from, std::uint64_t to,
                          completion<void> done) {
  run(
      std::move(projection), from, to, [](store_transaction&) -> result<void> { return {}; },
      std::move(done));
}

void sqlite_offsets::list(completion<std::vector<stored_offset>> done) {
  db_->thread->post([db = db_.get(), done = std::move(done)]() mutable { done(db->list()); });
}

void sqlite_offsets::run(std::string projection, std::uint64_t from, std::uint64_t to, work what,
                         completion<void> done) {
  with(
      [db = db_.get(), projection = std::move(projection), from, to,
       what = std::move(what)](store_transaction& tx) mutable -> result<void> {
        if (auto ok = db->move(projection, from, to); !ok) return ok;
        return what(tx);
      },
      std::move(done));
}

void sqlite_offsets::with(work what, completion<void> done) {
  db_->thread->post([db = db_.get(), what = std::move(what), done = std::move(done)]() mutable {
    done(db->transaction(what));
  });
}

}  // namespace odeon::projection
