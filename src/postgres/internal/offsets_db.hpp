#pragma once

#include "postgres/internal/connection.hpp"
#include <odeon/postgres/postgres_offsets.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <memory>
#include <string>
#include <vector>

/// @file The connection behind a store of offsets. All members but `open` are called on its thread.

namespace odeon::detail {

class pg_offsets_db {
 public:
  [[nodiscard]] static result<std::unique_ptr<pg_offsets_db>> open(
      runtime& rt, projection::postgres_offsets_options options);

  [[nodiscard]] result<std::uint64_t> load(const std::string& projection);
  [[nodiscard]] result<void> move(const std::string& projection, std::uint64_t from,
                                  std::uint64_t to);
  [[nodiscard]] result<std::vector<projection::stored_offset>> list();
  /// BEGIN, what is to be done, COMMIT; or ROLLBACK.
  [[nodiscard]] result<void> transaction(projection::transactional_store::work& what);

  /// Throws `actor_error`.
  [[nodiscard]] pg_result run(std::string_view sql, std::span<const projection::sql_value> values);

  [[nodiscard]] serial_executor& thread() noexcept { return *thread_; }

 private:
  pg_offsets_db(runtime& rt, projection::postgres_offsets_options options);
  [[nodiscard]] result<void> connect();
  [[nodiscard]] result<void> begin();
  [[nodiscard]] result<void> make_table();
  [[nodiscard]] result<pg_result> ask(const std::string& sql,
                                      std::initializer_list<projection::sql_value> values);

  runtime& rt_;
  projection::postgres_offsets_options options_;
  postgres_journal_options connecting_;
  std::string place_;
  std::string table_;
  std::unique_ptr<pg_connection> db_;
  std::unique_ptr<serial_executor> thread_;  // last: its destructor runs jobs that use the rest
};

}  // namespace odeon::detail
