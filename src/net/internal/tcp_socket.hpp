#pragma once

#include "loop.hpp"
#include <odeon/runtime/transport.hpp>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <memory>
#include <string>
#include <vector>

/// @file The state of one connection. The protocol stands at the top of tcp.cpp.

namespace odeon::tcp_detail {

using asio::ip::tcp;
using boost::system::error_code;

inline constexpr std::size_t linger_bytes_max = 1024 * 1024;

inline std::string text_of(const tcp::endpoint& e) {
  return to_string(host_and_port{e.address().to_string(), e.port()});
}

class tcp_socket final : public closable, public std::enable_shared_from_this<tcp_socket> {
 public:
  tcp_socket(loop_ptr l, tcp::socket s, duration linger)
      : loop_(std::move(l)),
        socket_(std::move(s)),
        timer_(loop_->io),
        linger_(linger) {}
  ~tcp_socket() = default;

  /// Before anything else, on any thread: the addresses, and the options. False: it is broken.
  bool begin(const connection_options& o) {
    error_code ec;
    local = text_of(socket_.local_endpoint(ec));
    if (!ec) peer = text_of(socket_.remote_endpoint(ec));
    if (!ec && o.no_delay) socket_.set_option(tcp::no_delay(true), ec);
    if (!ec && o.keep_alive) socket_.set_option(asio::socket_base::keep_alive(true), ec);
    return !ec;
  }

  void read(std::span<std::byte> into, connection::read_done done) {
    using read_result = result<std::size_t>;
    if (over_) return complete_later(*loop_, std::move(done), read_result(gave_up()));
    if (reading_ || into.empty())
      return complete_later(*loop_, std::move(done),
                            read_result(misused("a read without room, or beside one")));
    // The reactor waits for what is new, and an end is new once.
    if (saw_end_) return complete_later(*loop_, std::move(done), read_result(0));
    enter();
    reading_ = true;
    socket_.async_read_some(
        asio::buffer(into.data(), into.size()),
        [self = shared_from_this(), done = std::move(done)](error_code ec, std::size_t n) mutable {
          self->reading_ = false;
          if (ec == asio::error::eof) {
            self->saw_end_ = true;
            done(std::size_t(0));
          } else if (ec) {
            done(self->broken(ec));
          } else {
            done(n);
          }
        });
  }

  void write(std::vector<asio::const_buffer> pieces, bool too_many, connection::write_done done) {
    if (over_) return complete_later(*loop_, std::move(done), result<void>(gave_up()));
    if (writing_ || wrote_end_ || too_many)
      return complete_later(
          *loop_, std::move(done),
          result<void>(misused("a write beside another, after the end, or of too many pieces")));
    enter();
    writing_ = true;
    asio::async_write(
        socket_, std::move(pieces),
        [self = shared_from_this(), done = std::move(done)](error_code ec, std::size_t) mutable {
          self->writing_ = false;
          done(ec ? result<void>(self->broken(ec)) : result<void>());
        });
  }

  void end_writing(connection::write_done done) {
    result<void> r;
    if (over_) {
      r = gave_up();
    } else if (writing_ || wrote_end_) {
      r = misused("the end of writing beside a write, or twice");
    } else {
      error_code ec;
      socket_.shutdown(tcp::socket::shutdown_send, ec);
      if (ec)
        r = broken(ec);
      else
        wrote_end_ = true;
    }
    complete_later(*loop_, std::move(done), std::move(r));
  }

  void abort() noexcept {
    if (over_) return;
    error_code ignored;
    socket_.set_option(asio::socket_base::linger(true, 0), ignored);  // closing resets
    close_now();
  }

  /// Its owner has let it go.
  void let_go() noexcept {
    if (over_) return;
    error_code ec;
    if (writing_ || !(wrote_end_ || saw_end_)) return abort();
    if (!wrote_end_) socket_.shutdown(tcp::socket::shutdown_send, ec);
    if (ec || saw_end_) return close_now();
    if (reading_) socket_.cancel(ec);
    enter();
    dropped_ = std::make_unique<std::array<char, 4096>>();
    timer_.expires_after(linger_);
    timer_.async_wait([self = shared_from_this()](error_code) { self->close_now(); });
    drop_what_comes(0);
  }

  void close_now() noexcept override {
    if (std::exchange(over_, true)) return;
    loop_->open.erase(this);
    error_code ignored;
    socket_.close(ignored);
    timer_.cancel(ignored);
  }

  [[nodiscard]] loop& home() const noexcept { return *loop_; }

  std::string local, peer;

 private:
  /// The loop closes it when it closes.
  void enter() { loop_->open.try_emplace(this, weak_from_this()); }
  std::unexpected<error> broken(error_code ec) {
    if (over_ || ec == asio::error::operation_aborted) return gave_up();
    return fail(errc::io_failed, "the connection to " + peer + " broke: " + ec.message());
  }
  void drop_what_comes(std::size_t so_far) {
    socket_.async_read_some(asio::buffer(*dropped_),
                            [self = shared_from_this(), so_far](error_code ec, std::size_t n) {
                              if (ec || so_far + n > linger_bytes_max) return self->close_now();
                              self->drop_what_comes(so_far + n);
                            });
  }

  loop_ptr loop_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  const duration linger_;
  bool reading_ = false, writing_ = false;
  bool wrote_end_ = false, saw_end_ = false;
  bool over_ = false;
  std::unique_ptr<std::array<char, 4096>> dropped_;
};

}  // namespace odeon::tcp_detail
