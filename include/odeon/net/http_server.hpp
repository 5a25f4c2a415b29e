#pragma once

#include <odeon/base/time.hpp>
#include <odeon/net/http_body.hpp>
#include <odeon/net/http_message.hpp>
#include <odeon/runtime/transport.hpp>
#include <odeon/task/future.hpp>

#include <concepts>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// @file An HTTP/1.1 server on any transport: TCP, TLS, Unix sockets, and the one in memory for
/// tests, also under virtual time.
///
///     odeon::http_routes routes;
///     routes.add("GET", "/greeting/{name}", [](const odeon::http_request& r) {
///       return odeon::http_text(200, "hello, " + std::string(r.parameter("name")));
///     });
///     routes.add("GET", "/count", [counter](odeon::http_request) ->
///     odeon::task<odeon::http_response> {
///       co_return odeon::http_text(200, std::to_string(co_await counter.ask<get_count>()));
///     });
///     odeon::http_server server(rt, std::move(routes));
///     auto address = server.listen(*net, "127.0.0.1:8080");
///
/// Handlers are called on the transport's threads, for one connection one at a time: they must be
/// short and must not block. A task is driven there too, and waits without a thread.

namespace odeon {

/// What one connection, and all together, may use. Past a limit a request is answered with the
/// status that stands with it, where an answer is still possible, and only that connection ends.
struct http_limits {
  std::size_t connections = 10'000;          ///< at once; 503 beyond
  std::size_t connections_per_peer = 2'000;  ///< of one host; 503 beyond
  std::size_t target_bytes = 8 * 1024;       ///< 414
  std::size_t header_bytes = 16 * 1024;      ///< with the request line; and all that is passed
                                             ///< over in a chunked body; 431, 400
  std::size_t header_count = 100;            ///< 431
  std::size_t body_bytes = 1024 * 1024;      ///< of a request; a route may have its own; 413
  duration header_time = std::chrono::seconds(10);    ///< from a request's first byte; 408
  duration body_time = std::chrono::seconds(30);      ///< for a whole body; of a streamed one, for
                                                      ///< each piece that is waited for; 408
  duration idle_time = std::chrono::seconds(60);      ///< between requests; closed without a word
  duration answer_time = std::chrono::seconds(60);    ///< for a handler to begin its answer; 503
  duration write_time = std::chrono::seconds(30);     ///< without the other side reading; aborted
  std::uint64_t requests_per_connection = 1'000'000;  ///< the last answer says "close"
  /// Requests of a connection that are in handlers at once: several only if all are GET, HEAD or
  /// OPTIONS, and answered in order all the same. What is past it is not read.
  std::size_t pipelined_requests = 16;
  std::size_t unsent_bytes = 1024 * 1024;  ///< of streamed answers, see `http_writer::write`; while
                                           ///< a connection has more unsent, it is not read
};

namespace detail {

class http_exchange;
class http_upgrade;
struct http_routing;
struct http_server_core;
struct http_responder_access;

}  // namespace detail

/// The right, and the duty, to answer one request. Move-only; may be kept and used on any thread.
/// Let go unanswered, it answers 500.
class http_responder {
 public:
  explicit http_responder(std::shared_ptr<detail::http_exchange> x) noexcept : x_(std::move(x)) {}
  http_responder(http_responder&&) noexcept = default;
  http_responder& operator=(http_responder&& o) noexcept;
  ~http_responder();

  /// The whole answer. Not sent to one who is gone.
  void send(http_response r);
  /// Begins an answer whose body comes in pieces: of `length` bytes, or chunked. `head.body` is
  /// empty. The answer to HEAD has no body: the pieces go nowhere.
  [[nodiscard]] http_writer start(http_response head, std::optional<std::uint64_t> length = {});
  /// Begins a stream of server-sent events.
  [[nodiscard]] http_writer start_events(http_fields fields = {});

  /// Whether the other side has gone, so that nobody will read an answer. @threadsafe
  [[nodiscard]] bool is_gone() const noexcept;
  /// Calls `f` when the other side goes before the answer's end; at once when it has. One at a
  /// time; in the connection's order.
  void on_gone(std::move_only_function<void()> f);

 private:
  friend struct detail::http_responder_access;
  std::shared_ptr<detail::http_exchange> x_;
};

namespace detail {

/// Drives the task on the connection, and answers with what it gives; with a status by its error
/// when it throws (docs/guide/http.md). Cancelled when the other side goes.
void answer_with(task<http_response> work, http_responder to);
void answer_with(future<http_response> work, http_responder to);

}  // namespace detail

/// What answers requests; made of any of
///     http_response f(const http_request&)
///     task<http_response> f(http_request)         – or a future of it, from an ask
///     void f(http_request, http_responder)
/// Called for many connections at once.
class http_handler {
 public:
  using call_fn = std::move_only_function<void(http_request&&, http_responder&&) const>;

