#pragma once

#include "stream_socket.hpp"
#include <odeon/runtime/transport.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

/// @file What TCP, Unix sockets and TLS have in common: loops, listeners, attempts to connect. They
/// differ in how they read addresses (`family`) and in what stands on a socket (`layer`). The
/// protocol stands at the top of socket_transport.cpp.

namespace odeon::net_detail {

using endpoint = asio::generic::stream_protocol::endpoint;
using connection_ptr = std::unique_ptr<connection>;
using connected = result<connection_ptr>;
using made = std::move_only_function<void(connected)>;
using socket_ptr = std::shared_ptr<stream_socket>;

/// What stands between a socket and the user's connection. @threadsafe
class layer {
 public:
  virtual ~layer() = default;
  /// A socket that has connected to `to`, or was accepted, becomes a connection within what is left
  /// of `limit`. `done` is called once, on the socket's loop's thread or on this one, perhaps
  /// inside the call; never again when the loop has closed.
  virtual void connected_to(socket_ptr s, const std::string& to, duration limit, made done) = 0;
  virtual void accepted(socket_ptr s, made done) = 0;
  /// How many accepted sockets may be on their way to a connection at a time, for one listener.
  [[nodiscard]] virtual std::size_t shaking_max() const noexcept { return 1; }
};
/// Nothing: a socket is a connection.
[[nodiscard]] std::shared_ptr<layer> plain_layer();

/// A socket as the user holds it.
class socket_connection : public connection {
 public:
  explicit socket_connection(socket_ptr s) noexcept : socket_(std::move(s)) {}
  ~socket_connection() override { socket_->let_go(); }
  void read(std::span<std::byte> into, read_done done) override {
    socket_->read(into, std::move(done));
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    socket_->write(pieces, std::move(done));
  }
  [[nodiscard]] std::size_t try_write(std::span<const const_bytes> pieces) noexcept override {
    return socket_->try_write(pieces);
  }
  void end_writing(write_done done) override { socket_->end_writing(std::move(done)); }
  void abort() noexcept override { socket_->abort(); }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return socket_->local;
  }
  [[nodiscard]] const std::string& peer_address() const noexcept override { return socket_->peer; }
  [[nodiscard]] const socket_ptr& socket() const noexcept { return socket_; }

 protected:
  socket_ptr socket_;
};

/// What a listener binds to.
struct place {
  endpoint at;
  bool dual = false;       ///< IPv6 that takes IPv4 as well
  std::uint64_t mark = 0;  ///< the family's own, from `bound` to `released`
};

/// Addresses of one kind. @threadsafe
class family {
 public:
  virtual ~family() = default;
  /// Where to listen; the first that the machine has is taken. `invalid_argument`.
  [[nodiscard]] virtual result<std::vector<place>> places(std::string_view address) const = 0;
  /// Before the bind: what an address of the file system needs. The value is held until it listens.
  [[nodiscard]] virtual result<std::shared_ptr<void>> prepare(const place&) const {
    return nullptr;
  }
  /// After the bind, before it listens; and before the listener closes.
  [[nodiscard]] virtual error_code bound(place&) const { return {}; }
  virtual void released(const place&) const noexcept {}
  /// Where to connect. With a host to be looked up: `name`, and no endpoint.
  struct target {
    std::string text;  ///< as the user knows it
    std::vector<endpoint> all;
    host_and_port name;
  };
  [[nodiscard]] virtual result<target> to(std::string_view address) const = 0;
};

struct socket_transport_options {
  unsigned threads = 1;
  std::string name;
  duration linger{};
};

/// Throws `actor_error(invalid_argument)` on a simulated runtime, and for a number of threads out
/// of range; `what` is the kind of transport, for its text.
[[nodiscard]] std::unique_ptr<transport> make_socket_transport(
    runtime& rt, const char* what, socket_transport_options options,
    std::shared_ptr<const family> addresses, std::shared_ptr<layer> above = plain_layer());

/// The addresses of TCP, which TLS has as well.
[[nodiscard]] std::shared_ptr<const family> tcp_family();

}  // namespace odeon::net_detail
