// TCP: socket_transport.cpp has it all; this one gives it its options.

#include "internal/socket_transport.hpp"
#include <odeon/net/tcp.hpp>

namespace odeon {

std::unique_ptr<transport> make_tcp_transport(runtime& rt, tcp_options o) {
  return net_detail::make_socket_transport(
      rt, "TCP", {.threads = o.threads, .name = std::move(o.name), .linger = o.linger},
      net_detail::tcp_family());
}

}  // namespace odeon
