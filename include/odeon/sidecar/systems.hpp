#pragma once

#include <odeon/sidecar/message.hpp>

#include <functional>
#include <string>

/// @file The way to actor systems that other programs keep.

namespace odeon::sidecar {

/// Where an engine sends what is not for its own systems: `engine::set_elsewhere`. @threadsafe
class elsewhere {
 public:
  using done_fn = std::move_only_function<void(invocation_answer)>;
  elsewhere() = default;
  elsewhere(const elsewhere&) = delete;
  virtual ~elsewhere() = default;

  /// Invokes an actor of a system that is not registered here. `done` is called once, on any
  /// thread or inside the call, at `deadline` at the latest; nobody keeps that system:
  /// `actor_not_found`.
  virtual void invoke(invocation what, time_point deadline, done_fn done) = 0;

  /// An app has registered this system here: others may invoke its actors from now on. Said again
  /// with each registration.
  virtual void registered(const std::string& system) { static_cast<void>(system); }

  /// Tells all other programs of a broadcast that was made here; nobody hears whether it came.
  virtual void publish(const std::string& system, const broadcast& what) = 0;
};

}  // namespace odeon::sidecar
