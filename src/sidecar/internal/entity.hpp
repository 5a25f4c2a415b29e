#pragma once

#include "sidecar/internal/directory.hpp"
#include <odeon/core/actor.hpp>
#include <odeon/sidecar/state_store.hpp>
#include <odeon/task/task.hpp>

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

/// @file One active sidecar actor: its queue, its state, its timers, and the run under way. Its
/// protocol stands in entity.cpp.

namespace odeon::sidecar::detail {

/// After a store that refused, until the entity tries again to be put away.
inline constexpr duration leave_again = std::chrono::seconds(1);
/// Looks at the state of one entity that wait until it is open; past it they ask the store.
inline constexpr std::size_t looks_max = 10'000;

/// One action at the app, from the request's turn on until its outcome.
struct action_run {
  enum class at : std::uint8_t { place, app, rest, store };
  run_id id = 0;
  request_ptr what;
  time_point deadline{};
  at where = at::place;
  unsigned attempt = 0;
  std::string app_at = {};              // of the last attempt
  std::shared_ptr<app_gate> gate = {};  // while it has, or waits for, a place there
  std::string trouble = {};             // of the last attempt
  action_answer answer = {};            // while its state is being stored
  bool storing_own = false;             // the save under way has this run's state
};

class entity : public actor<work, store_opened, store_saved, app_answered, place_free, alarm,
                            look_at_state, redefined, finish> {
 public:
  explicit entity(std::shared_ptr<const entity_seed> seed);

  void pre_start();
  task<void> post_stop();
  void on(work m);
  void on(store_opened m);
  void on(store_saved m);
  void on(app_answered m);
  void on(place_free m);
  void on(alarm m);
  void on(look_at_state m);
  void on(redefined);
  void on(finish m);

 private:
  using run = action_run;

  // entity.cpp: from its activation to its end
  void opened(opened_state with);
  void begin_life();
  void subscribe();
  void arm_timers();
  void arm_idle(duration wait);
  /// How long it stays without a message: its definition's time, and its share of the spread.
  [[nodiscard]] duration idle_time() const;
  void arm_guard();
  void try_leave();
  void depart();
  /// Ends it: all that is queued is answered with `error`.
  void fail_all(const std::string& why);
  [[nodiscard]] bool is_stateful() const noexcept { return def_ && def_->def.stateful; }
  /// Where the run under way is, for texts.
  [[nodiscard]] std::string whereabouts() const;
  void refresh_definition();

  // entity_run.cpp: one request after the other
  void next();
  void tell_waiting() const noexcept;
  void start(request_ptr what);
  void attempt();
  void call();
  void leave_gate();
  void failed_attempt(error why);
  void apply(action_answer answer);
  void complete();
  [[nodiscard]] request_ptr end_run();
  void fail_run(std::string why);

  // entity_state.cpp: state in memory and in the store
  void set_state(any fresh);
  void arm_snapshot();
  void save();
  void write();
  void saved(result<state_lease> how);
  void after_save(bool ok, const std::string& why);

  const std::shared_ptr<const entity_seed> seed_;
  const std::shared_ptr<engine_core> core_;
  definition_ptr def_;
  std::uint64_t generation_ = 0;  // of the registry when `def_` was looked up

  std::deque<request_ptr> queue_;
  std::vector<look_at_state> looks_;  // until it is open
  std::uint64_t taken_ = 0;           // out of the mailbox
  std::optional<run> run_;
  bool opened_ = false;   // the state is here, and its life has begun
  bool leaving_ = false;  // the directory holds what comes
  bool ended_ = false;    // it is in the directory no more
  bool finishing_ = false;
  bool at_once_ = false;
  time_point last_used_{};    // by a message; timers do not keep it
  std::uint16_t spread_ = 0;  // its share of `deactivate_spread`, of 65536

  std::optional<any> state_;
  state_lease lease_;
  bool stateful_ = false;    // as it was when it was activated
  bool lease_good_ = false;  // the last write told what became of it
  bool dirty_ = false;       // the state differs from what is stored, or being stored
  bool saving_ = false;
  bool snapshot_armed_ = false, idle_armed_ = false;
  time_point guard_at_ = time_point::max();  // the first alarm that is under way for deadlines
  time_point snapshot_from_{};               // the first one is due

  std::uint64_t timer_set_ = 0;  // timers of an older definition are of no effect
};

}  // namespace odeon::sidecar::detail
