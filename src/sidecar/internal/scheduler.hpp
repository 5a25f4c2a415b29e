#pragma once

#include "sidecar/internal/reply.hpp"
#include <odeon/core/actor.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

/// @file The actor that begins invocations when their time has come. See scheduler.cpp.

namespace odeon::sidecar::detail {

class engine_core;

/// A record has been stored, or not: its invoker is told.
struct record_stored {
  wall_time due;
  result<void> how;
  std::shared_ptr<reply_once> reply;
};
struct due_read {
  result<std::vector<scheduled_invocation>> page;
};
struct record_removed {
  std::string id;
  result<void> how;
};
struct look_at_schedule {
  std::uint64_t number;
};
/// Actors that were unknown may be known now.
struct actors_registered {};

using scheduler_ref =
    actor_ref<record_stored, due_read, record_removed, look_at_schedule, actors_registered>;

class scheduler
    : public actor<record_stored, due_read, record_removed, look_at_schedule, actors_registered> {
 public:
  explicit scheduler(const std::weak_ptr<engine_core>& core) : core_(core) {}

  void pre_start() { read(); }
  void on(record_stored m);
  void on(due_read m);
  void on(record_removed m);
  void on(look_at_schedule m);
  void on(actors_registered);

 private:
  enum class stage : std::uint8_t { started, resting };

  void read();
  void remove(const std::string& id);
  void arm(duration wait);
  void run(scheduled_invocation& what);

  std::weak_ptr<engine_core> core_;
  bool reading_ = false;
  bool again_ = false;     // something changed while a page was read
  bool again_at_ = false;  // one of the page was refused and is tried after a rest
  std::size_t removing_ = 0;
  // Records that are in the store and not to be begun now: those that have been begun and could not
  // be removed yet, and those whose actor nobody knows.
  std::unordered_map<std::string, stage> held_;
  std::uint64_t armed_ = 0;
  time_point armed_for_ = time_point::max();
  timer alarm_;
};

}  // namespace odeon::sidecar::detail
