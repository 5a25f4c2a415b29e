#pragma once

#include <odeon/core/signals.hpp>
#include <odeon/core/supervision.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// @file What the event stream of a system carries. Any movable, copyable class type can be
/// published and subscribed to; these are the runtime's own. They are built only while someone
/// listens, except dead letters and late replies, of which the last 1,024 are always kept.

namespace odeon {

/// A message that no handler got.
struct dead_letter {
  errc reason;  ///< no_such_actor, actor_stopped, mailbox_full, expired, unhandled, unreachable,
                ///< handler_failed (the message in hand of a failed actor), cancelled, killed
  std::string_view message;  ///< its type
  std::string to;            ///< the path
  std::string from;          ///< the path; empty from outside or when the sender is gone
  std::uint64_t trace;       ///< the first message of its chain
  wall_time at;
  bool was_ask;  ///< the asker was told as well
};

/// A reply that came after its asker had given up.
struct late_reply {
  std::string_view message;  ///< the request's type
  std::string from;          ///< who answered
  std::string to;            ///< who had asked; empty from outside
  errc given_up;             ///< ask_timeout or cancelled
  std::uint64_t trace;
  wall_time at;
};

struct actor_started {
  any_ref ref;
  std::string path;
  std::string_view type;
};
struct actor_stopped {
  any_ref ref;
  std::string path;
  exit_reason reason;
};
struct actor_restarted {
  any_ref ref;
  std::string path;
  std::string why;
  unsigned count;
};
struct actor_failed {
  any_ref ref;
  failure why;
  directive decided;
};
struct hook_failed {
  any_ref ref;
  std::string path;
  std::string_view hook;
  std::string what;
};

/// A task that a handler forked or spawned failed, and nobody looked at its error.
struct task_failed {
  any_ref ref;
  std::string path;
  std::string task;  ///< the name it was forked with
  std::string what;
};

struct mailbox_high_water {
  any_ref ref;
  std::string path;
  std::size_t depth;
  std::size_t limit;
};
struct mailbox_overflow {
  any_ref ref;
  std::string path;
  std::string_view message;
  std::size_t capacity;
};

/// A handler has been running, without suspending, for longer than the limit (`core.slow_handler`).
/// Once a handler run.
struct slow_handler {
  any_ref ref;
  std::string path;
  std::string_view message;
  duration running_for;
};

/// Asks that wait for each other. `chain` reads "/user/a asks /user/b (transfer), /user/b asks
/// /user/a (get)".
struct call_cycle_found {
  std::string chain;
  bool allowed;
};

struct ask_timed_out {
  std::string to;
  std::string_view message;
  std::string where;
  std::uint64_t trace;
};

}  // namespace odeon
