#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/remote/relay.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/runtime/transport.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file The node's side of a relay, as a transport like any other: a node that can only connect
/// outward registers a name at the relay, and connections to that name come in through it. Many of
/// them share one connection to the relay; each has its own window, so that one that is not read
/// holds up none of the others. Protect what travels as over any network: the relay could read it.
///
/// Addresses are "name:port": the name a node has registered, and a port of its own there. Port 0
/// is one that is free. A transport listens under its own name only ("*" stands for it).
///
/// When the connection to the relay breaks, all connections through it end (`io_failed`); listeners
/// stay. The transport connects again, after pauses that double, with jitter, and registers again;
/// `connect` meanwhile waits for that, as long as its time-out lets it.

namespace odeon::remote {

struct relay_client_limits {
  std::size_t window_bytes = 256 * 1024;             ///< on their way on one connection, each way
  std::size_t connections = 10'000;                  ///< through the relay at a time
  std::size_t routes = 10'000;                       ///< other nodes that are known of
  std::size_t queue_bytes = std::size_t{1} << 20U;   ///< that wait for the relay to take them
  duration retry_after = std::chrono::seconds(2);    ///< an envelope, once
  duration handshake = std::chrono::seconds(5);      ///< to connect to the relay and to register
  duration probe_every = std::chrono::seconds(5);    ///< a node not heard of meanwhile
  duration silent_after = std::chrono::seconds(15);  ///< nothing heard of it: its connections end
  duration backoff_least = std::chrono::milliseconds(50);
  duration backoff_most = std::chrono::seconds(5);
  duration flush = std::chrono::seconds(1);  ///< that the transport's end waits for what is queued
};

enum class relay_state : std::uint8_t {
  connecting,   ///< to the relay
  registering,  ///< the handshake is under way
  ready,        ///< others reach this node
  waiting,      ///< until the next attempt; `relay_status::last` says why
  replaced,     ///< another node has taken the name: there are no more attempts
};
/// "ready", for people.
[[nodiscard]] std::string_view to_string(relay_state s) noexcept;

struct relay_status {
  relay_state state = relay_state::connecting;
  error last{errc::cancelled, "nothing has gone wrong"};  ///< why the last connection ended
  std::uint64_t registrations = 0;                        ///< so far; the first one included
  std::size_t connections = 0;                            ///< through the relay, now
  std::size_t queued_bytes = 0;                           ///< that the relay has not taken
};

/// How it stands with one other node.
struct relay_route {
  std::string name;
  std::size_t connections = 0;
  bool healthy = true;      ///< heard of within two probes, and nothing is being retried
  duration silent_for{0};   ///< since something came
  duration round_trip{0};   ///< of the last probe; 0: none was needed yet
  std::uint64_t sent = 0;   ///< envelopes, the repeated ones included
  std::uint64_t taken = 0;  ///< acknowledged by the relay
  std::uint64_t retried = 0;
  std::uint64_t refused = 0;                         ///< by the relay, of those
  relay_refusal last_refusal = relay_refusal::none;  ///< and why, last
};

struct relay_transport_options {
  /// Where the relay is: "tcp://relay.example.net:7500", "tls://…",
  /// "ws://relay.example.net:7500/odeon", "wss://…". With `through`, what that transport takes.
  std::string relay = {};
  std::string name = {};    ///< of this node: see `is_relay_name`
  std::string secret = {};  ///< the relay's; "": it must not ask for one
  /// Of "tls" and "wss", as in `tls_options`: the authorities whose word for the relay, or for the
  /// proxy before it, counts ("": the system's), and this node's own certificate if it is asked
  /// for.
  std::string trusted = {};
  std::string certificate = {};
  std::string key = {};
  /// Not owned, in place of one made for `relay`; must outlive the transport.
  odeon::transport* through = nullptr;
  relay_client_limits limits = {};
  /// Told each time the state has changed; on threads of the transport, must be short and must not
  /// throw. Not after the transport's end.
  std::function<void(const relay_status&)> on_change = {};
};

/// @threadsafe
class relay_transport : public transport {
 public:
  [[nodiscard]] virtual const std::string& name() const noexcept = 0;
  [[nodiscard]] virtual relay_status status() const = 0;
  [[nodiscard]] virtual std::vector<relay_route> routes() const = 0;
  /// `done` is told when this node is registered; why it is not, when `limit` has passed or there
  /// is no hope (the name was taken over). As other operations of transports.
  virtual void ready(duration limit, std::move_only_function<void(result<void>)> done) = 0;
};

/// Connects to the relay, and goes on trying until it is destroyed. `rt` must outlive it. Throws
/// `actor_error(invalid_argument)` for a name that is none, a secret that is too short, a scheme it
/// does not know, and limits that leave room for nothing, and as `make_tls_transport`.
///
/// Errors of `connect`, each with the address and the relay: `unknown_host` (nobody has registered
/// that name), `connection_refused` (that node does not listen on that port), `connect_timeout`,
/// `peer_overloaded` (the node does not take what it is sent), `unreachable` (the relay is not
/// there), `authentication_failed`, `incompatible_peer`, `name_taken` (this node was replaced).
[[nodiscard]] std::unique_ptr<relay_transport> make_relay_transport(
    runtime& rt, relay_transport_options options);

}  // namespace odeon::remote
