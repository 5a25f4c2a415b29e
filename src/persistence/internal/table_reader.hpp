#pragma once

#include "persistence/internal/reconnect.hpp"

/// @file The reading side of a journal on a database: pages, checks of every row, and going on
/// after a lost connection where the last row was read.

namespace odeon::store {

class table_reader final : public read_backend {
 public:
  table_reader(runtime& rt, std::unique_ptr<table_reader_link> link,
               const reconnect_options& reconnect, std::size_t max_page_bytes)
      : link_(std::move(link)),
        pacer_(rt, reconnect),
        max_page_bytes_(max_page_bytes) {}

  result<replay_report> replay(const replay_request& request,
                               journal::event_visitor& on_event) override;
  result<std::uint64_t> highest_sequence(const std::string& persistence_id) override;
  result<std::vector<std::string>> persistence_ids(const std::string& after,
                                                   std::size_t max) override;
  result<std::vector<stored_event>> by_tag(const std::string& tag, std::uint64_t after,
                                           std::size_t max) override;
  result<loaded_snapshot> load_snapshot(const snapshot_criteria& which) override;
  result<std::vector<snapshot_info>> snapshots_of(const snapshot_criteria& which,
                                                  std::size_t max) override;
  result<std::uint64_t> read_mark(const std::string& persistence_id,
                                  const std::string& name) override;
  result<std::vector<mark_record>> marks_of(const std::string& persistence_id,
                                            const std::string& after, std::size_t max) override;
  result<std::vector<stored_timer>> timers_due(wall_time until, const timer_cursor& after,
                                               std::size_t max) override;
  result<std::vector<timer_record>> timers_of(const std::string& persistence_id) override;
  result<std::vector<outbox_entry>> take_outbox(std::uint64_t after, std::size_t max) override;

 private:
  static constexpr int losses_max = 20;  // of a connection during one query

  struct found_actor {
    std::uint64_t actor = 0;  // 0: nothing is known of the id
    std::uint64_t sequence = 0;
    id_kind kind = id_kind::nothing;
  };
  /// How many rows the next page may have, so that it is some megabytes large at most.
  class page_size {
   public:
    [[nodiscard]] std::size_t rows(std::size_t left) const noexcept;
    void seen(std::size_t rows, std::size_t bytes) noexcept;

   private:
    std::size_t rows_ = 64;
  };

  /// `query` may be called again after a lost connection: what it did before must not be lost or
  /// doubled by that.
  template <class Query>
  [[nodiscard]] result<std::size_t> ask(Query query) {
    for (int losses = 0;; ++losses) {
      if (auto ok = pacer_.restore(*link_); !ok) return std::unexpected(std::move(ok.error()));
      result<std::size_t> rows = query();
      if (rows || link_->connected() || losses == losses_max) return rows;
    }
  }
  [[nodiscard]] result<found_actor> find(const std::string& persistence_id);
  [[nodiscard]] result<void> next_events(const found_actor& who, const replay_request& request,
                                         std::uint64_t& next, std::uint64_t last,
                                         journal::event_visitor& on_event);

  std::unique_ptr<table_reader_link> link_;
  reconnect_pacer pacer_;
  const std::size_t max_page_bytes_;
  std::vector<std::string_view> tags_;
  page_size event_page_;
};

}  // namespace odeon::store
