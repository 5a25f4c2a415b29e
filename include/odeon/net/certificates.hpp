#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// @file Certificates for mutual authentication between nodes: a certificate authority (CA) of
/// one's own, and what it signs. `odeon cert` is the same on the command line. Texts are PEM.
/// Nothing here keeps a key: what is made is returned, and wiped by nobody but its holder.

namespace odeon {

enum class certificate_key : std::uint8_t {
  p256,     ///< ECDSA on P-256: understood by everything
  ed25519,  ///< smaller and faster; TLS 1.3 between Odeon nodes, and newer peers
};

/// A certificate and its private key.
struct credentials {
  std::string certificate;  ///< PEM; of a node: followed by the CA's, if it is to be sent along
  std::string key;          ///< PEM (PKCS #8), not encrypted
};

struct ca_options {
  std::string name = "odeon-ca";  ///< its common name
  duration valid_for = std::chrono::hours(24 * 3650);
  certificate_key key = certificate_key::p256;
};

struct node_certificate_options {
  /// The node's own name: letters, digits, '.', '-', '_', at most 64. It becomes the common name
  /// and the alternative name `odeon://<name>`, which `connection::peer_identity` gives.
  std::string name;
  /// What others connect to: DNS names ("a.example.org", "*.example.org") and addresses
  /// ("10.0.0.7", "::1"). A node that others connect to by none of these fails their check.
  std::vector<std::string> hosts;
  duration valid_for = std::chrono::hours(24 * 90);
  certificate_key key = certificate_key::p256;
};

inline constexpr duration certificate_backdating = std::chrono::minutes(5);  ///< for clocks behind

/// A new CA with a key of its own, which may sign nodes and nothing that signs. It begins
/// `certificate_backdating` before `now`. Errors: `invalid_argument`.
[[nodiscard]] result<credentials> make_ca(const ca_options& options, wall_time now);

/// A new key with a certificate that `ca` has signed, for both sides of a connection, with a random
/// serial number of 127 bits. Errors: `invalid_argument` for a name that is none, a time of no
/// length, or a node that would outlive its CA; `bad_certificate` when `ca` is no CA, or its key
/// is another's; `expired_certificate` when its time is over.
[[nodiscard]] result<credentials> make_node_certificate(const credentials& ca,
                                                        const node_certificate_options& options,
                                                        wall_time now);

/// What a certificate says of itself; whether that is true, a TLS connection checks.
struct certificate_info {
  std::string subject, issuer;     ///< common names
  std::string serial;              ///< hexadecimal
  std::string node;                ///< of `odeon://<node>`; "" for none
  std::vector<std::string> hosts;  ///< DNS names and addresses
  wall_time not_before, not_after;
  bool is_ca = false;
  std::string key;          ///< "P-256", "Ed25519", or as OpenSSL calls it
  std::string fingerprint;  ///< SHA-256 of it all, hexadecimal
};

/// The first certificate of a PEM text. Error: `bad_certificate`.
[[nodiscard]] result<certificate_info> read_certificate(std::string_view pem);

/// Writes both files, each whole or not at all: the certificate with 0644, the key with 0600.
/// `not_found` where the folder is not, `io_failed`; and `refused`, with nothing written, when one
/// is there already and `overwrite` is not set: the key of a CA that is gone is gone. Blocks.
[[nodiscard]] result<void> write_credentials(const credentials& what,
                                             const std::string& certificate_path,
                                             const std::string& key_path, bool overwrite = false);

/// The other way. `not_found`, `io_failed`; `limit_exceeded` past 1 MiB a file. Blocks.
[[nodiscard]] result<credentials> read_credentials(const std::string& certificate_path,
                                                   const std::string& key_path);

}  // namespace odeon
