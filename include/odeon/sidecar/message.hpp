#pragma once

#include <odeon/base/time.hpp>
#include <odeon/sidecar/fwd.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

/// @file What sidecar actors say and are asked: plain values. They are the messages of the Spawn
/// protocol v1 without their encoding; docs/reference/sidecar-protocol.md says which is which.

namespace odeon::sidecar {

/// A value whose type is known to those who use it: its type's URL ("type.googleapis.com/a.B") and
/// its bytes, which nobody between them reads.
struct any {
  std::string type_url = {};
  std::string value = {};
  bool operator==(const any&) const = default;
};

/// What a request or an answer carries; none: the protocol's noop.
using payload = std::optional<any>;
using tags = std::map<std::string, std::string>;

/// Names an actor. `parent` is the template of an unnamed actor's instance, and empty for others.
struct actor_id {
  std::string system = {};
  std::string name = {};
  std::string parent = {};
  bool operator==(const actor_id&) const = default;
};

/// Somebody wants an action of an actor.
struct invocation {
  actor_id actor = {};  ///< `parent` may be empty: it is looked up
  std::string action = {};
  payload value = {};
  bool async = false;   ///< answered at once, without a value
  bool pooled = false;  ///< for any worker of the pool of that name
  std::optional<actor_id> caller = {};
  tags metadata = {};
  /// When to run it; past: at once. Answered like `async`, and kept over restarts.
  std::optional<wall_time> scheduled_to = {};
  std::uint64_t revision = 0;  ///< activate with this one; 0: the newest. Of no use once active
};

enum class outcome : std::uint8_t { unknown = 0, ok = 1, actor_not_found = 2, error = 3 };

/// What becomes of it.
struct invocation_answer {
  outcome status = outcome::ok;
  std::string message = {};  ///< why not
  payload value = {};
};

/// The sidecar wants the program that has the actor's code to run an action.
struct action_call {
  actor_id actor = {};
  std::string action = {};
  payload value = {};
  std::optional<any> state = {};
  std::optional<actor_id> caller = {};
  tags metadata = {};
  tags actor_tags = {};
};

struct pipe_to {  ///< the answer's value becomes a request; its answer is the answer
  std::string actor = {}, action = {};
};
struct forward_to {  ///< the request's value goes there; its answer is the answer
  std::string actor = {}, action = {};
};
/// To every actor that is subscribed to `channel`, the sender too if it is.
struct broadcast {
  std::string channel = {};
  std::string action = {};  ///< empty: nobody acts on it
  payload value = {};
};

/// What else an action wants: done in this order, after its state is in memory.
struct workflow {
  std::vector<invocation> effects = {};  ///< all at once; nobody hears what becomes of them
  std::optional<broadcast> to_channel = {};
  std::variant<std::monostate, pipe_to, forward_to> route = {};
};

/// What an action did.
struct action_answer {
  std::optional<any> state = {};  ///< replaces the actor's; none: it stays
  payload value = {};
  workflow then = {};
  bool checkpoint = false;  ///< the state is stored before the answer goes out
};

}  // namespace odeon::sidecar
