#pragma once

#include "postgres/internal/connection.hpp"
#include <odeon/persistence/table_store.hpp>

/// @file What a PostgreSQL server does for a journal: the statements of a commit in two journeys,
/// and the queries.

namespace odeon::detail {

/// The connection, and how to get a new one.
struct pg_origin {
  runtime& rt;
  postgres_journal_options options;
  std::string place;
};

class pg_writer_link final : public store::table_writer_link {
 public:
  explicit pg_writer_link(pg_origin origin) : origin_(std::move(origin)) {}
  result<void> connect() override;
  [[nodiscard]] bool connected() const noexcept override { return db_ && db_->alive(); }
  result<void> look_up(store::table_batch& batch) override;
  written write(store::table_batch& batch) override;
  void roll_back() override;

 private:
  void add_actors(const store::table_batch& batch);
  void add_events(const store::table_batch& batch);
  void add_outbox(const store::table_batch& batch);
  void add_timers(const store::table_batch& batch);
  void add_marks(const store::table_batch& batch);
  void add_snapshots(const store::table_batch& batch);
  void add(const char* name, pg_values values);

  pg_origin origin_;
  bool created_ = false;  // the schema was there, or was made
  std::unique_ptr<pg_connection> db_;
  std::size_t added_ = 0;
  std::vector<std::pair<std::size_t, store::delete_call*>> removals_;  // which result is whose
};

class pg_reader_link final : public store::table_reader_link {
 public:
  explicit pg_reader_link(pg_origin origin) : origin_(std::move(origin)) {}
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
  pg_origin origin_;
  std::unique_ptr<pg_connection> db_;
};

/// A row of `actors`: actor, id, epoch, sequence, kind, crc, from `column` on. All null: actor 0.
[[nodiscard]] store::actor_row actor_of(const pg_row& row, int column = 0);

}  // namespace odeon::detail
