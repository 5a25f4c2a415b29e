#pragma once

#include <odeon/base/error.hpp>
#include <odeon/persistence/fwd.hpp>
#include <odeon/persistence/journal_options.hpp>
#include <odeon/persistence/record.hpp>
#include <odeon/persistence/snapshot.hpp>
#include <odeon/runtime/runtime.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

/// @file The journal: an append-only store of events, with the snapshots, timers and outgoing
/// messages that belong to them. `memory_journal.hpp` and `sqlite_journal.hpp` open one.

namespace odeon {

/// Which events of one persistence id to visit.
struct replay_request {
  std::string persistence_id;
  std::uint64_t from_sequence = 1;
  std::uint64_t to_sequence = std::numeric_limits<std::uint64_t>::max();  ///< inclusive
  std::uint64_t max_events = std::numeric_limits<std::uint64_t>::max();
};

struct replay_report {
  std::uint64_t highest_sequence = 0;  ///< of the persistence id; 0: it has no event or state
  std::uint64_t events = 0;            ///< visited
};

/// What is known of one persistence id.
struct id_info {
  std::uint64_t epoch = 0;             ///< of the newest writer; 0: nobody has been one
  std::uint64_t highest_sequence = 0;  ///< of events, or the newest revision; 0: it has none
  bool keeps_states = false;           ///< it has states, not events
};

struct recover_request {
  std::string persistence_id;
  std::uint64_t max_snapshot_sequence =
      std::numeric_limits<std::uint64_t>::max();                          ///< 0: use no snapshot
  std::uint64_t to_sequence = std::numeric_limits<std::uint64_t>::max();  ///< stop after this event
};

struct recovery_report {
  std::uint64_t highest_sequence = 0;    ///< of the persistence id; 0: it has no event or state
  std::uint64_t snapshot_sequence = 0;   ///< 0: there was no snapshot
  std::uint64_t events = 0;              ///< visited, all after the snapshot
  std::vector<error> damaged_snapshots;  ///< that were passed over, newest first
};

/// An append-only store of events.
///
/// @threadsafe: any member may be called from any thread at any time. None of them waits for the
/// store, except `close` and the destructor.
///
/// **Completions.** Every call ends in exactly one call of its completion. What the call itself can
/// refuse (a bound, a closed journal, an argument outside its contract) is completed inside the
/// call, on the caller's thread. All else is completed on a thread of the journal, where a
/// completion must be short (the next commit waits for it), must not throw and must not close or
/// destroy the journal. Completions of writing calls come in the order in which the calls were
/// accepted.
///
/// **Durability.** A writing call that completes without an error has survived: the store's fsync
/// returned before. Calls that arrive while a transaction is under way form the next one, so many
/// writers share an fsync; a refused call does not disturb the others of its transaction. A writing
/// call that fails has left nothing in the store, with one exception that no store can exclude:
/// after `errc::io_failed` a crash may bring the whole of it back.
///
/// **Single writer.** `open_writer` gives an id a new epoch, and from then on refuses every older
/// one with `errc::fenced`. An append says which sequence number it expects to be the last; if that
/// is not so, it fails with `errc::version_conflict`, whose text has both numbers.
///
/// **Damage.** Each stored item carries a CRC-32C, which is compared when it is read. What does not
/// match is reported as `errc::corrupt_record` with its place, and never handed out.
///
/// **Two kinds of ids.** An id has either events, and snapshots as shortcuts to them; or states,
/// each a whole, whose revisions are numbered and read like snapshots. The first event or state
/// decides. A recovery of an id with states visits the newest revision as its snapshot, and no
/// event.
///
/// There is no way to delete events: a replay from the first one is what a damaged snapshot falls
/// back to.
class journal {
 public:
  template <class T>
  using completion = std::move_only_function<void(result<T>)>;

  /// Called for each event in order, on a thread of the journal. An error ends the replay with that
  /// error.
  using event_visitor = std::move_only_function<result<void>(const event_view&)>;

  /// Closes.
  virtual ~journal() = default;
  journal(const journal&) = delete;
  journal& operator=(const journal&) = delete;

  // Writing.

  /// Stores all of `request` or nothing. Errors: `fenced`, `version_conflict`, `limit_exceeded`
  /// (too large, or too much is pending), `invalid_argument` (also a state for an id with events,
  /// and events for an id with a state: an id is of one kind), `store_full`, `io_failed`,
  /// `store_closed`, `corrupt_record` (what is stored for the id is damaged where it must be read).
  virtual void append(append_request request, completion<append_ack> done) = 0;

  /// Takes over the writing of an id: completes with an epoch higher than all given out for it
  /// before, which are refused from then on. Durable. The id need not exist.
  virtual void open_writer(std::string persistence_id, completion<std::uint64_t> done) = 0;

  /// Errors: as `append`; `version_conflict` when `sequence` is higher than the id's highest;
  /// `invalid_argument` for an id that keeps states.
  virtual void save_snapshot(save_snapshot_request request, completion<void> done) = 0;

  /// Completes with how many there were. The newest revision of an id that keeps states is not a
  /// shortcut but all there is: it stays.
  virtual void delete_snapshots(snapshot_criteria which, completion<std::uint64_t> done) = 0;

  /// Removes outbox entries by their positions; one that is not there is no error.
  virtual void acknowledge_outbox(std::vector<std::uint64_t> positions, completion<void> done) = 0;

