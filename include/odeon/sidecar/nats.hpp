#pragma once

#include <odeon/base/error.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/sidecar/activator.hpp>
#include <odeon/sidecar/statestore.hpp>
#include <odeon/sidecar/systems.hpp>
#include <odeon/sidecar/transcoding.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

/// @file NATS, where a program was built with its library: subjects that invoke actors, actor
/// systems of other sidecars, and channels across them.
///
/// Subjects: `spawn.<system>.invoke`, in the queue group "odeon", takes invocations of that
/// system's actors and answers them; `spawn.channels.<channel>` takes broadcasts. Names are percent
/// encoded, the dot too. What is in the messages: docs/guide/activators.md.

namespace odeon::sidecar {

struct nats_options {
  std::string servers = "nats://127.0.0.1:4222";  ///< parted by commas
  std::string user = {}, password = {}, token = {};
  duration connect_time = std::chrono::seconds(5);     ///< for the first connection
  duration reconnect_delay = std::chrono::seconds(1);  ///< it is tried again and again
  std::size_t waiting = 100'000;  ///< requests without an answer; past it they end with `error`
};

/// Counts since the start.
struct nats_figures {
  bool connected = false;  ///< now
  std::uint64_t requests = 0, timeouts = 0, no_responders = 0;
  std::uint64_t served = 0, malformed = 0;
  std::uint64_t broadcasts_out = 0, broadcasts_in = 0;
};

/// What a link does with what comes. @threadsafe
struct nats_target {
  activation_target actors;
  std::function<void(broadcast)> publish_here;  ///< as `engine::publish_here`
};

/// A connection to NATS: `engine::set_elsewhere` takes it. Lost, it comes back by itself; meanwhile
/// requests end at their deadlines, and subscriptions wait. Made by `connect_nats`. @threadsafe
///
/// Nothing is delivered twice by it, and nothing surely: a request whose answer was lost has
/// perhaps been done. Its owner closes it before its target ends, whoever else still has it.
class nats_link : public elsewhere {
 public:
  /// Takes the messages of a subject from now on: their JSON is the request; who asked gets the
  /// answer as JSON, as HTTP activators give it. Errors: `invalid_argument`, `io_failed`.
  [[nodiscard]] virtual result<void> add(nats_activator what) = 0;
  /// Takes invocations for an actor system; once is enough. Errors as `add`. `registered` does it.
  [[nodiscard]] virtual result<void> serve(const std::string& system) = 0;
  [[nodiscard]] virtual nats_figures figures() const = 0;
  /// Takes nothing more, fails what waits, and returns when nothing of it runs: never called from a
  /// target or a `done`. Again: nothing. The destructor does it where nobody did.
  virtual void close() = 0;
};

/// The variables of the environment that `nats_from_environment` reads.
[[nodiscard]] std::span<const environment_variable> nats_variables() noexcept;
/// None: no server is named. Errors: `config_invalid`.
[[nodiscard]] result<std::optional<nats_options>> nats_from_environment(
    const std::function<std::optional<std::string>(const std::string&)>& get);

/// Connects; blocks up to `connect_time`. `rt` – a real one – and what `target` refers to outlive
/// the link. Errors: `unreachable`, `authentication_failed`, `invalid_argument` (built without
/// NATS, or what the options say is none).
[[nodiscard]] result<std::shared_ptr<nats_link>> connect_nats(
    runtime& rt, nats_target target, std::shared_ptr<const descriptors> types,
    nats_options options = {});

}  // namespace odeon::sidecar
