#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/runtime/fwd.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file The relay: where nodes meet that can only connect outward. Each registers a name; what one
/// sends to a name is handed to the node that has it. The relay reads addresses only: what travels
/// through it stays protected from end to end by whatever the nodes agreed on. It keeps nothing, so
/// a relay that was started again serves as before, as soon as its nodes have come back.
///
/// `odeon relay` is this class as a program; `make_relay_transport` (relay_transport.hpp) is what a
/// node uses. The bytes are in docs/reference/relay-protocol.md.

namespace odeon {

class transport;

}  // namespace odeon

namespace odeon::remote {

/// Why the relay said no, to an envelope or to a connection. Values travel.
enum class relay_refusal : std::uint16_t {
  none = 0,
  unknown_target = 1,    ///< envelope: nobody has registered that name
  overloaded = 2,        ///< envelope: as much waits for its target as may
  too_large = 3,         ///< a frame above `relay_limits::envelope_bytes`
  authentication = 4,    ///< the secret is not this relay's, or there is none
  incompatible = 5,      ///< no version of the protocol that both speak
  bad_name = 6,          ///< a name that is no name: 1 to 128 letters, digits, '.', '_' and '-'
  names_full = 7,        ///< `relay_limits::names` are registered
  connections_full = 8,  ///< `relay_limits::connections` are open
  host_full = 9,         ///< `relay_limits::connections_per_host` come from there
  handshakes_full = 10,  ///< `relay_limits::handshakes` are under way
  handshake_late = 11,   ///< not registered within `relay_limits::handshake`
  violation = 12,        ///< bytes that no node sends
  silent = 13,           ///< nothing was heard for `relay_limits::silent_after`
  stalled = 14,          ///< it does not take what it is sent
  replaced = 15,         ///< another connection has registered its name
  draining = 16,         ///< the relay is being stopped
};
inline constexpr std::size_t relay_refusals = 17;
/// "unknown target", for people.
[[nodiscard]] std::string_view to_string(relay_refusal why) noexcept;

inline constexpr std::size_t relay_name_max = 128;
/// Whether a node may register that name.
[[nodiscard]] bool is_relay_name(std::string_view name) noexcept;

/// What is the most. Every bound that a node can run into has its name here.
struct relay_limits {
  std::size_t names = 10'000;               ///< registered at a time
  std::size_t connections = 12'000;         ///< open at a time
  std::size_t connections_per_host = 256;   ///< that come from one host; 0: no bound (a proxy)
  std::size_t handshakes = 512;             ///< connections that have not registered yet
  std::size_t envelope_bytes = 128 * 1024;  ///< of one frame, addresses included
  /// That wait for one connection: above it, envelopes to it are refused as overloaded. What the
  /// relay itself says (acknowledgements) may take as much again; then the connection is closed.
  std::size_t queue_bytes = std::size_t{4} << 20U;
  /// That one connection may send, on average over a second; it is read more slowly above it. 0: no
  /// bound.
  std::size_t bytes_per_second = 0;
  std::size_t envelopes_per_second = 0;              ///< as `bytes_per_second`
  duration handshake = std::chrono::seconds(5);      ///< from the connection to the registration
  duration heartbeat = std::chrono::seconds(5);      ///< a silent connection is asked so often
  duration silent_after = std::chrono::seconds(15);  ///< nothing heard, or nothing taken: closed
};

/// Something that an operator may want to know.
struct relay_event {
  enum class kind : std::uint8_t {
    registered,  ///< `name` is there
    left,        ///< `name` is gone; `why` when it was the relay's doing
    rejected,    ///< a connection that has no name was closed: `why`
    overloaded,  ///< the queue to `name` is full; once per crossing
    throttled,   ///< `name` sends more than its rate allows; once per crossing
  };
  kind what;
  std::string name;  ///< "" before it registered
  std::string host;  ///< of the connection
  relay_refusal why = relay_refusal::none;
};

/// What a relay has done and holds. Totals since its start.
struct relay_metrics {
  std::size_t connections = 0;   ///< open now
  std::size_t registered = 0;    ///< of them, with a name
  std::size_t queued_bytes = 0;  ///< that wait to be written
  std::uint64_t accepted_total = 0;
  std::uint64_t registrations_total = 0;
  std::uint64_t envelopes_total = 0;  ///< forwarded
  std::uint64_t bytes_total = 0;      ///< of their payloads
  std::uint64_t throttled_total = 0;  ///< how often a connection was read more slowly
  double envelopes_per_second = 0;    ///< forwarded, over the last second or so
  double bytes_per_second = 0;
  std::array<std::uint64_t, relay_refusals> refused_total = {};  ///< by `relay_refusal`
  [[nodiscard]] std::uint64_t refused(relay_refusal why) const noexcept {
    return refused_total[static_cast<std::size_t>(why)];
  }
};

/// One registered node.
struct relay_peer {
  std::string name;
  std::string host;
  duration since{0};  ///< its registration
  std::size_t queued_bytes = 0;
  std::uint64_t envelopes_in = 0;   ///< from it
  std::uint64_t envelopes_out = 0;  ///< to it
};

struct relay_server_options {
  /// As the transport takes it: "127.0.0.1:0".
  std::string listen = "127.0.0.1:0";
  /// What nodes must prove to know; at least `relay_secret_min` bytes.
  std::string secret = {};
  /// No secret: whoever reaches the relay may take any name. Only on this machine's own addresses.
  bool allow_unauthenticated_local = false;
  relay_limits limits = {};
  /// Told of events, on threads of the transport, without locks held; must be short and must not
  /// throw, may be called by several threads. Not after the server's end.
  std::function<void(const relay_event&)> on_event = {};
};
inline constexpr std::size_t relay_secret_min = 16;

/// A relay on a transport: TCP, WebSocket, memory. @threadsafe
class relay_server {
 public:
  /// Listens when it returns. `rt` and `over` must outlive the server. Errors: `invalid_argument`
  /// (no secret, a short one, unauthenticated on an address that others reach; a limit of 0 where
  /// there must be one), and those of `transport::listen`.
  [[nodiscard]] static result<std::unique_ptr<relay_server>> start(runtime& rt, transport& over,
                                                                   relay_server_options options);
  /// Closes everything, and returns when no callback is under way. Never from a callback.
  ~relay_server();
  relay_server(const relay_server&) = delete;

  /// With the real port. Owned by the server.
  [[nodiscard]] const std::string& address() const noexcept;

  /// Tells the nodes goodbye, takes no more, and waits until what was queued for them is written or
  /// `limit` has passed; true: all of it is. Blocks.
  bool drain(duration limit);

  [[nodiscard]] relay_metrics metrics() const;
  /// By name; at most `most` of them. Takes the lock for as long as it copies.
  [[nodiscard]] std::vector<relay_peer> peers(std::size_t most = 10'000) const;

 private:
  class impl;
  explicit relay_server(std::shared_ptr<impl> i);
  std::shared_ptr<impl> impl_;
};

}  // namespace odeon::remote