  /// Sets and removes timers without being their id's writer, in order, each under its own
  /// condition. Completes with how many were applied. What does not apply – the removal of a timer
  /// that is not there, and any change whose `only_if_due` is not when the timer is due – is no
  /// error and disturbs no other change. Errors: as `append`; then none was applied.
  virtual void change_timers(std::vector<timer_change> changes, completion<std::uint64_t> done) = 0;

  // Reading. A read sees every write that was acknowledged before it was called.

  /// The newest good snapshot, then the events after it in order, then `callbacks.on_end`, in one
  /// go on one thread of the journal. Reads do not wait for commits. Nothing is known of the id:
  /// the report is empty. Ends with `corrupt_record` before the first damaged event: what was
  /// visited until then is good, and incomplete.
  virtual void recover(recover_request request, recovery_callbacks callbacks) = 0;

  /// The events of one id in order. Ends as `recover` does.
  virtual void replay(replay_request request, event_visitor on_event,
                      completion<replay_report> on_end) = 0;

  /// Of events, or the newest revision of an id that keeps states. 0: it has none.
  virtual void highest_sequence(std::string persistence_id, completion<std::uint64_t> done) = 0;

  /// All zeros: nothing is known of the id. For tools: it may read an event or two. The `epoch` is
  /// that of the last event where a store does not tell.
  virtual void describe(std::string persistence_id, completion<id_info> done);

  /// The ids greater than `after` in the order of their bytes, at most `max` of them.
  virtual void persistence_ids(std::string after, std::size_t max,
                               completion<std::vector<std::string>> done) = 0;

  /// Events with that tag and a position greater than `after`, in commit order, at most `max` of
  /// them; the page may be shorter (`journal_options::max_page_bytes`) and is empty only at the
  /// end. The last one's position is where to read on; an event that commits later always has a
  /// higher one.
  virtual void by_tag(std::string tag, std::uint64_t after, std::size_t max,
                      completion<std::vector<stored_event>> done) = 0;

  /// The newest good snapshot of the criteria. Damaged ones are reported, not an error – but for an
  /// id that keeps states: when the criteria reach its newest revision and that one is damaged or
  /// gone, the call fails with `corrupt_record`, and so does a recovery. Nobody goes back to an
  /// older revision without asking for it by `max_sequence`.
  virtual void load_snapshot(snapshot_criteria which, completion<loaded_snapshot> done) = 0;

  /// What snapshots or revisions there are, the newest first, of the criteria, at most `max` of
  /// them. A damaged one is marked where the store checks them here, and reported in any case when
  /// it is loaded.
  virtual void snapshots_of(snapshot_criteria which, std::size_t max,
                            completion<std::vector<snapshot_info>> done) = 0;

  /// 0: the id has no such mark.
  virtual void read_mark(std::string persistence_id, std::string name,
                         completion<std::uint64_t> done) = 0;

  /// The marks of one id with names greater than `after`, in the order of their bytes, at most
  /// `max` of them.
  virtual void marks_of(std::string persistence_id, std::string after, std::size_t max,
                        completion<std::vector<mark_record>> done) = 0;

  /// Timers after `after` that are due at `until` or before, at most `max` of them, in the order of
  /// `timer_cursor`.
  virtual void timers_due(wall_time until, timer_cursor after, std::size_t max,
                          completion<std::vector<stored_timer>> done) = 0;

  /// All timers of one id, by their ids.
  virtual void timers_of(std::string persistence_id,
                         completion<std::vector<timer_record>> done) = 0;

  /// Outbox entries with a position greater than `after`, at most `max` of them. Taking does not
  /// reserve: an entry is there until it is acknowledged.
  virtual void take_outbox(std::uint64_t after, std::size_t max,
                           completion<std::vector<outbox_entry>> done) = 0;

  // The journal itself.

  /// Refuses further calls with `errc::store_closed`, commits and completes everything accepted
  /// before, and releases the store's files. Blocks the calling thread until then. Calling it again
  /// waits as well.
  virtual void close() = 0;

  [[nodiscard]] virtual journal_stats stats() const = 0;
  [[nodiscard]] virtual const journal_options& options() const noexcept = 0;

 protected:
  journal() = default;
};

/// What `journal::recover` calls, in this order, on one thread. `on_end` is required.
struct recovery_callbacks {
  /// At most once, before all events. An error ends the recovery with that error.
  std::move_only_function<result<void>(const stored_snapshot&)> on_snapshot;
  journal::event_visitor on_event;
  journal::completion<recovery_report> on_end;
};

/// Starts a call and blocks the calling thread until it has completed: for tests and tools, never
/// for actors.
///
///     auto epoch = wait_for<std::uint64_t>(rt, [&](auto done) { j.open_writer("a",
///     std::move(done)); });
///
/// `start` gets the completion. Under a simulated runtime the work is done inside this call.
template <class T, class Start>
[[nodiscard]] result<T> wait_for(runtime& rt, Start&& start) {
  struct slot {
    std::atomic<std::uint32_t> set{0};
    std::optional<result<T>> value;
  };
  auto shared = std::make_shared<slot>();  // the one who completes may still be in `wake` when the
                                           // waiter returns
  std::forward<Start>(start)([shared, &rt](result<T> r) {
    shared->value.emplace(std::move(r));
    shared->set.store(1, std::memory_order_release);
    rt.wake(shared->set);
  });
  while (shared->set.load(std::memory_order_acquire) == 0)
    rt.wait(shared->set, 0, time_point::max());
  return std::move(*shared->value);
}

/// The events of a request with everything owned; ends a page as `by_tag` does. For tests and
/// tools.
void read_events(journal& from, replay_request request,
                 journal::completion<std::vector<stored_event>> done);

}  // namespace odeon
