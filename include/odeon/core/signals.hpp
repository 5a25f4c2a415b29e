#pragma once

#include <odeon/base/error.hpp>
#include <odeon/core/actor_ref.hpp>

#include <cstdint>
#include <string>
#include <string_view>

/// @file What the runtime tells an actor. Delivered to a matching `on`, which needs no place in the
/// protocol; an actor without one ignores them. They come in the control lane, before waiting
/// messages.

namespace odeon {

/// Why an actor ended.
enum class exit_kind : std::uint8_t {
  stopped,        ///< it was stopped, or stopped itself
  failed,         ///< its supervision said stop, or its retries were used up
  killed,         ///< `kill`
  linked,         ///< a linked actor ended, and it does not trap exits
  no_such_actor,  ///< a watch of something that was never there, or whose memory is gone
  unreachable,    ///< it lives on another node, which was given up; it may still run
};

struct exit_reason {
  exit_kind kind = exit_kind::stopped;
  std::string text;  ///< the failure's text, or the linked actor's path and reason
};

[[nodiscard]] std::string to_string(const exit_reason& reason);

/// A watched actor has ended. Exactly once for each watch, also when it had ended before `watch`
/// was called.
struct terminated {
  using is_signal = void;
  any_ref ref;
  exit_reason reason;
};

/// A linked actor has ended; only for an actor that traps exits. Others are stopped with it.
struct exit_signal {
  using is_signal = void;
  any_ref from;
  exit_reason reason;
};

/// No message came for as long as `context::receive_timeout` said.
struct receive_timeout {
  using is_signal = void;
};

/// A message came that the actor, or its present behaviour, has no handler for. It is a dead letter
/// as well.
struct unhandled {
  using is_signal = void;
  std::string_view message;  ///< its type
  any_ref sender;            ///< empty when unknown
};

}  // namespace odeon
