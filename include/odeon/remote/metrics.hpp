#pragma once

#include <odeon/base/time.hpp>
#include <odeon/remote/events.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// @file How an endpoint and its peers are doing, as plain numbers.

namespace odeon::remote {

/// Sums since the start, of one direction.
struct traffic {
  std::uint64_t bytes = 0;     ///< as handed to the transport: frames with all they carry
  std::uint64_t writes = 0;    ///< batches written, or reads that gave something
  std::uint64_t messages = 0;  ///< tells, asks and answers
  std::uint64_t controls = 0;  ///< control records, each once

  traffic& operator+=(const traffic& o) noexcept {
    bytes += o.bytes;
    writes += o.writes;
    messages += o.messages;
    controls += o.controls;
    return *this;
  }
};

enum class peer_state : std::uint8_t {
  idle,        ///< no connection, and nobody needs one
  connecting,  ///< the first, or the next after one broke, is being made
  up,
  down,         ///< the last attempt failed; another comes
  quarantined,  ///< given up for ever, until another incarnation is there
};
/// "idle", "connecting", "up", "down", "quarantined".
[[nodiscard]] std::string_view to_string(peer_state state) noexcept;

struct peer_metrics {
  std::string node;
  std::uint64_t incarnation = 0;  ///< 0: it has never been there
  peer_state state = peer_state::idle;
  std::string last_error;  ///< why there is or was no connection; "" when there never was a reason
  traffic sent, received;
  std::size_t connections = 0;   ///< that stand now
  std::size_t queued_bytes = 0;  ///< that wait to be written …
  std::size_t queued_messages = 0;
  std::size_t unacknowledged = 0;     ///< control records
  std::uint64_t reconnects = 0;       ///< connections after the first of an incarnation
  std::uint64_t unsent = 0;           ///< messages taken and never written
  std::uint64_t overloads = 0;        ///< times the queue reached its bound
  duration round_trip{0};             ///< smoothed; 0: not known yet
  duration heard_before{0};           ///< since the last byte came; 0: none has
  double phi = 0.0;                   ///< of the failure detector: 1 is 10 % doubt, 2 is 1 %, …
  std::uint64_t failed_attempts = 0;  ///< to connect, in a row
};

struct endpoint_metrics {
  traffic sent, received;             ///< of all peers there have been
  std::size_t connections = 0;        ///< that stand or shake hands now
  std::size_t handshakes = 0;         ///< under way
  std::size_t quarantined = 0;        ///< incarnations remembered
  std::uint64_t accepted = 0;         ///< connections that came
  std::uint64_t attempts = 0;         ///< to connect
  std::uint64_t failed_attempts = 0;  ///< of these
  std::uint64_t gone = 0;             ///< incarnations that were given up or left
  std::array<std::uint64_t, std::size_t(rejection::count)> rejected{};  ///< by reason
  std::vector<peer_metrics> peers;                                      ///< by node
};

}  // namespace odeon::remote
