#pragma once

#include "persistence/internal/backend.hpp"
#include <odeon/runtime/serial_executor.hpp>

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

/// @file A journal made of a blocking store: the queue in front of it, group commit, bounds,
/// closing.

namespace odeon::detail {

class queued_journal final : public journal {
 public:
  /// `readers` is not empty. Each backend gets a serial executor of its own.
  queued_journal(runtime& rt, journal_options options, std::unique_ptr<write_backend> writer,
                 std::vector<std::unique_ptr<read_backend>> readers);
  ~queued_journal() override;

  void append(append_request request, completion<append_ack> done) override;
  void open_writer(std::string persistence_id, completion<std::uint64_t> done) override;
  void save_snapshot(save_snapshot_request request, completion<void> done) override;
  void delete_snapshots(snapshot_criteria which, completion<std::uint64_t> done) override;
  void acknowledge_outbox(std::vector<std::uint64_t> positions, completion<void> done) override;
  void change_timers(std::vector<timer_change> changes, completion<std::uint64_t> done) override;
  void recover(recover_request request, recovery_callbacks callbacks) override;
  void replay(replay_request request, event_visitor on_event,
              completion<replay_report> on_end) override;
  void highest_sequence(std::string persistence_id, completion<std::uint64_t> done) override;
  void describe(std::string persistence_id, completion<id_info> done) override;
  void persistence_ids(std::string after, std::size_t max,
                       completion<std::vector<std::string>> done) override;
  void by_tag(std::string tag, std::uint64_t after, std::size_t max,
              completion<std::vector<stored_event>> done) override;
  void load_snapshot(snapshot_criteria which, completion<loaded_snapshot> done) override;
  void snapshots_of(snapshot_criteria which, std::size_t max,
                    completion<std::vector<snapshot_info>> done) override;
  void read_mark(std::string persistence_id, std::string name,
                 completion<std::uint64_t> done) override;
  void marks_of(std::string persistence_id, std::string after, std::size_t max,
                completion<std::vector<mark_record>> done) override;
  void timers_due(wall_time until, timer_cursor after, std::size_t max,
                  completion<std::vector<stored_timer>> done) override;
  void timers_of(std::string persistence_id, completion<std::vector<timer_record>> done) override;
  void take_outbox(std::uint64_t after, std::size_t max,
                   completion<std::vector<outbox_entry>> done) override;
  void close() override;
  [[nodiscard]] journal_stats stats() const override;
  [[nodiscard]] const journal_options& options() const noexcept override { return options_; }

 private:
  struct group_timer;
  struct queued_op {
    write_op op;
    std::size_t bytes = 0;
    std::size_t events = 0;
  };
  struct reader {
    std::unique_ptr<read_backend> backend;
    std::unique_ptr<serial_executor> thread;
  };

  template <class Call>
  void accept(Call call, std::size_t bytes, std::size_t events);
  void schedule_locked();
  void post_drain();
  void drain() noexcept;
  bool take_batch(std::vector<write_op>& batch, std::size_t& bytes, bool last_look);
  [[nodiscard]] bool held();
  [[nodiscard]] bool linger() const noexcept;
  void finish_batch(std::span<write_op> batch, std::size_t bytes, write_backend::tally tally);
  void group_wait_over();

  template <class T, class Work>
  void read(std::size_t which, completion<T> done, Work work);
  [[nodiscard]] std::size_t reader_of(const std::string& persistence_id) const noexcept;
  result<recovery_report> recover_now(read_backend& from, const recover_request& request,
                                      recovery_callbacks& callbacks);

  runtime& rt_;
  const journal_options options_;
  std::unique_ptr<write_backend> writer_;
  std::vector<reader> readers_;
  std::unique_ptr<group_timer> timer_;

  mutable std::mutex mutex_;  // guards all below
  std::deque<queued_op> pending_;
  std::size_t queued_events_ = 0;
  std::size_t queued_bytes_ = 0;  // in pending_
  bool drain_posted_ =
      false;  // a job that will look at pending_ is on its way, or waits to be resumed
  bool timer_armed_ = false;  // likewise, by the timer
  bool closing_ = false;
  journal_stats stats_;

  std::atomic<bool> arrived_{false};  // something is in pending_: a hint for the lingering writer
  std::atomic<std::uint32_t> timer_idle_{1};
  std::atomic<std::uint32_t> still_open_;  // executors that have not reached the end of their work
  std::unique_ptr<serial_executor>
      write_thread_;  // last: its destructor runs jobs that use the rest
};

}  // namespace odeon::detail
