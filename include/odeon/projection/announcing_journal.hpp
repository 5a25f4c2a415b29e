#pragma once

#include <odeon/persistence/journal.hpp>
#include <odeon/projection/fwd.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

/// @file A journal that tells who waits for events that some have been committed.
///
///     auto store = projection::announce(*open_sqlite_journal(rt, {.path = "bank.db"}));
///     persistence::install(system, store);
///
/// Live queries and projections on such a journal see an event as soon as it is committed by this
/// process; on another journal, and for commits of other processes, they look as often as their
/// `poll` says.

namespace odeon::projection {

/// Which events somebody waits for, in 64 bits: a set of tags and persistence ids may seem to hold
/// one that it does not hold, never the reverse.
using interest = std::uint64_t;
[[nodiscard]] interest interest_in_tag(std::string_view tag) noexcept;
[[nodiscard]] interest interest_in_id(std::string_view persistence_id) noexcept;
inline constexpr interest interest_in_all = ~interest{0};

/// A registration; letting go of it ends it.
class watch {
 public:
  watch(interest what, std::function<void()> on_news) : what_(what), on_news_(std::move(on_news)) {}

  /// Forgets what was announced, before the store is read.
  void reset() noexcept { seen_.store(false); }
  /// Something was announced since `reset`.
  [[nodiscard]] bool seen() const noexcept { return seen_.load(); }

 private:
  friend class announcing_journal;
  interest what_;
  std::function<void()> on_news_;
  std::atomic<bool> seen_{true};
};

/// Passes every call on to another journal, which it owns. @threadsafe
class announcing_journal final : public journal {
 public:
  explicit announcing_journal(std::unique_ptr<journal> inner);
  ~announcing_journal() override;

  /// From now on `on_news` is called after each commit of such events, once until `watch::reset`,
  /// on a thread of the journal: it must be short and must not throw. It may be called for others
  /// as well.
  [[nodiscard]] std::shared_ptr<projection::watch> watch(interest what,
                                                         std::function<void()> on_news);

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
  void persistence_ids(std::string after, std::size_t max,
                       completion<std::vector<std::string>> done) override;
  void by_tag(std::string tag, std::uint64_t after, std::size_t max,
              completion<std::vector<stored_event>> done) override;
  void load_snapshot(snapshot_criteria which, completion<loaded_snapshot> done) override;
  void snapshots_of(snapshot_criteria which, std::size_t max,
                    completion<std::vector<snapshot_info>> done) override;
  void read_mark(std::string persistence_id, std::string name,
                 completion<std::uint64_t> done) override;
  void describe(std::string persistence_id, completion<id_info> done) override;
  void marks_of(std::string persistence_id, std::string after, std::size_t max,
                completion<std::vector<mark_record>> done) override;
  void timers_due(wall_time until, timer_cursor after, std::size_t max,
                  completion<std::vector<stored_timer>> done) override;
  void timers_of(std::string persistence_id, completion<std::vector<timer_record>> done) override;
  void take_outbox(std::uint64_t after, std::size_t max,
                   completion<std::vector<outbox_entry>> done) override;
  void close() override;
  [[nodiscard]] journal_stats stats() const override;
  [[nodiscard]] const journal_options& options() const noexcept override;

 private:
  struct watchers;
  std::shared_ptr<watchers> watchers_;  // completions under way share it
  std::unique_ptr<journal> inner_;      // last: its end completes what uses the rest
};

/// A journal around this one.
[[nodiscard]] std::shared_ptr<announcing_journal> announce(std::unique_ptr<journal> inner);

/// A registration with `store`, if it announces; null otherwise.
[[nodiscard]] std::shared_ptr<watch> watch_if_announced(journal& store, interest what,
                                                        std::function<void()> on_news);

}  // namespace odeon::projection
