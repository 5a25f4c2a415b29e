#include "internal/stream_socket.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace odeon::net_detail {

namespace {

constexpr std::size_t few_pieces = 16;  // which need no list of their own

iovec as_iovec(const_bytes p) noexcept {
  return {const_cast<std::byte*>(p.data()), p.size()};  // sendmsg does not write to it
}

/// The pieces as the system wants them.
class gathered {
 public:
  explicit gathered(std::span<const const_bytes> pieces) {
    if (pieces.size() > few_.size()) many_.resize(pieces.size());
    iovec* const to = many_.empty() ? few_.data() : many_.data();
    for (const const_bytes p : pieces)
      if (!p.empty()) to[count_++] = as_iovec(p);
  }
  [[nodiscard]] std::span<iovec> all() noexcept {
    return {many_.empty() ? few_.data() : many_.data(), count_};
  }

 private:
  std::array<iovec, few_pieces> few_;
  std::vector<iovec> many_;
  std::size_t count_ = 0;
};

/// Takes `n` bytes away from the front of the list; gives how many of its pieces are done.
std::size_t take_away(std::span<iovec> all, std::size_t n) noexcept {
  std::size_t done = 0;
  while (done < all.size() && n >= all[done].iov_len) n -= all[done++].iov_len;
  if (done < all.size()) {
    all[done].iov_base = static_cast<char*>(all[done].iov_base) + n;
    all[done].iov_len -= n;
  }
  return done;
}

}  // namespace

std::string text_of(const asio::generic::stream_protocol::endpoint& e, long unnamed) {
  const auto* address = reinterpret_cast<const sockaddr*>(e.data());
  if (e.size() >= sizeof(sa_family_t) && address->sa_family == AF_UNIX) {
    const std::size_t offset = offsetof(sockaddr_un, sun_path);
    const auto* path = reinterpret_cast<const char*>(e.data()) + offset;
    const std::size_t size = e.size() > offset ? ::strnlen(path, e.size() - offset) : 0;
    if (size == 0) return "unix:pid:" + std::to_string(unnamed);
    return "unix:" + std::string(path, size);
  }
  asio::ip::tcp::endpoint ip;
  if (e.size() > ip.capacity()) return "?";
  std::memcpy(static_cast<void*>(ip.data()), e.data(), e.size());
  return to_string(host_and_port{ip.address().to_string(), ip.port()});
}

stream_socket::stream_socket(loop_ptr l, handle s, duration linger)
    : loop_(std::move(l)),
      linger_(linger),
      socket_(std::move(s)),
      timer_(loop_->io) {}

