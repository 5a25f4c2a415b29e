#pragma once

#include "persistence/internal/backend.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <tuple>
#include <vector>

/// @file What a memory store holds.

namespace odeon::detail {

struct memory_event {
  stored_event event;
  std::uint32_t crc = 0;
};

struct memory_snapshot {
  stored_snapshot snapshot;
  std::uint32_t crc = 0;
};

struct memory_actor {
  std::uint64_t number = 0;  // by age
  std::uint64_t epoch = 0;
  std::vector<std::shared_ptr<const memory_event>> events;  // [k] has sequence k + 1
  std::map<std::uint64_t, std::shared_ptr<const memory_snapshot>> snapshots;
  std::map<std::string, timer_record> timers;
  std::map<std::string, std::uint64_t> marks;
  std::uint64_t revision = 0;  // of the newest state; 0: it keeps none

  [[nodiscard]] std::uint64_t highest() const noexcept {
    return revision > 0 ? revision : events.size();
  }
};

struct memory_state {
  using due_key =
      std::tuple<wall_time, std::uint64_t, std::string>;  // due, actor's number, timer id

  std::mutex mutex;  // guards all below
  std::map<std::string, memory_actor, std::less<>> actors;
  std::map<std::string, std::vector<std::shared_ptr<const memory_event>>, std::less<>> tagged;
  std::map<due_key, std::string> timers_by_due;  // -> persistence id
  std::map<std::uint64_t, outbox_entry> outbox;
  std::uint64_t next_actor = 1;
  std::uint64_t next_position = 1;
  std::uint64_t next_outbox = 1;

  bool open = false;  // a journal is
  bool holding = false;
  std::move_only_function<void()> resume;
  std::uint32_t commits_to_fail = 0;
  error failure{errc::io_failed};
};

[[nodiscard]] std::uint32_t checksum(const stored_event& e) noexcept;
[[nodiscard]] std::uint32_t checksum(const std::string& persistence_id,
                                     const stored_snapshot& s) noexcept;

class memory_writer final : public write_backend {
 public:
  explicit memory_writer(std::shared_ptr<memory_state> state);
  ~memory_writer() override;
  tally commit(std::span<write_op> batch, wall_time now) override;
  bool held(std::move_only_function<void()> resume) override;

 private:
  void apply(append_call& call, wall_time now);
  void apply(open_call& call, wall_time now);
  void apply(save_call& call, wall_time now);
  void apply(delete_call& call, wall_time now);
  void apply(acknowledge_call& call, wall_time now);
  void apply(change_call& call, wall_time now);
  memory_actor& known(const std::string& persistence_id);
  void store_state(memory_actor& actor, append_request& request, wall_time now);
  void set_timer(memory_actor& actor, const std::string& persistence_id, timer_record timer);
  bool cancel_timer(memory_actor& actor, const std::string& id);
  bool change_timer(timer_change& change);

  std::shared_ptr<memory_state> state_;
};

class memory_reader final : public read_backend {
 public:
  memory_reader(std::shared_ptr<memory_state> state, std::size_t max_page_bytes);
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
  std::shared_ptr<memory_state> state_;
  std::size_t max_page_bytes_;
};

}  // namespace odeon::detail
