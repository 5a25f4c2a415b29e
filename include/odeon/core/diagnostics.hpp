#pragma once

#include <odeon/base/time.hpp>
#include <odeon/core/signals.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// @file What is going on, as data.

namespace odeon {

enum class actor_state : std::uint8_t {
  idle,     ///< nothing to do
  ready,    ///< waits for a thread
  running,  ///< a handler runs now
  waiting,  ///< a handler is suspended; `waiting_for` says on whom, if on an actor
  starting,
  failed,
  restarting,
  stopping,
  terminated,
};

[[nodiscard]] std::string_view to_string(actor_state s) noexcept;

/// One actor at one moment. Depths are exact while the actor is not running, else near.
struct actor_snapshot {
  std::string path;
  std::uint64_t uid = 0;
  std::string_view type;
  actor_state state = actor_state::idle;
  std::size_t mailbox_depth = 0;  ///< counted up to 100,000
  std::string_view message;       ///< in hand; empty when none is
  std::optional<duration>
      running_for;          ///< of the handler; known once it has been seen twice (0.1 s)
  std::string waiting_for;  ///< path; empty when it waits for no actor
  std::size_t children = 0;
  std::size_t stashed = 0;
  unsigned restarts = 0;
};

/// Sums since the start.
struct system_metrics {
  std::uint64_t messages = 0;  ///< handled
  std::uint64_t spawned = 0;
  std::uint64_t stopped = 0;
  std::uint64_t failures = 0;
  std::uint64_t restarts = 0;
  std::uint64_t dead_letters = 0;
  std::uint64_t late_replies = 0;
  std::uint64_t ask_timeouts = 0;
  std::uint64_t call_cycles = 0;
  std::uint64_t high_water_crossings = 0;
  std::uint64_t mailbox_overflows = 0;
};

struct system_snapshot {
  std::string name;
  duration uptime{};
  std::size_t actors = 0;  ///< live ones
  system_metrics metrics;
  std::vector<actor_snapshot> list;  ///< top down, siblings in the order spawned
};

/// One handled message, from the ring of recent hops.
struct hop {
  std::uint64_t id = 0;     ///< of this hop
  std::uint64_t cause = 0;  ///< the hop that sent the message; 0: from outside
  std::uint64_t trace = 0;  ///< the first message's
  std::uint64_t actor = 0;  ///< uid
  std::string_view message;
  time_point at;  ///< to within some turns of its thread
};

/// One phase of a shutdown.
struct shutdown_phase {
  std::string name;
  duration took{};
};
struct held_up {
  std::string path;
  std::string
      why;  ///< "its handler of transfer has been running for 3.2 s", "waits for its child …"
};
struct shutdown_report {
  bool complete = false;  ///< everything stopped within the limit
  duration took{};
  std::vector<shutdown_phase> phases;
  std::vector<held_up> held_up_by;  ///< at the moment the limit passed
  [[nodiscard]] std::string to_string() const;
};

}  // namespace odeon
