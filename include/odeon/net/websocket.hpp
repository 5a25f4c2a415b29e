#pragma once

#include <odeon/base/time.hpp>
#include <odeon/net/http_server.hpp>
#include <odeon/runtime/transport.hpp>
#include <odeon/task/future.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// @file WebSockets (RFC 6455): messages both ways over one connection, for browsers and through
/// proxies; a server by a route of an `http_server`, and a client.
///
///     odeon::add_websocket(routes, "/chat", [room](odeon::http_request, odeon::websocket ws) {
///       room.tell<joined>(std::move(ws));
///     });
///     odeon::websocket ws = co_await odeon::connect_websocket(rt, *net,
///     "ws://127.0.0.1:8080/chat");
///
/// Demand. Nothing is read that was not asked for, but one message ahead: a side that does not
/// receive stops the other's sends, after what the ways between hold. Pings are answered by
/// themselves, as far as the reading goes.

namespace odeon {

struct websocket_options {
  std::size_t message_bytes =
      1024 * 1024;                         ///< of one that comes, unpacked; closed with 1009 beyond
  std::size_t frame_bytes = 1024 * 1024;   ///< of one that comes, 1009; larger messages are sent in
                                           ///< several of this size
  std::size_t unsent_bytes = 1024 * 1024;  ///< a send past it is refused with `limit_exceeded`
  /// After so long without a byte from the other side, it is pinged; zero: never.
  duration ping_interval = std::chrono::seconds(20);
  duration pong_time = std::chrono::seconds(20);  ///< for a byte to come after a ping, else the
                                                  ///< connection is broken
  duration close_time = std::chrono::seconds(5);  ///< for the other side to close as well
  duration handshake_time = std::chrono::seconds(10);  ///< of a client, connecting included
  /// Offered, or chosen from, in the order of preference. A server takes a client that offers none
  /// of them without one.
  std::vector<std::string> subprotocols = {};
  /// permessage-deflate (RFC 7692) where the other side agrees, each message by itself. What a
  /// message unpacks to is bounded by `message_bytes`; costs some 300 KiB while one is packed.
  bool deflate = false;
  std::size_t deflate_from = 256;  ///< bytes of a message below which it is sent as it is

  // Of servers.
  /// What `Origin` may say, besides the server's own host: "https://example.org"; "*": anything. A
  /// browser names the page's there, so other sites' pages cannot connect in a user's name.
  std::vector<std::string> origins = {};
  /// A refusal for those who may not connect; none: they may.
  std::function<std::optional<http_response>(const http_request&)> refuse = nullptr;
};

struct websocket_message {
  std::string bytes;
  bool is_text = false;  ///< then it is valid UTF-8
};
struct websocket_close {
  int code = 1005;  ///< 1000: done; 1001: goes away; 1005: none was given; 1006: no close came
  std::string reason = {};
};

namespace detail {
class websocket_core;
}

/// One connection. Move-only, but for its destruction @threadsafe. Letting it go closes it with
/// 1000, in the background.
class websocket {
 public:
  using receive_done = std::move_only_function<void(result<std::optional<websocket_message>>)>;
  using send_done = std::move_only_function<void(result<void>)>;

  websocket() noexcept = default;
  explicit websocket(std::shared_ptr<detail::websocket_core> core) noexcept
      : core_(std::move(core)) {}
  websocket(websocket&&) noexcept = default;
  websocket& operator=(websocket&& o) noexcept;
  ~websocket();
  [[nodiscard]] explicit operator bool() const noexcept { return core_ != nullptr; }

  /// The next message; none: the other side has closed, see `closed`. One at a time. `done` is
  /// called once, on a thread of the connection, or inside the call when a message is there.
  /// Errors: `io_failed`, the connection broke, or no pong came; `protocol_violation`, the other
  /// side broke the standard, and was told so; `limit_exceeded`, a message was too large;
  /// `cancelled`, this side gave up; `invalid_argument`, a receive beside another.
  void receive(receive_done done);
  [[nodiscard]] future<std::optional<websocket_message>> receive();

  /// `done` when the connection took it. Several may be on their way, in order, up to
  /// `unsent_bytes`; errors: `limit_exceeded` past that (nothing of it is sent), `cancelled` after
  /// a close, `bad_encoding` for a text that is not UTF-8, and those of `receive`.
  void send_text(std::string text, send_done done);
  void send_binary(std::string bytes, send_done done);
  [[nodiscard]] future<void> send_text(std::string text);
  [[nodiscard]] future<void> send_binary(std::string bytes);
  /// Bytes that the connection has not taken yet.
  [[nodiscard]] std::size_t unsent() const noexcept;

  /// After what was sent, closes; what the other side still sends can be received until it closes
  /// as well, at most `close_time`. Codes: 1000 to 1014 but for 1004 to 1006, and 3000 to 4999; a
  /// reason of at most 123 bytes of UTF-8. Anything else is sent as 1000 without a reason.
  void close(int code = 1000, std::string reason = {});
  /// Ends it now, without a close.
  void abort() noexcept;

  /// How the other side closed; none as long as it has not.
  [[nodiscard]] std::optional<websocket_close> closed() const;
  [[nodiscard]] const std::string& subprotocol() const noexcept;  ///< empty: none
  [[nodiscard]] const std::string& peer_address() const noexcept;
  [[nodiscard]] const std::string& local_address() const noexcept;
  /// Who the transport under it vouches that the other side is; empty: nobody does.
  [[nodiscard]] std::string_view peer_identity() const noexcept;

 private:
  std::shared_ptr<detail::websocket_core> core_;
};

using websocket_handler = std::move_only_function<void(http_request, websocket) const>;

/// A route where connections become WebSockets. They count among the server's connections until
/// they end, and end with it. Refused with their status: bad handshakes 400, other versions 426,
/// foreign origins 403.
void add_websocket(http_routes& routes, std::string_view pattern, websocket_handler handler,
                   websocket_options options = {});

/// Connects to "ws://host:port/path" by `t`, or to "wss://…", when `t` is TLS. Errors: those of
/// `transport::connect`; `ask_timeout`; `incompatible_peer`, the other side is no WebSocket server,
/// or does not agree (the text has its status); `invalid_argument`, no such url.
void connect_websocket(runtime& rt, transport& t, std::string url, websocket_options options,
                       http_fields fields, std::move_only_function<void(result<websocket>)> done);
[[nodiscard]] future<websocket> connect_websocket(runtime& rt, transport& t, std::string url,
                                                  websocket_options options = {},
                                                  http_fields fields = {});

struct websocket_transport_options {
  transport* plain = nullptr;              ///< carries "ws://…", and addresses without a scheme
  transport* tls = nullptr;                ///< carries "wss://…"
  std::string path = "/odeon";             ///< of addresses that have none
  std::size_t message_bytes = 256 * 1024;  ///< longer writes are sent as several messages
  duration ping_interval = {};             ///< zero: what is above finds silent peers
  http_limits limits = {};                 ///< of its listeners
};

/// Connections of bytes over WebSockets, for nodes that meet behind proxies. Addresses are
/// "ws://host:port/path", "wss://…", or "host:port". A listener on an address with a scheme has one
/// in its `local_address`. Other paths and methods get 404 and 405. The subprotocol is
/// "odeon.bytes.v1". The transports in the options must outlive it.
[[nodiscard]] std::unique_ptr<transport> make_websocket_transport(
    runtime& rt, websocket_transport_options options);

}  // namespace odeon
