#pragma once

#include "sidecar/internal/registry.hpp"
#include "sidecar/internal/request.hpp"
#include <odeon/core/actor_ref.hpp>
#include <odeon/sidecar/engine.hpp>

#include <array>
#include <deque>
#include <mutex>
#include <unordered_map>

/// @file The one place that says where an actor lives. Its protocol stands in directory.cpp.

namespace odeon::sidecar::detail {

// What an entity is told.
struct work {
  request_ptr what;
};
struct store_opened {
  result<opened_state> how;
};
struct store_saved {
  result<state_lease> how;
};
struct app_answered {
  run_id run;
  unsigned attempt;
  result<action_answer> how;
};
/// The run has its place at the app.
struct place_free {
  run_id run;
};
enum class alarm_of : std::uint8_t { idle, leave, snapshot, rest, guard, timer };
struct alarm {
  alarm_of what;
  std::uint64_t number = 0;  // of the run, or of the timer and the set it belongs to
};
struct look_at_state {
  std::move_only_function<void(std::optional<stored_state>)> done;
};
/// There are new definitions.
struct redefined {};
/// Finish what is queued, store the state, and leave; `at_once`: without the first.
struct finish {
  bool at_once;
};

using entity_ref = actor_ref<work, store_opened, store_saved, app_answered, place_free, alarm,
                             look_at_state, redefined, finish>;

/// What an entity is made of.
struct entity_seed {
  std::weak_ptr<engine_core> core;  // weak: kept as long as references to the entity are
  actor_id id;                      // as its app knows it
  actor_id stored_as;
  std::string key;
  std::string of;  // its definition's name
  std::uint64_t revision = 0;
  std::uint64_t incarnation = 0;
  bool stays = false;  // is not put away when idle
  std::shared_ptr<actor_load> load;
};

/// Who is to be made when there is nobody.
struct entity_place {
  actor_id id;
  actor_id stored_as;
  std::string of;
  bool stays = false;
};

/// @threadsafe
class directory {
 public:
  directory(engine_core& core, const engine_options& options) : core_(core), options_(options) {}

  /// Hands the request to its actor, which is made when there is none; `what` is empty then.
  /// Errors: `limit_exceeded`, `mailbox_full`, `system_stopped`; `what` stays.
  result<void> route(const entity_place& to, request_ptr& what);
  /// Makes it when there is none. Errors: `limit_exceeded`, `system_stopped`.
  result<void> activate(const entity_place& who);

  // By entities, about themselves.
  /// Nothing is on its way to it but what it has taken: it may go, and what comes is held.
  bool leave(const entity_seed& who, std::uint64_t taken);
  /// It could not go.
  void stay(const entity_seed& who);
  /// It has gone. What was held gets a new one.
  void gone(const entity_seed& who);

  [[nodiscard]] bool is_active(const std::string& key) const;
  /// Empty: it is not active.
  [[nodiscard]] entity_ref find(const std::string& key) const;
  [[nodiscard]] std::size_t active() const noexcept { return active_.load(); }
  [[nodiscard]] std::vector<active_actor> list(std::size_t max) const;
  [[nodiscard]] std::size_t waiting() const;
  /// Since when the first of all mailboxes waits; max: nobody does.
  [[nodiscard]] time_point waits_since() const;
  void tell_all(const std::function<void(const entity_ref&)>& f) const;
  /// Nobody is made any more.
  void close() noexcept { closed_.store(true); }

 private:
  struct slot {
    entity_ref ref = {};
    entity_place place = {};
    std::uint64_t incarnation = 0;
    std::uint64_t routed = 0;
    bool leaving = false;
    std::shared_ptr<actor_load> load = {};
    std::deque<request_ptr> held = {};  // while leaving; bounded as the actor's queue
  };
  struct shard {
    mutable std::mutex mutex;
    std::unordered_map<std::string, slot> slots;
  };
  static constexpr std::size_t shards = 64;

  [[nodiscard]] shard& shard_of(const std::string& key) const;
  result<void> make(slot& s, const std::string& key, const entity_place& place,
                    std::shared_ptr<actor_load> load, std::uint64_t revision);
  void send(slot& s, request_ptr what);

  engine_core& core_;
  const engine_options& options_;
  std::atomic<std::size_t> active_{0};
  std::atomic<std::uint64_t> incarnations_{0};
  std::atomic<bool> closed_{false};
  mutable std::array<shard, shards> shards_;
};

}  // namespace odeon::sidecar::detail
