#pragma once

#include "persistence/internal/backend.hpp"
#include "persistence/internal/landing.hpp"
#include "persistence/internal/sqlite_schema.hpp"

#include <memory>
#include <string>
#include <vector>

/// @file One reading connection of the SQLite journal.
///
/// An event lies in a segment (in the file), or in the landing (in memory), or in both for the
/// moment between the commit that stores a tail and its removal from the landing; never in neither.
/// So a reader first copies the actor's tail and then reads the segments up to where the tail
/// begins. Transactions are one statement each, and what they return is copied before it is shown
/// to anyone: a slow visitor does not keep the write-ahead log from being folded in.

namespace odeon::detail {

class sqlite_reader final : public read_backend {
 public:
  [[nodiscard]] static result<std::unique_ptr<sqlite_reader>> open(
      std::unique_ptr<sqlite_db> db, std::shared_ptr<const landing> fresh,
      std::size_t max_page_bytes);

  result<replay_report> replay(const replay_request& request,
                               journal::event_visitor& on_event) override;
  result<std::uint64_t> highest_sequence(const std::string& persistence_id) override;
  result<id_info> describe(const std::string& persistence_id) override;
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
  struct statements {
    sqlite_statement segment_of, segments;
    sqlite_statement ids_after, id_of, tagged_after;
    sqlite_statement snapshots_down, timers_until, timers_of, outbox_after;
    sqlite_statement begin, end, snapshot_list, mark, mark_by_crc, marks_after;
  };
  struct walk;  // a replay under way
  struct tagged_event {
    std::uint64_t position = 0;
    std::uint32_t actor = 0;
    std::uint64_t sequence = 0;
  };
  struct loaded_segment {
    std::uint64_t first = 0;
    std::size_t offset = 0;  // in chunk_
    std::size_t size = 0;
  };

  sqlite_reader(std::unique_ptr<sqlite_db> db, std::shared_ptr<const landing> fresh,
                std::size_t max_page_bytes)
      : db_(std::move(db)),
        landing_(std::move(fresh)),
        max_page_bytes_(max_page_bytes) {}
  result<void> prepare();
  result<replay_report> replay_actor(const replay_request& request, const actor_row& found,
                                     journal::event_visitor& on_event);
  result<void> walk_segments(walk& w, std::uint64_t end);
  result<void> load_segments(std::uint32_t actor, std::uint64_t first, std::uint64_t end);
  result<std::uint64_t> segment_holding(std::uint32_t actor, std::uint64_t sequence);
  result<std::string> name_of(std::uint32_t actor);
  result<loaded_snapshot> load_newest(const snapshot_criteria& which);
  result<std::vector<tagged_event>> find_tagged(const std::string& tag, std::uint64_t after,
                                                std::size_t max);
  result<stored_event> load_tagged(const std::string& tag, const tagged_event& t);

  std::unique_ptr<sqlite_db> db_;
  std::shared_ptr<const landing> landing_;
  const std::size_t max_page_bytes_;
  statements sql_;
  actor_finder finder_;

  // Buffers that are used again and again.
  landing::tail tail_;
  std::vector<std::byte> chunk_;
  std::vector<loaded_segment> loaded_;
  std::vector<std::string_view> tags_;
};

}  // namespace odeon::detail
