#pragma once

#include <odeon/persistence/journal.hpp>

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

/// @file A store of one's own: what it supplies are plain blocking functions, and
/// `make_queued_journal` makes a journal of them – the queue, group commit, bounds, completions,
/// closing. `testing/journal_conformance.hpp` has the checks that it should pass. For a store on a
/// database server see `table_store.hpp`.

namespace odeon::store {

/// A writing call on its way. The store sets `outcome`; the queue then calls `done` with it.
template <class Request, class Ack>
struct write_call {
  using ack_type = Ack;
  Request request;
  journal::completion<Ack> done;
  result<Ack> outcome{};
};

struct open_writer_request {
  std::string persistence_id;
};
struct acknowledge_request {
  std::vector<std::uint64_t> positions;
};
struct change_timers_request {
  std::vector<timer_change> changes;
};

using append_call = write_call<append_request, append_ack>;
using open_call = write_call<open_writer_request, std::uint64_t>;
using save_call = write_call<save_snapshot_request, void>;
using delete_call = write_call<snapshot_criteria, std::uint64_t>;
using acknowledge_call = write_call<acknowledge_request, void>;
using change_call = write_call<change_timers_request, std::uint64_t>;
using write_op =
    std::variant<append_call, open_call, save_call, delete_call, acknowledge_call, change_call>;

/// The writing side of a store. All members but the destructor are called on the writer's thread.
class write_backend {
 public:
  virtual ~write_backend() = default;

  /// Carries out the operations in order, in one transaction, and sets each one's outcome. An
  /// operation that is refused leaves nothing and does not disturb the others. When the function
  /// returns, what succeeded is durable. Returns how many transactions became durable and how many
  /// the store refused.
  struct tally {
    std::uint32_t commits = 0;
    std::uint32_t failed = 0;
  };
  virtual tally commit(std::span<write_op> batch, wall_time now) = 0;

  /// Called after a batch has been acknowledged: time for upkeep that nobody waits for.
  virtual void tend() {}

  /// True: no transaction may begin now; `resume` will be called once when one may. For tests.
  virtual bool held(std::move_only_function<void()> resume) {
    static_cast<void>(resume);
    return false;
  }
};

/// The reading side of a store: one connection. All members but the destructor are called on one
/// thread. Requests have been checked against the journal's bounds. The contracts are those of the
/// members of `journal` of that name.
class read_backend {
 public:
  virtual ~read_backend() = default;
  virtual result<replay_report> replay(const replay_request& request,
                                       journal::event_visitor& on_event) = 0;
  virtual result<std::uint64_t> highest_sequence(const std::string& persistence_id) = 0;
  /// By default from `replay`: see `journal::describe`.
  virtual result<id_info> describe(const std::string& persistence_id);
  virtual result<std::vector<std::string>> persistence_ids(const std::string& after,
                                                           std::size_t max) = 0;
  virtual result<std::vector<stored_event>> by_tag(const std::string& tag, std::uint64_t after,
                                                   std::size_t max) = 0;
  virtual result<loaded_snapshot> load_snapshot(const snapshot_criteria& which) = 0;
  virtual result<std::vector<snapshot_info>> snapshots_of(const snapshot_criteria& which,
                                                          std::size_t max) = 0;
  virtual result<std::uint64_t> read_mark(const std::string& persistence_id,
                                          const std::string& name) = 0;
  virtual result<std::vector<mark_record>> marks_of(const std::string& persistence_id,
                                                    const std::string& after, std::size_t max) = 0;
  virtual result<std::vector<stored_timer>> timers_due(wall_time until, const timer_cursor& after,
                                                       std::size_t max) = 0;
  virtual result<std::vector<timer_record>> timers_of(const std::string& persistence_id) = 0;
  virtual result<std::vector<outbox_entry>> take_outbox(std::uint64_t after, std::size_t max) = 0;
};

/// Bytes that count against the journal's bounds.
[[nodiscard]] std::size_t weight(const append_request& request) noexcept;
[[nodiscard]] std::size_t weight(const event_record& event) noexcept;
[[nodiscard]] std::size_t weight(const outbox_message& message) noexcept;
[[nodiscard]] std::size_t weight(const timer_record& timer) noexcept;
[[nodiscard]] std::size_t weight(const std::vector<timer_change>& changes) noexcept;

/// What a call can be refused for without asking the store.
[[nodiscard]] result<void> check(const append_request& request, const journal_options& bounds);
[[nodiscard]] result<void> check(const save_snapshot_request& request,
                                 const journal_options& bounds);
[[nodiscard]] result<void> check(const std::vector<timer_change>& changes,
                                 const journal_options& bounds);
[[nodiscard]] result<void> check_id(const std::string& persistence_id,
                                    const journal_options& bounds);

// The sentences of what every store refuses alike.
[[nodiscard]] error not_the_writer(const std::string& persistence_id, std::uint64_t epoch,
                                   std::uint64_t newest);
[[nodiscard]] error not_the_last(const std::string& persistence_id, std::uint64_t expected,
                                 std::uint64_t highest);
[[nodiscard]] error ahead_of_events(const std::string& persistence_id, std::uint64_t sequence,
                                    std::uint64_t highest);
[[nodiscard]] error keeps_states(const std::string& persistence_id);  ///< not events, nor snapshots
[[nodiscard]] error keeps_events(const std::string& persistence_id);  ///< not states
/// The newest revision of a state cannot be read. `why`: empty, or what is wrong with it.
[[nodiscard]] error lost_state(const std::string& persistence_id, std::uint64_t revision,
                               std::string_view why);

/// A journal on a store. `readers` is not empty; requests of one id go to the same one. The writer
/// and each reader are called on a thread of their own, and freed there when the journal is closed,
/// the writer last. `rt` must outlive the journal.
[[nodiscard]] std::unique_ptr<journal> make_queued_journal(
    runtime& rt, const journal_options& options, std::unique_ptr<write_backend> writer,
    std::vector<std::unique_ptr<read_backend>> readers);

/// An owning copy.
[[nodiscard]] stored_event to_stored(std::string persistence_id, const event_view& view);

}  // namespace odeon::store
