#pragma once

#include <odeon/persistence/journal.hpp>
#include <odeon/sidecar/message.hpp>

#include <functional>
#include <memory>
#include <optional>
#include <string>

/// @file Where sidecar actors' states are kept: every write is a revision, in any journal.

namespace odeon::sidecar {

/// A state as it is stored.
struct stored_state {
  any state = {};
  std::uint64_t revision = 0;  ///< 1 for the first
};

/// The right to write one actor's state, given to one activation at a time: opening it anywhere
/// takes it from whoever had it before, whose writes fail with `fenced` from then on.
struct state_lease {
  std::string id = {};
  std::uint64_t epoch = 0;
  std::uint64_t revision = 0;  ///< of the newest stored state; the next write is one more
  actor_id actor = {};         ///< whose it is
};

struct opened_state {
  state_lease lease = {};
  std::optional<stored_state> stored = {};  ///< the newest, or the wanted revision
};

/// An invocation that waits for its time.
struct scheduled_invocation {
  std::string id = {};
  wall_time due = {};
  invocation what = {};
};

/// @threadsafe; completions are called once, on a thread of the journal, and must be short.
class state_store {
 public:
  template <class T>
  using completion = std::move_only_function<void(result<T>)>;
  state_store() = default;
  state_store(const state_store&) = delete;
  virtual ~state_store() = default;

  /// Takes over the actor's state and reads it. `revision`: that one instead of the newest; it
  /// becomes the newest with the next write. Errors: `not_found` (no such revision is kept),
  /// `invalid_argument` (an empty name, or one of more than 1 KiB), `corrupt_record`,
  /// `newer_version`, `io_failed`, `store_closed`, `limit_exceeded` (too much is pending).
  virtual void open(const actor_id& actor, std::uint64_t revision,
                    completion<opened_state> done) = 0;
  /// Reads without taking over. None: nothing is stored.
  virtual void peek(const actor_id& actor, completion<std::optional<stored_state>> done) = 0;
  /// Stores the next revision, durable when it completes, with `lease.revision` one higher for the
  /// next. Errors: as `journal::append`; `fenced`: another activation has it. After `io_failed` the
  /// state may have been stored all the same: the lease is over, open again.
  virtual void save(state_lease lease, any state, completion<state_lease> done) = 0;

  /// Keeps an invocation for its time; durable when it completes. The same id replaces it. Errors:
  /// `invalid_argument` (an empty id), and as `journal::change_timers`.
  virtual void schedule(scheduled_invocation what, completion<void> done) = 0;
  /// Those that are due at `until`, at most `max`, the oldest first. They stay until they are taken
  /// out by `unschedule`.
  virtual void due(wall_time until, std::size_t max,
                   completion<std::vector<scheduled_invocation>> done) = 0;
  /// Forgets one; no error when it is not there.
  virtual void unschedule(const std::string& id, completion<void> done) = 0;
};

struct state_store_options {
  std::uint32_t keep_revisions = 10;  ///< of each actor; older ones are deleted; 0: all stay
  /// Told of a scheduled invocation that is due and cannot be read, each time it is met: it is
  /// passed over and stays. On a thread of the journal.
  std::function<void(const error&)> report = {};
};

/// A store in a journal, which it shares. States are told apart by a hash of the actor's system and
/// name; a journal that is encrypted (`encrypt`) keeps them sealed. `store` need not be its own:
/// ids that begin with "sidecar" are. Cost: `open` is a write and a read, `save` one write, which
/// share transactions with others of the journal.
[[nodiscard]] std::unique_ptr<state_store> make_state_store(runtime& rt,
                                                            std::shared_ptr<journal> store,
                                                            state_store_options options = {});

}  // namespace odeon::sidecar
