#pragma once

#include "loop.hpp"
#include <odeon/runtime/transport.hpp>

#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/steady_timer.hpp>
#include <sys/uio.h>

#include <array>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

/// @file One connected socket of any family – TCP or Unix – under TLS or not.
///
/// Who touches what
///   mutex_     guards `fd_`, `over_`, `writing_`, `wrote_end_` and what waits to be written. Bytes
///              are handed to the kernel under it, so their order is that of the calls, and the
///              descriptor is closed under it, so none is used after that.
///   the rest   only the loop's thread, after `begin`.
///
/// Writing. A write tries `sendmsg` on the thread that asks for it. All bytes taken: only its
/// `done` goes to the loop. Else what is left waits on the loop until the socket takes more
/// (`writing_`).
///
///   state               write, end_writing    try_write    the loop
///   idle                kernel, or waiting    kernel       –
///   waiting (writing_)  misuse                nothing      kernel, until all are taken: idle
///   ended (wrote_end_)  misuse                nothing      –
///   over (over_)        cancelled             nothing      closes the descriptor, once
///
/// A reset is told by the system once: to whoever asks first. The next write would see a broken
/// pipe, but the next read an end, as if the peer had ended in good order. So the first error stays
/// (`broken_`, set under the lock that it was got under), and all that follows is told it.
///
/// `over_` is set by whoever gives up (abort, on any thread) or by the loop's closing; the
/// descriptor is closed by the loop's thread alone, which is where its waits are. A loop that is
/// closed runs nothing: the destructor closes the descriptor then.

namespace odeon::net_detail {

using boost::system::error_code;

inline constexpr std::size_t linger_bytes_max = 1024 * 1024;

/// "127.0.0.1:80", "unix:/run/x"; for a Unix socket without a name "unix:pid:" and `unnamed`.
[[nodiscard]] std::string text_of(const asio::generic::stream_protocol::endpoint& e,
                                  long unnamed = 0);

class stream_socket final : public closable, public std::enable_shared_from_this<stream_socket> {
 public:
  using handle = asio::generic::stream_protocol::socket;
  using read_done = connection::read_done;
  using write_done = connection::write_done;

  stream_socket(loop_ptr l, handle s, duration linger);
  ~stream_socket() = default;

  /// Before anything else, on any thread: the addresses, and the options. False: it is broken.
  [[nodiscard]] bool begin(const connection_options& o);

  // As `connection` promises, on any thread.
  void read(std::span<std::byte> into, read_done done);
  void write(std::span<const const_bytes> pieces, write_done done);
  [[nodiscard]] std::size_t try_write(std::span<const const_bytes> pieces) noexcept;
  void end_writing(write_done done);
  void abort() noexcept;
  /// Its owner has let it go.
  void let_go() noexcept;

  void close_now() noexcept override;

  [[nodiscard]] loop& home() const noexcept { return *loop_; }
  [[nodiscard]] const loop_ptr& home_ptr() const noexcept { return loop_; }
  /// Of the system; -1: closed.
  [[nodiscard]] int descriptor() noexcept;

  std::string local, peer;

 private:
  /// What the kernel took, or -1: the connection is broken, now or before. Under the lock.
  [[nodiscard]] long send_now(std::span<iovec> all) noexcept;
  [[nodiscard]] bool may_write() const noexcept { return !over_ && !writing_ && !wrote_end_; }
  /// Why a write is refused. Under the lock.
  [[nodiscard]] result<void> refusal() const;

  void read_here(std::span<std::byte> into, read_done done);
  void wait_until_writable();
  void go_on_writing(error_code ec);
  void let_go_here() noexcept;
  void abort_here() noexcept;
  /// The loop closes it when it closes.
  void enter() { loop_->open.try_emplace(this, weak_from_this()); }
  /// The first error of all, which this may be. Under the lock.
  [[nodiscard]] std::unexpected<error> broken(int code);
  /// What a read that failed is told: an end as well, when the connection is broken.
  [[nodiscard]] result<std::size_t> outcome_of(error_code ec, std::size_t n);
  void drop_what_comes(std::size_t so_far);

  loop_ptr loop_;
  const duration linger_;

  std::mutex mutex_;
  int fd_ = -1;
  bool over_ = false;
  bool writing_ = false;
  bool wrote_end_ = false;
  int broken_ = 0;           // the system's first error
  std::vector<iovec> rest_;  // of the write that waits
  std::size_t rest_at_ = 0;  // the first of them that is not done
  write_done written_;

  handle socket_;
  asio::steady_timer timer_;
  bool reading_ = false;
  bool saw_end_ = false;    // by a read
  bool saw_break_ = false;  // likewise
  bool closed_ = false;
  std::unique_ptr<std::array<char, 4096>> dropped_;
};

}  // namespace odeon::net_detail
