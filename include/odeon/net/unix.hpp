#pragma once

#include <odeon/net/fwd.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/runtime/transport.hpp>

#include <memory>
#include <optional>
#include <string>

/// @file Unix-domain sockets: connections between programs of one machine, guarded by the file
/// system. Each side knows who the other is.

namespace odeon {

struct unix_options {
  unsigned threads = 1;  ///< that wait for sockets; connections are dealt to them in turn. 1 to 64
  std::string name = "odeon-unix";            ///< of the threads: "<name>-<n>"
  duration linger = std::chrono::seconds(1);  ///< as in `tcp_options`
  unsigned permissions = 0600;                ///< of the socket's file: who may connect
};

inline constexpr std::size_t unix_path_max = 107;  ///< bytes of a path, which the system sets

/// Unix-domain sockets, by Boost.Asio. Addresses are paths: "unix:/run/app.sock", "/run/app.sock"
/// or "./app.sock"; connections on the far side of a path have "unix:pid:<process>".
///
/// Listening makes the file and takes it away again. A file that a program left behind when it was
/// killed – nobody listens – is replaced; one where somebody listens, or that is no socket, stays,
/// and `listen` tells `address_in_use` or `io_failed`. Two programs that start at the same moment
/// do not take it from each other: the folder is locked meanwhile. No such path, and a path where
/// nobody listens, are `connection_refused`. `connection::peer_identity` is "uid:<number>", which
/// the kernel vouches for. Otherwise as `make_tcp_transport`, but for one thing: the system has no
/// reset for these sockets, so a peer that was killed, or let its connection go with all of this
/// side's bytes read, is seen to have ended. What must not be taken for whole needs its length in
/// front.
[[nodiscard]] std::unique_ptr<transport> make_unix_transport(runtime& rt,
                                                             unix_options options = {});

/// A process, as it was when it connected or listened.
struct unix_credentials {
  int pid = 0;
  unsigned uid = 0, gid = 0;
  friend bool operator==(const unix_credentials&, const unix_credentials&) = default;
};

/// Who is on the other side, by the kernel's word. None: the connection is of another transport, or
/// over.
[[nodiscard]] std::optional<unix_credentials> peer_credentials(const connection& c);

}  // namespace odeon
