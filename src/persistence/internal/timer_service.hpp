#pragma once

#include "persistence/internal/damage_search.hpp"
#include <odeon/core/actor.hpp>
#include <odeon/core/actor_system.hpp>
#include <odeon/persistence/durable_timers.hpp>
#include <odeon/persistence/journal.hpp>
#include <odeon/persistence/receivers.hpp>

#include <atomic>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

/// @file The actor that fires durable timers. See timer_service.cpp for its protocol.

namespace odeon::detail {

/// A timer that may be due before those the service knows of.
struct timer_set_before {
  wall_time due;
};
struct timer_owner_appeared {
  std::string owner;
};
struct timers_read {
  result<std::vector<stored_timer>> page;
};
/// The first one that is not due yet.
struct next_timer_read {
  result<std::vector<stored_timer>> page;
};
struct timer_handed_over {
  std::string key;
  result<persistence::delivered> how;
};
struct timers_changed {
  std::vector<std::string> keys;
  result<std::uint64_t> how;
};
struct look_at_timers {};

using timer_service_ref =
    actor_ref<timer_set_before, timer_owner_appeared, timers_read, next_timer_read,
              timer_handed_over, timers_changed, look_at_timers>;

/// What a system keeps for its timers.
struct timer_extension {
  actor_system* system = nullptr;
  std::shared_ptr<journal> store;
  std::shared_ptr<persistence::receivers> receivers;
  durable_timers_options options;

  // Counters: each is read alone, and nothing else hangs on it.
  std::atomic<std::uint64_t> fired{0};
  std::atomic<std::uint64_t> skipped{0};
  std::atomic<std::uint64_t> failed{0};
  std::atomic<std::uint64_t> reads{0};
  std::atomic<std::size_t> under_way{0};

  /// Empty: none has been started.
  [[nodiscard]] timer_service_ref running();
  void was_set(wall_time due);
  void owner_appeared(const std::string& owner);

  std::mutex mutex;  // guards what follows
  timer_service_ref service;
};

class timer_service
    : public actor<timer_set_before, timer_owner_appeared, timers_read, next_timer_read,
                   timer_handed_over, timers_changed, look_at_timers> {
 public:
  /// Weak, because what an actor is made of is kept as long as references to it.
  explicit timer_service(const std::weak_ptr<timer_extension>& with);

  void pre_start() { look(); }
  void on(const timer_set_before& m);
  void on(const timer_owner_appeared& m);
  void on(timers_read m);
  void on(next_timer_read m);
  void on(timer_handed_over m);
  void on(timers_changed m);
  void on(look_at_timers);

 private:
  /// A timer in hand: from its page until the store has been told what became of it.
  struct held_timer {
    std::string owner;
    std::string id;
    wall_time due;
    std::optional<timer_record> again;
    std::size_t bytes = 0;
  };
  /// What is to be tried again, of one timer or of all of an owner's.
  struct resting {
    std::uint32_t attempts = 0;
    time_point until{};
    wall_time due = wall_time::max();  // the earliest that was passed over
  };
  using rests = std::unordered_map<std::string, resting>;

  void look();
  void read_on();
  void wake_rested();
  void take(stored_timer&& t);
  void settle(const std::string& key);
  void let_go(const std::string& key);
  bool passes_over(rests& where, const std::string& name, wall_time due);
  void fail_one(const held_timer& h, error why);
  std::uint32_t let_rest(rests& where, const std::string& name, wall_time due);
  void change(const std::string& key);
  void flush();
  void see(wall_time due);
  void look_from(wall_time due);
  void read_failed(const error& why);
  void met_damage(const error& why);
  void arm();
  [[nodiscard]] bool full() const noexcept;
  [[nodiscard]] time_point now() const;
  [[nodiscard]] wall_time wall_now() const;

  std::shared_ptr<timer_extension> with_;
  std::unordered_map<std::string, held_timer> held_;  // by key
  std::size_t held_bytes_ = 0;
  std::unordered_map<std::string, wall_time> settled_;  // since the read under way began
  rests failing_;                                       // by key
  rests absent_;                                        // by owner
  std::vector<timer_change> changes_;
  std::vector<std::string> change_keys_;

  std::size_t page_ = 0;                 // timers of the next read
  std::optional<damage_search> search_;  // the way past a damaged timer
  std::unordered_set<std::string> damages_told_;
  timer_cursor cursor_;  // all that is due before it has been looked at
  wall_time next_due_ = wall_time::max();
  time_point next_rest_ends_ = time_point::max();
  time_point next_pass_{};  // from the beginning
  time_point pass_began_{};
  bool passing_ = false;                  // such a pass is under way
  bool reading_ = false;                  // a page, or the next due time
  wall_time back_to_ = wall_time::max();  // where the cursor goes back to, after that
  bool stopped_short_ = false;            // there is more to read: the window was full
  bool changing_ = false;
  std::uint32_t read_failures_ = 0;
  time_point armed_for_ = time_point::max();
  timer alarm_;
};

}  // namespace odeon::detail
