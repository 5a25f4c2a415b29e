#pragma once

#include <odeon/base/time.hpp>
#include <odeon/net/http_body.hpp>
#include <odeon/net/http_message.hpp>
#include <odeon/runtime/transport.hpp>
#include <odeon/task/future.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

/// @file An HTTP/1.1 client on any transport, which keeps its connections for the next request.
///
///     odeon::http_client web(rt, {.plain = tcp.get(), .tls = tls.get()});
///     odeon::http_response r = co_await web.send({.url = "http://10.0.0.7:8080/greeting/you"});
///
/// An answer of any status is an answer; errors are for what gave none.

namespace odeon {

/// One request to be made.
struct http_call {
  std::string method = "GET";
  /// "http://host:port/path?query", or https. The path and the query are sent as they stand: encode
  /// what is put into them (`percent_encoded`).
  std::string url;
  /// `Host`, `Content-Length`, `Transfer-Encoding` and `Connection` are the client's business:
  /// those given here are left out.
  http_fields fields = {};
  std::string body = {};
  /// Where to connect instead of the url's host: an address of the `local` transport,
  /// "unix:/run/app.sock".
  std::string via = {};
  /// A body in pieces, instead of `body`: called for each piece when the one before was taken; an
  /// empty one ends it, an error gives the request up. Sent chunked. Such a request is never sent
  /// twice.
  std::move_only_function<void(std::move_only_function<void(result<std::string>)>)> body_source =
      nullptr;
  std::optional<duration> whole_time = {};  ///< in place of the client's
};

/// What a client and each of its answers may use.
struct http_client_limits {
  std::size_t connections_per_host = 8;
  std::size_t waiting_per_host = 1'000;         ///< requests without a connection; `limit_exceeded`
  std::size_t header_bytes = 64 * 1024;         ///< of an answer; and what is passed over in chunks
  std::size_t header_count = 200;               ///< of an answer
  std::uint64_t body_bytes = 16 * 1024 * 1024;  ///< of an answer that is taken whole
  duration connect_time = std::chrono::seconds(10);     ///< finding the address included
  duration first_byte_time = std::chrono::seconds(30);  ///< from the request's last byte
  duration whole_time = std::chrono::seconds(60);  ///< waiting for a connection included; of an
                                                   ///< answer in pieces, until its head
  duration piece_time = std::chrono::seconds(30);  ///< each piece that is waited for
  duration idle_time = std::chrono::seconds(20);   ///< of a connection that is kept
  unsigned redirects = 0;  ///< followed, of GET and HEAD, within one scheme, host and port
};

struct http_client_options {
  transport* plain = nullptr;  ///< for "http:"
  transport* tls = nullptr;    ///< for "https:"
  transport* local = nullptr;  ///< for `via`
  http_client_limits limits = {};
};

/// An answer whose body comes in pieces. Letting the reader go before its end ends the connection.
struct http_incoming {
  http_response head;
  http_reader body;
};

struct http_client_figures {
  std::uint64_t connections_now = 0, idle_now = 0, waiting_now = 0;
  std::uint64_t connected = 0, requests = 0, retries = 0;
};

namespace detail {
struct http_client_core;
}

/// A client. @threadsafe
///
/// A request is sent once more, on a new connection, only if that is safe: its method is idempotent
/// (GET, HEAD, OPTIONS, PUT, DELETE), its body is no source, and a connection that had been kept
/// was closed by the other side before any byte of the answer.
///
/// Errors: those of `transport::connect`; `ask_timeout`, past a limit of time (the text says
/// which); `limit_exceeded`, past one of size; `io_failed`, the connection broke; `truncated`, it
/// ended inside of the answer; `bad_encoding`, no answer of HTTP; `invalid_argument`, no such url,
/// or no transport for it; `cancelled`, the client has gone.
class http_client {
 public:
  using done_fn = std::move_only_function<void(result<http_response>)>;
  using open_fn = std::move_only_function<void(result<http_incoming>)>;

  /// `rt` and the transports must outlive it.
  http_client(runtime& rt, http_client_options options);
  http_client(const http_client&) = delete;
  /// Fails what is under way, and closes all connections.
  ~http_client();

  /// The whole answer. `done` is called once, on a thread of the transport or of the timers, or
  /// inside the call when the request cannot be made.
  void send(http_call call, done_fn done);
  /// The same as a future. Dropping it does not take the request back.
  [[nodiscard]] future<http_response> send(http_call call);
  /// The head of the answer, and its body in pieces.
  void open(http_call call, open_fn done);
  [[nodiscard]] future<http_incoming> open(http_call call);

  [[nodiscard]] http_client_figures figures() const noexcept;

 private:
  std::shared_ptr<detail::http_client_core> core_;
};

/// A url in its parts.
struct http_url {
  std::string scheme;  ///< "http"
  std::string host;    ///< without brackets
  std::uint16_t port = 0;
  std::string target;                           ///< "/path?query"
  [[nodiscard]] std::string authority() const;  ///< as the Host field has it
};
/// Takes "scheme://host:port/path?query" apart; `schemes` and their ports are http 80, https 443,
/// ws 80, wss 443. `invalid_argument`: anything else; a user, a fragment, blanks and control
/// characters among it.
[[nodiscard]] result<http_url> parse_url(std::string_view text);

}  // namespace odeon
