#pragma once

#include <odeon/net/fwd.hpp>
#include <odeon/runtime/fwd.hpp>
#include <odeon/runtime/transport.hpp>

#include <memory>
#include <string>

namespace odeon {

struct tcp_options {
  unsigned threads = 1;  ///< that wait for sockets; connections are dealt to them in turn. 1 to 64
  std::string name = "odeon-net";  ///< of the threads: "<name>-<n>"
  /// A connection that was let go in good order reads and drops what the peer still sends, so that
  /// no reset overtakes the last bytes: for at most so long, and 1 MiB.
  duration linger = std::chrono::seconds(1);
};

/// TCP, by Boost.Asio. Its threads start here, come from `rt`, which must outlive it, and end with
/// it. Names of hosts are looked up by the system on a thread of the library's own; an end of the
/// transport waits for a look-up that is on its way. Throws `actor_error(invalid_argument)` on a
/// simulated runtime, which has no sockets, and for a number of threads out of range.
[[nodiscard]] std::unique_ptr<transport> make_tcp_transport(runtime& rt, tcp_options options = {});

}  // namespace odeon
