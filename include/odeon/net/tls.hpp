#pragma once

#include <odeon/net/fwd.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/runtime/transport.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file TLS over TCP: connections that nobody reads, alters or cuts, between sides that have shown
/// who they are. `odeon cert` makes the certificates; docs/guide/security.md tells the whole.
///
///     auto net = odeon::make_tls_transport(rt, {.certificate = "node.crt", .key = "node.key",
///                                               .trusted = "ca.crt"});

namespace odeon {

struct tls_options {
  unsigned threads = 1;  ///< that wait for sockets; connections are dealt to them in turn. 1 to 64
  std::string name = "odeon-tls";             ///< of the threads: "<name>-<n>"
  duration linger = std::chrono::seconds(1);  ///< as in `tcp_options`

  /// PEM, or the path of a file with it: what holds "-----BEGIN" is PEM. The certificate may be
  /// followed by those between it and the CA. A side that only connects may do without both.
  std::string certificate, key;
  /// The certificates of the authorities whose word counts, PEM or a file. No other is asked.
  std::string trusted;
  bool trust_system = false;  ///< the authorities of the system as well: for servers of the web

  /// A side that listens refuses who shows no certificate. Without it, anybody may connect.
  bool mutual = true;
  /// A side that connects refuses a server whose certificate is not for the host that it asked for.
  bool verify_host = true;
  /// Who may be on the other side: names of nodes, or of hosts, as certificates give them. Empty:
  /// everybody whom a trusted authority has signed.
  std::vector<std::string> peers;
  bool allow_tls_1_2 = false;  ///< for peers that have no TLS 1.3; nothing older is ever spoken

  duration handshake_timeout = std::chrono::seconds(10);  ///< of those who connect to this side
  std::size_t handshakes_max = 256;  ///< under way at a time for one listener; others wait unread

  /// Told of each peer that tried to connect and was refused: its address, and why. On a thread of
  /// the transport; must be short and must not throw. Nobody else is told: `accept` waits for good
  /// ones.
  std::function<void(std::string_view peer, const error& why)> on_refused = {};
};

/// A transport whose certificates can be changed while it runs. @threadsafe
class tls_transport : public transport {
 public:
  /// Reads the files of certificate, key and trusted authorities again: connections that begin from
  /// now on use them, those that are there go on. On an error – as those of `make_tls_transport` –
  /// the old ones stay. Blocks while it reads.
  [[nodiscard]] virtual result<void> reload() = 0;
};

/// TLS 1.3 over TCP, by OpenSSL. Addresses are those of TCP. Throws `actor_error` for certificates
/// that cannot be used: `not_found`, `io_failed` (a file), `bad_certificate` (no PEM, a key that is
/// another's, mutual authentication with nobody trusted), `expired_certificate`,
/// `invalid_argument` (as `make_tcp_transport`). What else differs from it:
///
/// Errors of `connect`: `bad_certificate` – the server's is not trusted, or for another name; or
/// the server refused this side's –, `expired_certificate` (or not valid yet), `incompatible_peer`
/// (no version of TLS that both speak), `protocol_violation` (no TLS at all), `connect_timeout` for
/// the handshake too. The text has the address, and what to do. Where both sides are Odeon's, a
/// connection that came to be has been accepted by the server as well; another server's refusal is
/// told by the first read.
///
/// Errors of a connection: an end that the peer has not announced (`close_notify`) is `io_failed`,
/// "cut off", never an end; altered bytes are `protocol_violation`. Sessions are never resumed:
/// each connection looks at the certificates again.
///
/// `connection::peer_identity` is the node's name in the peer's certificate, else its first host,
/// else its common name; empty for a client without one. A connection holds about 60 KiB.
[[nodiscard]] std::unique_ptr<tls_transport> make_tls_transport(runtime& rt, tls_options options);

}  // namespace odeon
