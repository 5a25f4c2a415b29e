#pragma once

#include "mariadb/internal/connection.hpp"
#include <odeon/persistence/table_store.hpp>

#include <map>
#include <unordered_map>
#include <utility>

/// @file What a MariaDB server does for a journal: the statements of a commit, many rows in one
/// journey each, and the queries.

namespace odeon::detail {

/// The connection, and how to get a new one.
struct my_origin {
  mariadb_journal_options options;
  std::string place;
};

class my_writer_link final : public store::table_writer_link {
 public:
  explicit my_writer_link(my_origin origin) : origin_(std::move(origin)) {}
  result<void> connect() override;
  [[nodiscard]] bool connected() const noexcept override { return db_ && db_->alive(); }
  result<void> look_up(store::table_batch& batch) override;
  written write(store::table_batch& batch) override;
  void roll_back() override;
  [[nodiscard]] std::size_t max_packet() const noexcept { return db_->max_packet(); }

 private:
  using table_batch = store::table_batch;
  using actor_numbers = std::unordered_map<std::string, std::uint64_t>;
  [[nodiscard]] MYSQL_STMT* statement(std::string_view name) const;
  [[nodiscard]] result<void> lock_state(table_batch& batch);
  [[nodiscard]] result<actor_numbers> find_actors(table_batch& batch);
  [[nodiscard]] result<void> find_timers(table_batch& batch, const actor_numbers& actors);
  [[nodiscard]] result<void> write_rows(table_batch& batch);
  [[nodiscard]] result<void> write_actors(const table_batch& batch);
  [[nodiscard]] result<void> write_events(const table_batch& batch);
  [[nodiscard]] result<void> write_outbox(const table_batch& batch);
  [[nodiscard]] result<void> write_timers(const table_batch& batch);
  [[nodiscard]] result<void> write_marks(const table_batch& batch);
  [[nodiscard]] result<void> write_snapshots(const table_batch& batch);

  my_origin origin_;
  bool created_ = false;  // the tables were there, or were made
  bool jump_ = true;      // the next positions come behind a gap: see lock_state
  std::unique_ptr<my_connection> db_;
  std::map<std::string_view, my_statement> statements_;  // before the connection they end
};

class my_reader_link final : public store::table_reader_link {
 public:
  explicit my_reader_link(my_origin origin) : origin_(std::move(origin)) {}
  result<void> connect() override;
  [[nodiscard]] bool connected() const noexcept override { return db_ && db_->alive(); }
  count actor(std::string_view id, const store::row_sink<store::actor_row>& to) override;
  count actors_after(std::string_view id, std::size_t limit,
                     const store::row_sink<store::actor_row>& to) override;
  count events(std::uint64_t actor, std::uint64_t first, std::uint64_t last, std::size_t limit,
               const store::row_sink<store::event_row>& to) override;
  count tagged(std::string_view tag, std::uint64_t after, std::size_t limit,
               const store::row_sink<store::tagged_event_row>& to) override;
  count snapshots(std::uint64_t actor, std::uint64_t first, std::uint64_t last, std::size_t limit,
                  const store::row_sink<store::snapshot_row>& to) override;
  count snapshot_infos(std::uint64_t actor, std::uint64_t first, std::uint64_t last,
                       std::size_t limit, const store::row_sink<snapshot_info>& to) override;
  count mark(std::uint64_t actor, std::string_view name,
             const store::row_sink<store::mark_row>& to) override;
  count marks_after(std::uint64_t actor, std::string_view name, std::size_t limit,
                    const store::row_sink<store::mark_row>& to) override;
  count timers_due(std::int64_t until, std::int64_t due, std::uint64_t actor, std::string_view id,
                   std::size_t limit,
                   const store::row_sink<store::owned_row<store::timer_row>>& to) override;
  count timers_of(std::uint64_t actor, const store::row_sink<store::timer_row>& to) override;
  count outbox_after(std::uint64_t position, std::size_t limit,
                     const store::row_sink<store::owned_row<store::outbox_row>>& to) override;

 private:
  template <class Take>
  [[nodiscard]] count ask(std::string_view name, my_values& values, std::string_view types,
                          Take take);

  my_origin origin_;
  std::unique_ptr<my_connection> db_;
  std::map<std::string_view, my_statement> statements_;
};

/// A row of `actors`: actor, id, epoch, sequence, kind, crc, from `column` on. All null: actor 0.
[[nodiscard]] store::actor_row actor_of(const my_row& row, std::size_t column = 0);
inline constexpr const char* actor_columns_of_a =
    "a.actor, a.id, a.epoch, a.sequence, a.kind, a.crc";

}  // namespace odeon::detail
