#pragma once

#include <odeon/base/error.hpp>
#include <odeon/remote/options.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

/// @file What an endpoint publishes on its system's event stream. Each is built only while someone
/// listens; what they count is always counted (metrics.hpp).

namespace odeon::remote {

/// Why a connection was ended by this side, or was not let in.
enum class rejection : std::uint8_t {
  authentication,  ///< a wrong secret, none, or less protection than is asked for
  certificate,     ///< not trusted, for another name, expired
  incompatible,    ///< no version of the protocol that both sides speak
  violation,       ///< bytes that no peer sends: altered, replayed, reordered, cut, too long
  quarantined,     ///< an incarnation that was given up
  not_this_node,   ///< it looked for another node than this one, or it is this one
  connections,     ///< `limits::connections_per_host`
  handshakes,      ///< `limits::handshakes`
  handshake_time,  ///< `limits::handshake`
  messages,        ///< `limits::messages_per_second`
  peers,           ///< `limits::peers`
  address_in_use,  ///< another incarnation has that node's address, and lives
  count,           ///< how many there are; no reason
};

/// The word for it, as in the metrics: "authentication", "handshake_time".
[[nodiscard]] std::string_view to_string(rejection why) noexcept;

/// A connection to that incarnation stands (again).
struct peer_up {
  peer_info peer;
  std::string address;  ///< where its connection comes from or goes to
};

/// There is none any more; another is being tried for.
struct peer_down {
  std::string node;
  std::uint64_t incarnation;
  error why;
};

/// That incarnation is gone for good.
struct peer_gone {
  std::string node;
  std::uint64_t incarnation;
  error why;
};

/// A connection was ended. Nothing of what was wrong with it was delivered.
struct peer_rejected {
  rejection why;
  std::string address;  ///< of the connection
  std::string node;     ///< whose it was, or said to be; "" when that was not known
  error reason;
};

/// The queue to a peer has reached its bound; once for each time it does.
struct peer_overloaded {
  std::string node;
  std::size_t queued_bytes;
  std::size_t limit_bytes;
};

}  // namespace odeon::remote