  template <class F>
    requires(!std::same_as<std::remove_cvref_t<F>, http_handler>)
  http_handler(F f) {  // NOLINT(google-explicit-constructor): lambdas are handlers
    if constexpr (std::invocable<const F&, http_request, http_responder>) {
      call_ = [f = std::move(f)](http_request&& r, http_responder&& to) {
        f(std::move(r), std::move(to));
      };
    } else {
      static_assert(std::invocable<const F&, http_request>,
                    "odeon: a handler takes a http_request, or one and a http_responder");
      using given = std::invoke_result_t<const F&, http_request>;
      if constexpr (std::convertible_to<given, http_response>) {
        call_ = [f = std::move(f)](http_request&& r, http_responder&& to) {
          to.send(f(std::move(r)));
        };
      } else {
        static_assert(
            requires(given g, http_responder to) {
              detail::answer_with(std::move(g), std::move(to));
            }, "odeon: a handler gives a http_response, or a task or a future of one");
        call_ = [f = std::move(f)](http_request&& r, http_responder&& to) {
          detail::answer_with(f(std::move(r)), std::move(to));
        };
      }
    }
  }
  void operator()(http_request&& r, http_responder&& to) const {
    call_(std::move(r), std::move(to));
  }

 private:
  call_fn call_;
};

/// What answers requests whose bodies it reads in pieces, as they come.
using http_stream_handler =
    std::move_only_function<void(http_request, http_reader, http_responder) const>;

struct http_route_options {
  std::optional<std::uint64_t> body_bytes = {};  ///< in place of the limit of all
};

/// Which handler answers what. A pattern is a path, "/actors/{name}/state", in which a segment in
/// braces stands for any one that is not empty, and "{name...}" as the last for all that is left.
/// Paths without braces go before those with; of the others, the one added first.
class http_routes {
 public:
  http_routes();
  http_routes(http_routes&&) noexcept;
  http_routes& operator=(http_routes&&) noexcept;
  ~http_routes();

  /// HEAD is answered by the handler of GET, without the body. Throws
  /// `actor_error(invalid_argument)` for a method that is no token and a pattern that is none.
  http_routes& add(std::string_view method, std::string_view pattern, http_handler handler,
                   http_route_options options = {});
  /// The request's body comes by the reader; its limit is `options.body_bytes`, or none.
  http_routes& add_stream(std::string_view method, std::string_view pattern,
                          http_stream_handler handler, http_route_options options = {});
  /// Connections that become something else; see `add_websocket`.
  http_routes& add_upgrade(std::string_view pattern, std::shared_ptr<detail::http_upgrade> to);

 private:
  friend struct detail::http_server_core;
  std::unique_ptr<detail::http_routing> all_;
};

struct http_server_options {
  http_limits limits = {};
  /// What `Host` may say, with or without the port: others get 421. Empty: anything. A server on
  /// loopback names its own hosts, so that no web page reaches it under another name (DNS
  /// rebinding).
  std::vector<std::string> hosts = {};
  /// Told what a handler threw and why a listener ended, for a log; on a transport's thread. Never
  /// sent to the other side.
  std::move_only_function<void(const std::string&)> report = nullptr;
};

/// Counts, since the start unless said otherwise.
struct http_server_figures {
  std::uint64_t connections_now = 0;  ///< upgraded ones included
  std::uint64_t accepted = 0;
  std::uint64_t refused_connections = 0;  ///< past `connections` or `connections_per_peer`
  std::uint64_t requests = 0;
  std::uint64_t bad_requests = 0;  ///< refused by the grammar, or for a limit of size
  std::uint64_t timeouts = 0;      ///< of headers, bodies, answers and writes
};

/// A server. @threadsafe
class http_server {
 public:
  /// `rt` must outlive it.
  http_server(runtime& rt, http_routes routes, http_server_options options = {});
  http_server(const http_server&) = delete;
  /// Aborts all connections, upgraded ones too, and returns when no handler runs any more; never
  /// from a handler.
  ~http_server();

  /// Takes connections there too; gives the address with the real port. `t` must outlive the
  /// server. Errors as of `transport::listen`; `cancelled` when it drains.
  result<std::string> listen(transport& t, std::string_view address, listen_options options = {});

  /// Takes no more connections, closes idle ones, lets requests end, whose answers say "close", and
  /// tells WebSockets that the server goes away (1001). Fulfilled when no connection is left, at
  /// the latest after `limit`, when the rest is aborted: with how many that were.
  [[nodiscard]] future<std::size_t> drain(duration limit);

  [[nodiscard]] http_server_figures figures() const noexcept;

 private:
  std::shared_ptr<detail::http_server_core> core_;
};

}  // namespace odeon
