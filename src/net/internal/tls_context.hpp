#pragma once

#include "openssl.hpp"
#include <odeon/base/time.hpp>
#include <odeon/net/tls.hpp>

#include <memory>
#include <string>

/// @file What TLS connections are made from: contexts for both roles, and what its errors mean.

namespace odeon::net_detail {

/// Certificates as they were read, for both roles. Never changed: a reload makes another.
class tls_context {
 public:
  /// The errors of `make_tls_transport`. Blocks while it reads files.
  [[nodiscard]] static result<std::shared_ptr<const tls_context>> make(const tls_options& o,
                                                                       wall_time now);

  /// A new connection, not begun. `host`, of a client: whom it connects to.
  [[nodiscard]] ssl_ptr server(wall_time now) const;
  [[nodiscard]] ssl_ptr client(const std::string& host, wall_time now) const;

  [[nodiscard]] const tls_options& options() const noexcept { return options_; }

 private:
  explicit tls_context(const tls_options& o) : options_(o) {}
  tls_options options_;
  ssl_context_ptr context_;
};
using tls_context_ptr = std::shared_ptr<const tls_context>;

/// What OpenSSL's callbacks leave for a connection.
struct tls_notes {
  /// A client's: the server has said something after the handshake, which it does when it has
  /// accepted the client.
  bool confirmed = false;
  std::string refused;  ///< the names in the certificate that this side did not accept
};
/// `where` outlives the connection.
void take_notes(SSL& s, tls_notes* where) noexcept;
/// Whether the server is one that will say something.
[[nodiscard]] bool will_confirm(SSL& s) noexcept;

/// The peer's name; "" when it has shown none.
[[nodiscard]] std::string identity_of(SSL& s);

/// What a failure of OpenSSL means, `peer` being the other side's address. Empties OpenSSL's queue.
/// `shaking`: there is no connection yet.
[[nodiscard]] error tls_error(SSL& s, const tls_notes& notes, const std::string& peer,
                              bool shaking);

}  // namespace odeon::net_detail
