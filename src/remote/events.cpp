#include <odeon/remote/events.hpp>
#include <odeon/remote/metrics.hpp>

// The words for reasons and states.

namespace odeon::remote {

std::string_view to_string(rejection why) noexcept {
  switch (why) {
    case rejection::authentication: return "authentication";
    case rejection::certificate: return "certificate";
    case rejection::incompatible: return "incompatible";
    case rejection::violation: return "violation";
    case rejection::quarantined: return "quarantined";
    case rejection::not_this_node: return "not_this_node";
    case rejection::connections: return "connections";
    case rejection::handshakes: return "handshakes";
    case rejection::handshake_time: return "handshake_time";
    case rejection::messages: return "messages";
    case rejection::peers: return "peers";
    case rejection::address_in_use: return "address_in_use";
    case rejection::count: break;
  }
  return "unknown";
}

std::string_view to_string(peer_state state) noexcept {
  switch (state) {
    case peer_state::idle: return "idle";
    case peer_state::connecting: return "connecting";
    case peer_state::up: return "up";
    case peer_state::down: return "down";
    case peer_state::quarantined: return "quarantined";
  }
  return "unknown";
}

}  // namespace odeon::remote
