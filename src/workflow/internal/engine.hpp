#pragma once

#include <odeon/core/actor_system.hpp>
#include <odeon/workflow/detail/run_actor.hpp>
#include <odeon/workflow/state.hpp>

#include <workflow/internal/marking.hpp>
#include <workflow/internal/records.hpp>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

/// @file One run. All of it happens on the turns of the run's actor.
///
///     opening ─► running ─► ended                    nothing is left, or the journal failed
///                   └─► draining ─► undoing ─► ended  a step failed for good
///
/// A step is under way from its start until its end has been recorded (at once, in a run that is
/// not durable). Records are appended one batch at a time; what belongs to one (new values, the
/// next attempt) happens when it is acknowledged. The engine's `pump` starts whatever may start,
/// and ends the run when nothing is left. It is called after each event and never from within
/// itself; plain functions run inside of it, `pump_budget` of them in a turn.

namespace odeon::workflows::detail {

inline constexpr unsigned pump_budget = 64;

/// A coroutine step in an actor of its own, so that it can be killed.
struct host_work {
  using reply = value_ptr;
  std::function<task<result<value_ptr>>()> make;
};

class run_engine {
 public:
  run_engine(context& ctx, run_request request);
  ~run_engine();

  task<result<value_ptr>> run(actor_ref<run_tick> self, std::stop_token stop);
  void tick(std::uint64_t what);

  /// What a tick says: go on, a delayed value is due, compensations go on; or, from
  /// `tick_first`, that the next attempt of a visit is due.
  static constexpr std::uint64_t tick_pump = 0, tick_due = 1, tick_undo = 2, tick_first = 3;

 private:
  enum class phase : std::uint8_t { opening, running, draining, undoing, ended };
  struct work {
    visit what;
    unsigned attempt = 1;
    std::int64_t retry_at = 0;
    bool waits = false;      // for its next attempt
    bool recording = false;  // its end is on the way to the journal
    std::shared_ptr<step_info> info = {};
    any_ref host = {};
  };
  struct completed {
    std::uint64_t visit;
    std::uint32_t step;
    value_ptr input, output;
    bool undone = false;
  };
  struct failed_attempts {
    unsigned count = 0;
    std::int64_t next = 0;
  };
  using after = std::move_only_function<void()>;
  /// Where the run's answer goes: from its end, or from whichever thread gives it up.
  struct gate {
    std::atomic<bool> opened{false};
    promise<value_ptr> to;
    void open(result<value_ptr> r) {
      if (!opened.exchange(true)) to.set_result(std::move(r));
    }
  };

  // -- the run (engine.cpp) -----------------------------------------------------------------------
  [[nodiscard]] std::int64_t now() const;
  [[nodiscard]] std::string check_targets() const;
  void pump();
  void start_ready();
  void begin(visit v);
  void attempt(std::uint64_t id);
  void start_outside(std::uint64_t id, const step_def& s);
  void run_in_host(bool undo, work& w, duration limit,
                   std::function<task<result<value_ptr>>()> make);
  void arrived(std::uint64_t id, result<value_ptr> r);
  void completed_step(std::uint64_t id, value_ptr output);
  void failed_step(std::uint64_t id, error why);
  void apply_done(const step_done& r, const value_ptr& output);
  void put_tokens(const std::vector<recorded_token>& all, const value_ptr& value);
  [[nodiscard]] std::vector<recorded_token> tokens_of(const firing& f);
  void wake_at(std::int64_t when);
  void end(result<value_ptr> r);
  void give_up(work& w);
  void let_go(work& w, bool went_well);
  [[nodiscard]] error no_answer() const;

  // -- failing (engine_undo.cpp) ------------------------------------------------------------------
  void fail_run(error why);
  void begin_undo();
  void next_undo();
  void undo_attempt();
  void undo_arrived(result<value_ptr> r);
  void finish_failed();

  // -- the journal (engine_durable.cpp) -----------------------------------------------------------
  [[nodiscard]] bool is_durable() const noexcept { return !request_.id.empty(); }
  task<result<void>> open();
  [[nodiscard]] result<void> replay(const std::vector<run_record>& all);
  [[nodiscard]] result<void> replay_one(const run_record& r);
  [[nodiscard]] result<void> replay_of(const run_started& r);
  [[nodiscard]] result<void> replay_of(const step_done& r);
  [[nodiscard]] result<void> replay_of(const attempt_failed& r);
  [[nodiscard]] result<void> replay_of(const run_failing& r);
  [[nodiscard]] result<void> replay_of(const step_undone& r);
  [[nodiscard]] result<void> replay_of(const run_finished& r);
  [[nodiscard]] result<void> check_version(const run_started& r) const;
  [[nodiscard]] result<void> resolve(const std::vector<recorded_token>& all) const;
  void record(run_record r, after then);
  void append();
  void appended(result<append_ack> ack);

  context* ctx_;
  run_request request_;
  std::shared_ptr<const plan> plan_;
  marking marking_;
  actor_ref<run_tick> self_;
  std::shared_ptr<gate> gate_;
  phase phase_ = phase::opening;
  std::map<std::uint64_t, work> under_way_;  // by the visit's first token
  std::map<std::uint32_t, any_ref> spawned_;
  std::vector<completed> completed_;  // of steps with a compensation
  std::map<std::uint64_t, failed_attempts> attempts_;
  value_ptr answer_;
  std::vector<std::string> ends_;
  std::optional<error> failure_;
  std::vector<std::string> undo_failures_;
  std::string run_id_;
  bool pumping_ = false;
  bool told_to_pump_ = false;
  std::int64_t armed_ = 0;

  work undo_;  // the compensation under way
  std::size_t undoing_ = 0;

  std::shared_ptr<journal> journal_;
  run_lease lease_;
  std::uint64_t epoch_ = 0;
  std::uint64_t sequence_ = 0;
  std::vector<std::pair<event_record, after>> unwritten_;
  std::vector<after> writing_;
  bool failing_recorded_ = false;
};

}  // namespace odeon::workflows::detail
