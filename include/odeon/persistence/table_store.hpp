#pragma once

#include <odeon/persistence/backend.hpp>
#include <odeon/persistence/table_rows.hpp>
#include <odeon/runtime/runtime.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

/// @file A journal on a database server, whichever: what to store is decided here, and a database
/// supplies transactions and queries. `open_postgres_journal` and `open_mariadb_journal` are made
/// of it.
///
/// A commit is one transaction: 1. the row of `state` is locked, so that commits come one after the
/// other, whichever program they come from, and positions are given out in their order; 2. what the
/// calls concern is looked up; 3. `table_batch` decides every call's outcome and what rows follow
/// from it; 4. the rows are written in sets, and committed.

namespace odeon::store {

/// The calls of one transaction, what is known of what they concern, and the rows they lead to.
/// Not thread-safe. Rows point into the calls, which must stay where they are.
class table_batch {
 public:
  struct timer_key {
    std::string_view persistence_id;
    std::string_view timer_id;
  };
  struct actor_timer {
    std::uint64_t actor = 0;
    std::string_view id;
  };
  struct actor_mark {
    std::uint64_t actor = 0;
    std::string_view name;
  };
  struct retention {
    std::uint64_t actor = 0;
    std::uint32_t keep = 0;  ///< only this many newest snapshots stay
  };
  /// To be carried out in order: `save`, which replaces, then `keep`, then the removal of what lies
  /// in [first, last], the number of which goes to `remove->outcome`.
  struct snapshot_step {
    std::vector<snapshot_row> save;
    std::vector<retention> keep;
    delete_call* remove = nullptr;  ///< null: no removal
    std::uint64_t actor = 0;
    std::uint64_t first = 0;
    std::uint64_t last = 0;
  };

  explicit table_batch(std::span<write_op> calls);

  // What to look up: each id and key once. What is not told is taken not to be there.
  [[nodiscard]] std::span<const std::string_view> ids() const noexcept { return ids_; }
  [[nodiscard]] std::span<const timer_key> timers() const noexcept { return timer_keys_; }

  /// The locked row of `state`. Errors: `corrupt_record`.
  [[nodiscard]] result<void> found_state(const state_row& row, std::uint32_t crc);
  /// A damaged row is an error of the calls that concern it, not of the batch.
  void found_actor(const actor_row& row);
  void found_timer(const timer_key& key, std::int64_t due);

  /// Sets the outcome of each call, but of removals of snapshots, and fills what follows.
  void decide(wall_time now);

  state_row state;
  bool state_changed = false;
  std::vector<actor_row> new_actors;
  std::vector<actor_row> changed_actors;  ///< epoch, sequence and kind
  std::vector<event_row> events;
  std::vector<tagged_row> tagged;
  std::vector<outbox_row> outbox;
  std::vector<std::uint64_t> acknowledged;  ///< outbox positions
  std::vector<actor_timer> removed_timers;
  std::vector<timer_row> set_timers;  ///< replaces
  std::vector<actor_mark> removed_marks;
  std::vector<mark_row> set_marks;  ///< replaces
  std::vector<snapshot_step> snapshots;

 private:
  struct known_actor {
    actor_row row;
    std::uint32_t id_crc = 0;
    bool is_new = false;
    bool changed = false;
    std::size_t saved_in = 0;  // the last step with a snapshot of it, from 1
    std::optional<error> damage;
    struct timer {
      bool exists = false;
      std::int64_t due = 0;
      const timer_record* set = nullptr;
      bool touched = false;
    };
    std::unordered_map<std::string_view, timer> timers;
    std::unordered_map<std::string_view, std::uint64_t> marks;  // as set by the batch
  };

  void decide(append_call& call, wall_time now);
  void decide(open_call& call, wall_time now);
  void decide(save_call& call, wall_time now);
  void decide(delete_call& call, wall_time now);
  void decide(acknowledge_call& call, wall_time now);
  void decide(change_call& call, wall_time now);
  [[nodiscard]] result<known_actor*> find(const std::string& id);
  [[nodiscard]] result<known_actor*> writer(const std::string& id, std::uint64_t epoch);
  known_actor& known(const std::string& id);
  void add_events(known_actor& who, const append_request& r, wall_time now);
  void add_snapshot(known_actor& who, snapshot_row row, std::uint32_t keep);
  void add_id(std::string_view id);
  void set_timer(known_actor& who, const timer_record& timer);
  static bool remove_timer(known_actor& who, std::string_view id);
  bool change_timer(known_actor* who, const timer_change& change);
  void finish();

