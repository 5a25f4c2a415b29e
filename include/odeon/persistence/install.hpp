#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/persistence/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

/// @file The journal of a system, and what is done with the messages in its outbox.
///
/// Messages that durable actors send with their commits stand in the journal's outbox until their
/// receiver has settled them. An actor of the system, `odeon-outbox`, hands them over: those of one
/// sender to one receiver in their order, at least once, to receivers that are known to
/// `persistence::receivers_of(system)`. It starts with the first such message, or when a receiver
/// appears and the outbox is not empty. A delivery that fails is repeated after 0.1 s, then after
/// twice that, up to 30 s. What is for nobody known stays in the store, and is looked for again
/// when a receiver appears. Memory: at most `outbox_buffer` messages.

namespace odeon {

class actor_system;

/// Actors of one system that recover at the same time; the others wait.
inline constexpr std::size_t recovery_permits = 50;

namespace persistence {

/// Messages of an outbox that are in memory at a time.
inline constexpr std::size_t outbox_buffer = 4096;

struct install_options {
  /// How often the store is looked through for messages that other processes left for receivers
  /// here. Zero: never, for a store that only this process writes.
  duration outbox_poll = duration::zero();
  /// Failed deliveries of one message after which it is given up: logged, published as
  /// `message_abandoned`, and passed over. Zero: never.
  std::uint32_t max_delivery_attempts = 0;
};

/// A message of an outbox was given up. Published on the event stream.
struct message_abandoned {
  std::string sender;
  std::string receiver;
  std::uint64_t number = 0;
  error reason;
};

/// Gives a system the journal of its durable actors. Once a system, before the first of them is
/// spawned. The system shares it and closes it after its last actor has ended.
void install(actor_system& system, std::shared_ptr<journal> store, install_options options = {});

/// The installed one; null without.
[[nodiscard]] std::shared_ptr<journal> installed(const actor_system& system);

}  // namespace persistence

}  // namespace odeon
