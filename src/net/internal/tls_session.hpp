#pragma once

#include "socket_transport.hpp"
#include "tls_context.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

/// @file One TLS connection on one socket.
///
/// OpenSSL works on memory: ciphertext that the socket has read goes into `in_`, and what it writes
/// comes out of `out_` and stands in `flight_` until the socket has taken it.
///
/// Who touches what
///   mutex_   guards OpenSSL's object and all that is written: a record is made and handed to the
///            socket under it, so the order of records is that of the calls. The socket's own lock
///            is taken inside it, never the other way: a socket calls back without a lock.
///   the rest (reading, the handshake) only the loop's thread.
///
/// Writing. `flight_` is handed on with `try_write` by whoever filled it. What the socket does not
/// take waits for it (`flushing_`): the callback of that write goes on, and until then nobody else
/// writes. Plaintext becomes ciphertext in steps of `step_max` bytes: what a write that nobody
/// takes holds is bounded by that.
///
///   state      write            try_write       end_writing     who goes on
///   free       encrypts         encrypts        close_notify    –
///   flushing   waits            nothing         waits           the socket's callback
///   writing    misuse           nothing         misuse          the socket's callback
///   ended      misuse           nothing         misuse          –
///
/// The end. `let_go` in good order: a close_notify if none was sent, then, when the flight is
/// empty, the socket's own end; the socket lingers as it does for TCP. A flight that nobody takes
/// is given up after the linger time. Else the socket is aborted.

namespace odeon::net_detail {

class tls_session final : public std::enable_shared_from_this<tls_session> {
 public:
  using read_done = connection::read_done;
  using write_done = connection::write_done;

  tls_session(tls_context_ptr context, socket_ptr s, ssl_ptr ssl, duration linger);
  ~tls_session() = default;

  /// On the loop's thread, once: `done` is told there, at most once.
  void shake_hands(duration limit, made done);

  // As `connection` promises, on any thread.
  void read(std::span<std::byte> into, read_done done);
  void write(std::span<const const_bytes> pieces, write_done done);
  [[nodiscard]] std::size_t try_write(std::span<const const_bytes> pieces) noexcept;
  void end_writing(write_done done);
  void abort() noexcept;
  void let_go() noexcept;

  [[nodiscard]] const stream_socket& socket() const noexcept { return *socket_; }
  [[nodiscard]] const std::string& identity() const noexcept { return identity_; }

 private:
  using lock = std::unique_lock<std::mutex>;
  static constexpr std::size_t record_max = 16 * 1024;  // of plaintext
  static constexpr std::size_t step_max = 4 * record_max;

  // The handshake.
  void shake();
  void shaken();
  void wait_for_word();
  void failed(error why);
  void finish(connected c);
  /// Ciphertext, for whoever needs it next: `then(n)`, 0 being an end.
  void fetch(std::move_only_function<void(result<std::size_t>)> then);

  // Reading.
  void read_here(std::span<std::byte> into, read_done done);
  /// What is there to give; nothing: more ciphertext is needed.
  [[nodiscard]] std::optional<result<std::size_t>> take(std::span<std::byte> into);
  void go_on_reading();
  void tell_reader(result<std::size_t> r);
  [[nodiscard]] error cut_off() const;

  // Writing, under the lock.
  [[nodiscard]] bool may_write() const noexcept { return !over_ && !writing_ && !wrote_end_; }
  [[nodiscard]] std::size_t encrypt(std::span<const const_bytes> pieces, std::size_t first,
                                    std::size_t at, std::size_t most) noexcept;
  /// Hands the flight on. True: the socket took it all.
  [[nodiscard]] bool flush() noexcept;
  /// Hands on what there is, as far as it goes, lets go of the lock, and tells who is to be told.
  void pump(lock& l);
  void flushed(result<void> r);
  void let_go_here() noexcept;
  void leave() noexcept;

  const tls_context_ptr context_;
  const socket_ptr socket_;
  const duration linger_;

  std::mutex mutex_;
  tls_notes notes_;
  ssl_ptr ssl_;
  BIO* in_;  // both are `ssl_`'s
  BIO* out_;
  std::vector<std::byte> flight_;
  std::size_t flight_at_ = 0;
  bool flushing_ = false;
  bool writing_ = false;
  std::vector<const_bytes> pieces_;  // of the write that waits
  std::size_t piece_ = 0, at_ = 0;
  write_done written_;
  bool wrote_end_ = false;
  write_done ended_;
  bool over_ = false;
  bool leaving_ = false;
  std::optional<error> broken_;  // the first

  // The loop's thread.
  made made_;
  asio::steady_timer timer_;
  std::vector<std::byte> cipher_;
  std::span<std::byte> room_;
  read_done reading_;
  bool saw_end_ = false;
  std::string identity_;
};
using tls_session_ptr = std::shared_ptr<tls_session>;

/// TLS as the user holds it.
class tls_connection final : public connection {
 public:
  explicit tls_connection(tls_session_ptr s) noexcept : session_(std::move(s)) {}
  ~tls_connection() override { session_->let_go(); }
  void read(std::span<std::byte> into, read_done done) override {
    session_->read(into, std::move(done));
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    session_->write(pieces, std::move(done));
  }
  [[nodiscard]] std::size_t try_write(std::span<const const_bytes> pieces) noexcept override {
    return session_->try_write(pieces);
  }
  void end_writing(write_done done) override { session_->end_writing(std::move(done)); }
  void abort() noexcept override { session_->abort(); }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return session_->socket().local;
  }
  [[nodiscard]] const std::string& peer_address() const noexcept override {
    return session_->socket().peer;
  }
  [[nodiscard]] std::string_view peer_identity() const noexcept override {
    return session_->identity();
  }

 private:
  tls_session_ptr session_;
};

}  // namespace odeon::net_detail