  std::span<write_op> calls_;
  std::vector<std::string_view> ids_;
  std::vector<timer_key> timer_keys_;
  std::unordered_map<std::string_view, known_actor> actors_;
  std::vector<std::unique_ptr<std::string>> texts_;  // packed tags
};

/// A connection to a server that may go away.
class table_link {
 public:
  virtual ~table_link() = default;

  /// Connects and makes ready. Called when `connected` is false. Errors are final for the attempt;
  /// the text names server and reason, and no password.
  [[nodiscard]] virtual result<void> connect() = 0;
  [[nodiscard]] virtual bool connected() const noexcept = 0;
};

/// The writing side. Any function may fail; when the connection is lost, `connected` is false
/// afterwards, and the transaction has ended.
class table_writer_link : public table_link {
 public:
  /// Begins a transaction, locks `state` and tells the batch what it asks for.
  [[nodiscard]] virtual result<void> look_up(table_batch& batch) = 0;

  struct written {
    bool outcome_unknown = false;  ///< the connection was lost when COMMIT was on its way
    result<void> ended{};
  };
  /// Writes the rows and commits.
  [[nodiscard]] virtual written write(table_batch& batch) = 0;

  /// After a failure of the two above while connected.
  virtual void roll_back() = 0;
};

/// Called for each row; false ends the query.
template <class Row>
using row_sink = std::function<result<bool>(const Row&)>;

/// An event found by its tag, and whose it is. Actor 0, or sequence 0: that row is not there.
struct tagged_event_row {
  std::uint64_t position = 0;
  std::uint64_t sequence = 0;
  actor_row actor;
  event_row event;
};

/// A timer or outbox message, and whose it is. Actor 0: that row is not there.
template <class Row>
struct owned_row {
  actor_row actor;
  Row row;
};

/// The reading side: queries, in the order of their keys, of at most `limit` rows. Each returns how
/// many rows the database had, also when the sink ended it. Rows are valid inside the sink.
class table_reader_link : public table_link {
 public:
  using count = result<std::size_t>;
  virtual count actor(std::string_view id, const row_sink<actor_row>& to) = 0;
  virtual count actors_after(std::string_view id, std::size_t limit,
                             const row_sink<actor_row>& to) = 0;
  virtual count events(std::uint64_t actor, std::uint64_t first, std::uint64_t last,
                       std::size_t limit, const row_sink<event_row>& to) = 0;
  virtual count tagged(std::string_view tag, std::uint64_t after, std::size_t limit,
                       const row_sink<tagged_event_row>& to) = 0;
  /// The newest first; `snapshot_infos` without their content.
  virtual count snapshots(std::uint64_t actor, std::uint64_t first, std::uint64_t last,
                          std::size_t limit, const row_sink<snapshot_row>& to) = 0;
  virtual count snapshot_infos(std::uint64_t actor, std::uint64_t first, std::uint64_t last,
                               std::size_t limit, const row_sink<snapshot_info>& to) = 0;
  virtual count mark(std::uint64_t actor, std::string_view name, const row_sink<mark_row>& to) = 0;
  virtual count marks_after(std::uint64_t actor, std::string_view name, std::size_t limit,
                            const row_sink<mark_row>& to) = 0;
  /// Greater than (due, actor, id), due at `until` or before.
  virtual count timers_due(std::int64_t until, std::int64_t due, std::uint64_t actor,
                           std::string_view id, std::size_t limit,
                           const row_sink<owned_row<timer_row>>& to) = 0;
  virtual count timers_of(std::uint64_t actor, const row_sink<timer_row>& to) = 0;
  virtual count outbox_after(std::uint64_t position, std::size_t limit,
                             const row_sink<owned_row<outbox_row>>& to) = 0;
};

/// How long a lost server is waited for.
struct reconnect_options {
  duration patience =
      std::chrono::seconds(5);  ///< after a loss, calls wait so long for its return;
                                ///< beyond it they fail at once between attempts
  duration first_delay = std::chrono::milliseconds(20);  ///< between attempts; doubles
  duration max_delay = std::chrono::seconds(1);
};

/// Backends on a database; the links need not be connected. `rt` outlives them.
[[nodiscard]] std::unique_ptr<write_backend> make_table_writer(
    runtime& rt, std::unique_ptr<table_writer_link> link, reconnect_options reconnect);
[[nodiscard]] std::unique_ptr<read_backend> make_table_reader(
    runtime& rt, std::unique_ptr<table_reader_link> link, reconnect_options reconnect,
    std::size_t max_page_bytes);

}  // namespace odeon::store
