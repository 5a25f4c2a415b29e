#pragma once

#include <odeon/base/error.hpp>
#include <odeon/base/time.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>

/// @file The seam of bytes that travel: connections between programs, behind one contract for all
/// ways of carrying them. TCP is in `net/tcp.hpp`, the one in memory, for tests, in
/// `runtime/memory_transport.hpp`.
///
/// How operations complete. Each takes a function `done`, which is called exactly once, with the
/// result or the error, on a thread of the transport; never inside the call, but for one case: the
/// transport is gone, and `done` is told `errc::cancelled` at once. `done` must be short, must not
/// block and must not throw; it may begin the next operation. Whatever an operation reads into or
/// writes from belongs to it until `done` was called, also when the connection was let go
/// meanwhile.
///
/// Demand. Nothing is read that was not asked for, and a write is done when all its bytes have been
/// taken: a side that does not read stops the other's writes, after what the ways between hold.
///
/// Errors. No connection came to be: `unknown_host`, `connection_refused`, `connect_timeout`, or
/// `unreachable` for any other reason; where peers show who they are, `bad_certificate`,
/// `expired_certificate` and `protocol_violation` as well. Each text has the peer's address and
/// says what to do. `io_failed`: a connection broke, the text being the system's. `cancelled`: this
/// side gave up (abort, close, let go of, or the transport's end). `invalid_argument`: an operation
/// outside its contract.
///
/// Lifetimes. Connections and listeners may outlive their transport; they are dead then.

namespace odeon {

struct connection_options {
  bool no_delay = true;     ///< small writes are sent at once (TCP_NODELAY)
  bool keep_alive = false;  ///< the system probes a silent peer (SO_KEEPALIVE)
};

struct connect_options {
  duration timeout = std::chrono::seconds(10);  ///< finding the address included
  connection_options connection = {};
};

struct listen_options {
  int backlog = 1024;  ///< connections that wait to be accepted; more are refused or kept waiting
  connection_options connection = {};  ///< of those accepted
};

inline constexpr std::size_t write_pieces_max = 1024;  ///< in one write

using const_bytes = std::span<const std::byte>;

/// One connection: bytes in order, both ways, each of which can end by itself. @threadsafe
class connection {
 public:
  using read_done = std::move_only_function<void(result<std::size_t>)>;
  using write_done = std::move_only_function<void(result<void>)>;

  /// Ends it. In good order – what was written still arrives – when this side has ended its writing
  /// or has read the peer's end, and nothing is being written; else as `abort`.
  virtual ~connection() = default;

  /// Reads at least one byte and at most as many as there is room for; 0: the peer has ended its
  /// writing. One read at a time, into room for at least one byte.
  virtual void read(std::span<std::byte> into, read_done done) = 0;

  /// Writes all bytes of all pieces, in order, with one system call where possible. One write at a
  /// time. The list of pieces is used during the call only, the bytes until `done`.
  virtual void write(std::span<const const_bytes> pieces, write_done done) = 0;
  void write(const_bytes bytes, write_done done) { write({&bytes, 1}, std::move(done)); }

  /// Writes what can be taken now, on the calling thread: how many bytes of the pieces, in order,
  /// were taken. Nobody is told anything later, which saves a `done` and its way to a thread. Fewer
  /// than all, or 0, says nothing but that `write` must be called for the rest: it waits, or tells
  /// what is wrong. Not beside a `write`: then nothing is taken. A transport that cannot do it
  /// takes nothing.
  [[nodiscard]] virtual std::size_t try_write(std::span<const const_bytes> pieces) noexcept;

  /// No more will be written: the peer reads what is on its way, and then the end. Reading goes on.
  /// Counts as a write; the last one.
  virtual void end_writing(write_done done) = 0;

  /// Ends it now, both ways. What is on its way may be lost; the peer's operations fail.
  virtual void abort() noexcept = 0;

  /// "127.0.0.1:40312", for people and logs. Owned by the connection.
  [[nodiscard]] virtual const std::string& local_address() const noexcept = 0;
  [[nodiscard]] virtual const std::string& peer_address() const noexcept = 0;

  /// The name that the peer has proved to have, by a certificate say; empty where peers do not show
  /// who they are. Owned by the connection.
  [[nodiscard]] virtual std::string_view peer_identity() const noexcept { return {}; }
};

/// A place where connections arrive. @threadsafe
class listener {
 public:
  using accept_done = std::move_only_function<void(result<std::unique_ptr<connection>>)>;

  /// As `close`.
  virtual ~listener() = default;

  /// The next connection. One at a time. When the system has no more file descriptors, the
  /// connection waits until there is one.
  virtual void accept(accept_done done) = 0;

  /// Takes no more connections; those that wait unaccepted are refused, the accepted ones go on. An
  /// `accept` that waits is told `cancelled`.
  virtual void close() noexcept = 0;

  /// With the real port, where 0 was asked for. Owned by the listener.
  [[nodiscard]] virtual const std::string& local_address() const noexcept = 0;
};

/// A way of carrying bytes. @threadsafe
class transport {
 public:
  using connect_done = std::move_only_function<void(result<std::unique_ptr<connection>>)>;

  /// Cancels all operations, and returns when each has been told; never from a `done`.
  virtual ~transport() = default;

  /// Listens on "host:port": `host` a numeric address of this machine ("127.0.0.1", "[::1]"),
  /// "localhost", or "*" for all; port 0 for one that is free. Listens when it returns. Errors:
  /// `invalid_argument` (no such address), `address_in_use`, `io_failed` (not permitted).
  [[nodiscard]] virtual result<std::unique_ptr<listener>> listen(std::string_view address,
                                                                 listen_options options = {}) = 0;

  /// Connects to "host:port", where the host may be a name. Errors, in `done`: `invalid_argument`
  /// for a text that is no address, else those of a connection that did not come to be (above).
  virtual void connect(std::string_view address, connect_options options, connect_done done) = 0;
};

/// An address in its parts.
struct host_and_port {
  std::string host;  ///< without the brackets of "[::1]"
  std::uint16_t port = 0;
  friend bool operator==(const host_and_port&, const host_and_port&) = default;
};

/// Takes "host:port" or "[host]:port" apart. `invalid_argument` for anything else; the text says
/// what is wrong.
[[nodiscard]] result<host_and_port> parse_address(std::string_view text);
/// The other way; a host with a colon gets brackets.
[[nodiscard]] std::string to_string(const host_and_port& address);

}  // namespace odeon
