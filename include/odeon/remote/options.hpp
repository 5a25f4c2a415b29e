#pragma once

#include <odeon/base/config.hpp>
#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>
#include <odeon/remote/fwd.hpp>
#include <odeon/runtime/fwd.hpp>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

/// @file How an endpoint reaches others, and how much it lets them ask of it.

namespace odeon {

class transport;

}  // namespace odeon

namespace odeon::remote {

/// No protection. Only between addresses of this machine, unless `insecure` says that the network
/// itself is trusted.
struct plain {
  bool insecure = false;
};

/// Both sides know a secret. Each proves it by HMAC-SHA256 over fresh nonces of both; each frame
/// has a counter and a MAC under keys of that connection and direction. Nothing is encrypted.
struct shared_secret {
  std::string secret;  ///< at least 16 bytes; `odeon cert secret` makes one
};

/// TLS in which both sides show a certificate of an authority that the other trusts.
struct mtls {
  std::string certificate;  ///< file, PEM: the node's own, with what leads to the authority
  std::string key;          ///< file, PEM
  std::string authority;    ///< file, PEM: who signs the nodes' certificates
};

/// One of the three.
struct security : std::variant<plain, shared_secret, mtls> {
  using variant::variant;
};

/// What is the most. Every bound that a peer can run into has its name here.
struct limits {
  std::size_t frame_bytes = std::size_t{4} << 20U;     ///< of one frame
  std::size_t message_bytes = std::size_t{64} << 20U;  ///< of one message, in chunks
  std::size_t queue_bytes = std::size_t{16} << 20U;    ///< that wait to be written to one peer
  std::size_t credit_bytes = std::size_t{4} << 20U;    ///< on their way on one lane
  std::size_t control_records = 100'000;               ///< not acknowledged yet, for one peer
  std::size_t names = 65'536;                          ///< in one connection's table
  std::size_t peers = 10'000;                          ///< known at a time
  std::size_t connections_per_host = 64;               ///< that come from one host
  std::size_t handshakes = 256;                        ///< under way at a time
  std::size_t messages_per_second = 0;                 ///< from one peer; 0: no bound
  duration handshake = std::chrono::seconds(5);        ///< from the first byte to the last
  duration connect = std::chrono::seconds(5);
  duration heartbeat = std::chrono::milliseconds(500);     ///< between two of them
  duration silent_after = std::chrono::seconds(5);         ///< with nothing heard: the peer is down
  duration give_up_after = std::chrono::seconds(60);       ///< down for so long: it is gone
  duration backoff_least = std::chrono::milliseconds(50);  ///< between attempts to connect …
  duration backoff_most = std::chrono::seconds(5);         ///< … doubling, with jitter
  duration goodbye = std::chrono::seconds(1);              ///< for the clean close
  double phi_threshold = 10.0;                             ///< of the failure detector
  unsigned streams = 1;  ///< connections for user messages, dealt by receiver; 1 to 16
  /// Without a message either way, and nothing here that holds the peer: the side that connected
  /// closes the connection. 0: never.
  duration idle_after = std::chrono::minutes(5);
  std::size_t quarantined = 65'536;  ///< incarnations remembered as gone; the oldest are forgotten
};

/// Where and how.
struct endpoint_options {
  /// "tcp://0.0.0.0:7400", "tcp://127.0.0.1:0", "unix:///run/odeon.sock", "ws://…", "wss://…",
  /// "memory://a:1"; "": only outward.
  std::string listen = {};
  /// How others reach this node: "10.0.0.5:7400". "": what is listened on, which must then be one
  /// address and not all.
  std::string advertise = {};
  remote::security security = plain{};
  remote::limits limits = {};
  /// Not owned, in place of one made for `listen`: the simulator's, a relay's, a test's.
  odeon::transport* transport = nullptr;
  bool compress = false;                         ///< payloads above `compress_above`, when both can
  std::size_t compress_above = 1024;             ///< bytes
  std::map<std::string, std::string> tags = {};  ///< told to every peer: capabilities, versions

  /// Whether these can be meant. `invalid_argument` with a sentence that names the option: a limit
  /// of nothing, a secret that is too short, a network without protection that nobody called
  /// trusted, an address to listen on that others cannot know.
  [[nodiscard]] result<void> check() const;

  /// The keys of `remote.*`, for `configuration::load`, which checks them.
  [[nodiscard]] static config_schema schema();
  /// What a configuration loaded with that schema says, checked. Reads the file of the secret.
  /// Errors: as `check`; `not_found` and `io_failed` for that file.
  [[nodiscard]] static result<endpoint_options> from(const configuration& config);
};

/// What a handshake has told of the other side.
struct peer_info {
  std::string system;             ///< its name
  std::string node;               ///< how it wants to be reached
  std::uint64_t incarnation = 0;  ///< of its endpoint
  std::string identity;           ///< its certificate's name; "" without TLS
  std::string version;            ///< of Odeon, for people
  std::map<std::string, std::string> tags;
};

}  // namespace odeon::remote
