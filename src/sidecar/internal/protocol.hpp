#pragma once

#include <odeon/sidecar/definition.hpp>
#include <odeon/sidecar/message.hpp>
#include <odeon/sidecar/state_store.hpp>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// @file The messages of the Spawn protocol v1 as bytes: what proto/*.proto describes, and the
/// plain values of message.hpp. Bytes come from outside: errors are `bad_encoding` (no such
/// message; where), `missing_field`, `invalid_argument` (well formed, and makes no sense; which
/// field) and `limit_exceeded`. Unknown fields are passed over.

namespace odeon::sidecar::protocol {

/// What one message may hold.
struct bounds {
  std::size_t bytes = 64 * 1024 * 1024;  ///< of the whole
  std::size_t actors = 100'000;          ///< definitions, or names to be spawned
  std::size_t per_actor = 10'000;        ///< actions, and timers
  std::size_t effects = 10'000;
  std::size_t tags = 1'000;           ///< of a map
  std::size_t name_bytes = 1'024;     ///< of an actor, a system, an action, a channel
  std::size_t tag_bytes = 64 * 1024;  ///< of a key or a value of a map
};

inline constexpr std::int32_t version_major = 1, version_minor = 2;

/// A RegistrationRequest. `app` is not set: the message does not say where it is.
[[nodiscard]] result<registration> read_registration(std::string_view bytes,
                                                     const bounds& limits = {});
/// A SpawnRequest. What names no system is of `system`; one of another system is refused.
[[nodiscard]] result<std::vector<actor_id>> read_spawn(std::string_view bytes,
                                                       std::string_view system,
                                                       const bounds& limits = {});
/// An InvocationRequest to that actor. What it does not name is the path's, and what it names must
/// be the same.
[[nodiscard]] result<invocation> read_invocation(std::string_view bytes, std::string_view system,
                                                 std::string_view actor, const bounds& limits = {});
/// An ActorInvocationResponse to a call of that actor.
[[nodiscard]] result<action_answer> read_answer(std::string_view bytes, const actor_id& called,
                                                const bounds& limits = {});

/// A RegistrationResponse.
[[nodiscard]] std::string registration_response(outcome status, std::string_view message);
/// A SpawnResponse.
[[nodiscard]] std::string spawn_response(outcome status, std::string_view message);
/// An InvocationResponse. One that is good and has no value has a noop.
[[nodiscard]] std::string invocation_response(invocation_answer answer, std::string_view system,
                                              std::string_view actor);
/// An ActorInvocation. What is called without a value has a noop.
[[nodiscard]] std::string actor_invocation(action_call what);
/// A Checkpoint: a state with its revision.
[[nodiscard]] std::string checkpoint(stored_state what);

}  // namespace odeon::sidecar::protocol
