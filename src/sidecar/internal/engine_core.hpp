#pragma once

#include "sidecar/internal/directory.hpp"
#include "sidecar/internal/instance_book.hpp"
#include "sidecar/internal/pool.hpp"
#include "sidecar/internal/scheduler.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/sidecar/systems.hpp>

#include <atomic>
#include <memory>
#include <mutex>
#include <unordered_map>

/// @file What an engine's parts share.

namespace odeon::sidecar::detail {

/// Each is read alone, and nothing else hangs on it.
struct counters {
  using count = std::atomic<std::uint64_t>;
  count activations{0}, deactivations{0};
  count invocations{0}, succeeded{0}, failed{0}, not_found{0};
  count effects{0}, broadcasts{0}, pipes{0}, forwards{0}, timers{0}, scheduled{0};
  count snapshots{0}, checkpoints{0}, store_failures{0}, fenced{0};
  count app_failures{0}, app_retries{0}, cycles{0};

  void ended(outcome how) noexcept;
};

class engine_core : public std::enable_shared_from_this<engine_core> {
 public:
  engine_core(actor_system& s, std::shared_ptr<state_store> with, engine_options o);
  ~engine_core();
  engine_core(const engine_core&) = delete;
  void begin();

  [[nodiscard]] time_point now() const { return rt.now(clock_domain::user); }

  // -- what comes from outside ------------------------------------------------------------------
  result<void> register_app(registration what);
  result<void> spawn(std::span<const actor_id> instances, std::uint64_t revision,
                     engine::spawned_fn done = nullptr);
  void invoke(invocation what, std::optional<time_point> deadline, engine::done_fn done);
  void publish(const std::string& system, const broadcast& what,
               const std::optional<actor_id>& from);
  void publish_here(const broadcast& what);
  [[nodiscard]] future<std::optional<stored_state>> state_of(const actor_id& which);
  [[nodiscard]] future<std::size_t> stop(duration limit);
  /// Its time is over: says how many actors are there still.
  void stopped();
  [[nodiscard]] engine_figures figures() const;
  /// Without waiting for anything.
  void shut_down();

  // -- what actions want ------------------------------------------------------------------------
  void effect(invocation what, const actor_id& from);
  /// Hands a request on: `value` to that actor, in the name of `from`.
  void pass_on(request_ptr what, const actor_id& from, const std::string& actor,
               const std::string& action, payload value);

  /// For the scheduler: begins a run that nobody waits for. `not_found`: nobody knows the actor.
  result<void> begin_scheduled(invocation what);
  void nobody_is_active();

  actor_system& actors;
  runtime& rt;
  const std::shared_ptr<state_store> store;
  const engine_options options;
  counters counts;
  std::atomic<std::size_t> unsaved{0};       ///< actors that ended without their state being stored
  std::atomic<std::size_t> queued_bytes{0};  ///< of requests that are on their way
  registry defs;
  waits waiting;
  directory where;

  void set_elsewhere(std::shared_ptr<elsewhere> others);

 private:
  /// With nothing counted and nobody asked whether the engine still takes it. A name that nobody
  /// knows is looked up in the store.
  void submit(invocation what, std::optional<time_point> deadline, engine::done_fn done);
  /// The rest, when it has been looked up: a name that nobody knows is not found.
  void submit_known(invocation what, std::optional<time_point> deadline, engine::done_fn done);
  void go_on(request_ptr what, const actor_id& to, const found_actor& found);
  /// To a known actor; `what` is empty then. Errors: as `directory::route`, and `call_cycle`.
  result<void> dispatch(request_ptr& what, const actor_id& to, const found_actor& found);
  [[nodiscard]] request_ptr request_of(invocation&& what);
  /// An instance that is named with its template is recorded.
  [[nodiscard]] found_actor resolve(const actor_id& who);
  [[nodiscard]] std::shared_ptr<worker_pool> pool_of(const std::string& key);
  [[nodiscard]] std::shared_ptr<elsewhere> other() const;
  void schedule(invocation what, time_point deadline, engine::done_fn done);
  /// To the subscribers in that system.
  void tell_subscribers(const std::string& system, const broadcast& what,
                        const std::optional<actor_id>& from);

  enum class life : std::uint8_t { running, draining, ended };
  std::atomic<life> life_{life::running};
  scheduler_ref scheduler_;
  instance_book_ref book_;
  mutable std::mutex mutex_;  // guards what follows
  std::unordered_map<std::string, std::shared_ptr<worker_pool>> pools_;
  std::shared_ptr<elsewhere> other_;
  std::vector<promise<std::size_t>> stopped_;
};

}  // namespace odeon::sidecar::detail