bool stream_socket::begin(const connection_options& o) {
  error_code ec;
  fd_ = socket_.native_handle();
  const auto at = socket_.local_endpoint(ec);
  const auto to = ec ? at : socket_.remote_endpoint(ec);
  if (ec) return false;
  if (at.protocol().family() == AF_UNIX) {
    ucred who{};
    socklen_t size = sizeof who;
    if (::getsockopt(fd_, SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) return false;
    local = text_of(at, ::getpid());
    peer = text_of(to, who.pid);
    return true;
  }
  local = text_of(at);
  peer = text_of(to);
  if (o.no_delay) socket_.set_option(asio::ip::tcp::no_delay(true), ec);
  if (!ec && o.keep_alive) socket_.set_option(asio::socket_base::keep_alive(true), ec);
  return !ec;
}

int stream_socket::descriptor() noexcept {
  std::lock_guard guard(mutex_);
  return fd_;
}

std::unexpected<error> stream_socket::broken(int code) {
  if (broken_ == 0) broken_ = code;
  return fail(errc::io_failed,
              "the connection to " + peer + " broke: " + std::generic_category().message(broken_));
}

// --- Reading
// --------------------------------------------------------------------------------------

void stream_socket::read(std::span<std::byte> into, read_done done) {
  operate(
      *loop_,
      [self = shared_from_this(), into](read_done d) { self->read_here(into, std::move(d)); },
      std::move(done));
}

void stream_socket::read_here(std::span<std::byte> into, read_done done) {
  const auto refuse = [&](result<std::size_t> r) {
    complete_later(*loop_, std::move(done), std::move(r));
  };
  {
    std::lock_guard guard(mutex_);
    if (over_) return refuse(gave_up());
    if (reading_ || into.empty()) return refuse(misused("a read without room, or beside one"));
    // The reactor waits for what is new, and an end, good or not, is new once.
    if (saw_end_) return refuse(0);
    if (saw_break_) return refuse(broken(broken_));
  }
  enter();
  reading_ = true;
  socket_.async_read_some(
      asio::buffer(into.data(), into.size()),
      [self = shared_from_this(), done = std::move(done)](error_code ec, std::size_t n) mutable {
        self->reading_ = false;
        done(ec ? self->outcome_of(ec, n) : result<std::size_t>(n));
      });
}

result<std::size_t> stream_socket::outcome_of(error_code ec, std::size_t n) {
  std::lock_guard guard(mutex_);
  if (over_ || ec == asio::error::operation_aborted) return gave_up();
  if (ec == asio::error::eof && broken_ == 0) {
    saw_end_ = true;
    return n;
  }
  saw_break_ = true;
  return broken(ec.value());
}

// --- Writing
// --------------------------------------------------------------------------------------

long stream_socket::send_now(std::span<iovec> all) noexcept {
  if (broken_ != 0) return -1;
  if (all.empty()) return 0;
  msghdr m{};
  m.msg_iov = all.data();
  m.msg_iovlen = all.size();
  for (;;) {
    const ssize_t n = ::sendmsg(fd_, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n >= 0) return n;
    if (errno == EINTR) continue;
    if (errno == EAGAIN || errno == ENOBUFS) return 0;
    broken_ = errno;
    return -1;
  }
}

result<void> stream_socket::refusal() const {
  if (over_) return gave_up();
  return misused("a write beside another, after the end, or of too many pieces");
}

void stream_socket::write(std::span<const const_bytes> pieces, write_done done) {
  if (loop_->is_closed()) return tell(*loop_, std::move(done), result<void>(gave_up()));
  const bool too_many = pieces.size() > write_pieces_max;
  gathered list(pieces.first(too_many ? 0 : pieces.size()));
  result<void> r;
  {
    std::lock_guard guard(mutex_);
    if (too_many || !may_write()) {
      r = refusal();
    } else if (const long n = send_now(list.all()); n < 0) {
      r = broken(broken_);
    } else {
      const auto rest = list.all().subspan(take_away(list.all(), static_cast<std::size_t>(n)));
      if (!rest.empty()) {
        writing_ = true;
        rest_.assign(rest.begin(), rest.end());
        rest_at_ = 0;
        written_ = std::move(done);
      }
    }
  }
  if (done) return tell(*loop_, std::move(done), std::move(r));
  if (loop_->submit([self = shared_from_this()] { self->wait_until_writable(); })) return;
  {
    std::lock_guard guard(mutex_);
    done = std::exchange(written_, nullptr);
  }
  if (done) done(gave_up());
}

std::size_t stream_socket::try_write(std::span<const const_bytes> pieces) noexcept {
  if (pieces.size() > write_pieces_max || loop_->is_closed()) return 0;
  std::array<iovec, 64> some;  // what does not fit is for the next call
  std::size_t count = 0;
  for (const const_bytes p : pieces) {
    if (p.empty()) continue;
    some[count++] = as_iovec(p);
    if (count == some.size()) break;
  }
  std::lock_guard guard(mutex_);
  if (!may_write()) return 0;
  const long n = send_now(std::span(some).first(count));
  return n > 0 ? static_cast<std::size_t>(n) : 0;
}

void stream_socket::wait_until_writable() {
  enter();
  if (closed_) return go_on_writing(asio::error::operation_aborted);
  socket_.async_wait(asio::socket_base::wait_write,
                     [self = shared_from_this()](error_code ec) { self->go_on_writing(ec); });
}

void stream_socket::go_on_writing(error_code ec) {
  result<void> r;
  write_done done;
  {
    std::unique_lock lock(mutex_);
    if (over_ || ec) {
      r = over_ || ec == asio::error::operation_aborted ? result<void>(gave_up())
                                                        : result<void>(broken(ec.value()));
    } else {
      const auto all = std::span(rest_).subspan(rest_at_);
      const long n = send_now(all);
      if (n < 0) {
        r = broken(broken_);
      } else {
        rest_at_ += take_away(all, static_cast<std::size_t>(n));
        if (rest_at_ < rest_.size()) {
          lock.unlock();
          return wait_until_writable();
        }
      }
    }
    writing_ = false;
    done = std::exchange(written_, nullptr);
  }
  if (done) complete_later(*loop_, std::move(done), std::move(r));
}

void stream_socket::end_writing(write_done done) {
  if (loop_->is_closed()) return tell(*loop_, std::move(done), result<void>(gave_up()));
  result<void> r;
  {
    std::lock_guard guard(mutex_);
    if (!may_write())
      r = over_ ? result<void>(gave_up()) : misused("the end of writing beside a write, or twice");
    else if (::shutdown(fd_, SHUT_WR) != 0)
      r = broken(errno);
    else
      wrote_end_ = true;
  }
  tell(*loop_, std::move(done), std::move(r));
}

// --- The end
// --------------------------------------------------------------------------------------

void stream_socket::abort() noexcept {
  {
    std::lock_guard guard(mutex_);
    over_ = true;
  }
  (void)loop_->submit([self = shared_from_this()] { self->abort_here(); });
}
void stream_socket::abort_here() noexcept {
  if (closed_) return;
  error_code ignored;
  socket_.set_option(asio::socket_base::linger(true, 0), ignored);  // closing resets
  close_now();
}

void stream_socket::let_go() noexcept {
  // A closed loop has closed it, or nothing of it is under way.
  (void)loop_->submit([self = shared_from_this()] { self->let_go_here(); });
}
void stream_socket::let_go_here() noexcept {
  if (closed_) return;
  error_code ec;
  bool in_order = false;
  {
    std::lock_guard guard(mutex_);
    in_order = !over_ && !writing_ && (wrote_end_ || saw_end_);
    if (in_order && !std::exchange(wrote_end_, true)) ::shutdown(fd_, SHUT_WR);
  }
  if (!in_order) return abort_here();
  if (saw_end_ || saw_break_) return close_now();  // nothing more will come
  if (reading_) socket_.cancel(ec);
  enter();
  dropped_ = std::make_unique<std::array<char, 4096>>();
  timer_.expires_after(linger_);
  timer_.async_wait([self = shared_from_this()](error_code) { self->close_now(); });
  drop_what_comes(0);
}

void stream_socket::drop_what_comes(std::size_t so_far) {
  socket_.async_read_some(asio::buffer(*dropped_),
                          [self = shared_from_this(), so_far](error_code ec, std::size_t n) {
                            if (ec || so_far + n > linger_bytes_max) return self->close_now();
                            self->drop_what_comes(so_far + n);
                          });
}

void stream_socket::close_now() noexcept {
  if (std::exchange(closed_, true)) return;
  loop_->open.erase(this);
  error_code ignored;
  {
    std::lock_guard guard(mutex_);
    over_ = true;
    fd_ = -1;
    socket_.close(ignored);
  }
  timer_.cancel(ignored);
}

}  // namespace odeon::net_detail
