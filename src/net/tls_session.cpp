#include "internal/tls_session.hpp"

#include <algorithm>
#include <cstring>

namespace odeon::net_detail {

namespace {

constexpr std::size_t cipher_max = 17 * 1024;  // a record with all that is around it

}  // namespace

tls_session::tls_session(tls_context_ptr context, socket_ptr s, ssl_ptr ssl, duration linger)
    : context_(std::move(context)),
      socket_(std::move(s)),
      linger_(linger),
      ssl_(std::move(ssl)),
      in_(BIO_new(BIO_s_mem())),
      out_(BIO_new(BIO_s_mem())),
      timer_(socket_->home().io) {
  SSL_set_bio(ssl_.get(), in_, out_);
  take_notes(*ssl_, &notes_);
}

void tls_session::fetch(std::move_only_function<void(result<std::size_t>)> then) {
  if (cipher_.empty()) cipher_.resize(cipher_max);
  socket_->read(cipher_,
                [self = shared_from_this(), then = std::move(then)](result<std::size_t> n) mutable {
                  if (n && *n > 0) {
                    std::lock_guard guard(self->mutex_);
                    BIO_write(self->in_, self->cipher_.data(), static_cast<int>(*n));
                  }
                  then(std::move(n));
                });
}

// --- The handshake
// --------------------------------------------------------------------------------

void tls_session::shake_hands(duration limit, made done) {
  made_ = std::move(done);
  timer_.expires_after(std::max(limit, duration::zero()));
  timer_.async_wait([self = shared_from_this(), limit](error_code ec) {
    if (!ec)
      self->failed({errc::connect_timeout,
                    self->socket_->peer + " did not finish the TLS handshake within " +
                        to_string(limit) + ": see whether it speaks TLS, and how busy it is"});
  });
  shake();
}

void tls_session::shake() {
  if (!made_) return;
  lock l(mutex_);
  ERR_clear_error();
  const int r = SSL_do_handshake(ssl_.get());
  if (r == 1) {
    pump(l);
    return shaken();
  }
  if (SSL_get_error(ssl_.get(), r) != SSL_ERROR_WANT_READ) {
    error why = tls_error(*ssl_, notes_, socket_->peer, true);
    pump(l);  // the alert
    return failed(std::move(why));
  }
  pump(l);
  fetch([self = shared_from_this()](result<std::size_t> n) {
    if (!n) return self->failed(std::move(n.error()));
    if (*n == 0)
      return self->failed({errc::unreachable, self->socket_->peer +
                                                  " ended the connection during the TLS handshake: "
                                                  "see there why, and whether it speaks TLS"});
    self->shake();
  });
}

void tls_session::shaken() {
  identity_ = identity_of(*ssl_);
  if (SSL_is_server(ssl_.get()) == 0 && will_confirm(*ssl_)) return wait_for_word();
  finish(std::make_unique<tls_connection>(shared_from_this()));
}

/// A server of ours says something when it has looked at this side's certificate.
void tls_session::wait_for_word() {
  if (!made_) return;
  {
    lock l(mutex_);
    ERR_clear_error();
    char first = 0;
    const int r = SSL_peek(ssl_.get(), &first, 1);
    const int what = r > 0 ? SSL_ERROR_NONE : SSL_get_error(ssl_.get(), r);
    if (what == SSL_ERROR_SSL) {
      error why = tls_error(*ssl_, notes_, socket_->peer, true);
      pump(l);
      return failed(std::move(why));
    }
    if (what != SSL_ERROR_WANT_READ) notes_.confirmed = true;
  }
  if (notes_.confirmed) return finish(std::make_unique<tls_connection>(shared_from_this()));
  fetch([self = shared_from_this()](result<std::size_t> n) {
    if (!n) return self->failed(std::move(n.error()));
    if (*n == 0)
      return self->failed({errc::unreachable, self->socket_->peer +
                                                  " ended the connection after the TLS handshake: "
                                                  "see there why it refuses this side"});
    self->wait_for_word();
  });
}

void tls_session::failed(error why) {
  if (!made_) return;
  if (why == errc::io_failed)  // no connection came to be
    why = error(errc::unreachable,
                std::string(why.text()) + "; see at the other side why it breaks off");
  // The alert goes out; an end in good order, so that no reset overtakes it.
  socket_->end_writing([](const result<void>&) {});
  socket_->let_go();
  {
    std::lock_guard guard(mutex_);
    over_ = true;
  }
  finish(std::unexpected(std::move(why)));
}

void tls_session::finish(connected c) {
  timer_.cancel();
  if (made_) std::exchange(made_, nullptr)(std::move(c));
}

// --- Reading
// --------------------------------------------------------------------------------------

void tls_session::read(std::span<std::byte> into, read_done done) {
  operate(
      socket_->home(),
      [self = shared_from_this(), into](read_done d) { self->read_here(into, std::move(d)); },
      std::move(done));
}

void tls_session::read_here(std::span<std::byte> into, read_done done) {
  const auto refuse = [&](result<std::size_t> r) {
    complete_later(socket_->home(), std::move(done), std::move(r));
  };
  {
    std::lock_guard guard(mutex_);
    if (over_) return refuse(gave_up());
  }
  if (reading_ || into.empty()) return refuse(misused("a read without room, or beside one"));
  if (auto r = take(into)) return refuse(std::move(*r));
  room_ = into;
  reading_ = std::move(done);
  go_on_reading();
}

void tls_session::go_on_reading() {
  fetch([self = shared_from_this()](result<std::size_t> n) {
    if (n && *n == 0) {
      std::lock_guard guard(self->mutex_);
      if (!self->broken_) self->broken_ = self->cut_off();
      n = std::unexpected(*self->broken_);
    }
    if (!n) return self->tell_reader(std::move(n));
    if (auto r = self->take(self->room_)) return self->tell_reader(std::move(*r));
    self->go_on_reading();
  });
}

void tls_session::tell_reader(result<std::size_t> r) {
  room_ = {};
  std::exchange(reading_, nullptr)(std::move(r));
}

error tls_session::cut_off() const {
  return {errc::io_failed, "the connection to " + socket_->peer +
                               " was cut off: it ended without saying so (no close_notify)"};
}

std::optional<result<std::size_t>> tls_session::take(std::span<std::byte> into) {
  lock l(mutex_);
  if (saw_end_) return result<std::size_t>(0);
  if (broken_) return result<std::size_t>(std::unexpected(*broken_));
  std::size_t have = 0;
  int what = SSL_ERROR_NONE;
  while (have < into.size()) {
    std::size_t n = 0;
    ERR_clear_error();
    const int r = SSL_read_ex(ssl_.get(), into.data() + have, into.size() - have, &n);
    if (r != 1) {
      what = SSL_get_error(ssl_.get(), r);
      break;
    }
    have += n;
  }
  if (what == SSL_ERROR_SSL || what == SSL_ERROR_SYSCALL) {
    broken_ = tls_error(*ssl_, notes_, socket_->peer, false);
    pump(l);  // the alert
    socket_->end_writing([](const result<void>&) {});
    l.lock();
  } else if (BIO_ctrl_pending(out_) > 0) {  // an answer that the protocol asks for
    pump(l);
    l.lock();
  }
  if (what == SSL_ERROR_ZERO_RETURN) saw_end_ = true;
  if (have > 0) return result<std::size_t>(have);
  if (broken_) return result<std::size_t>(std::unexpected(*broken_));
  if (saw_end_) return result<std::size_t>(0);
  return std::nullopt;
}

// --- Writing
// --------------------------------------------------------------------------------------

/// Makes records of the pieces from `at` in the one `first` on; gives how many bytes were taken.
std::size_t tls_session::encrypt(std::span<const const_bytes> pieces, std::size_t first,
                                 std::size_t at, std::size_t most) noexcept {
  std::array<std::byte, record_max> together;
  std::size_t taken = 0;
  while (taken < most && first < pieces.size()) {
    const_bytes record = pieces[first].subspan(at);
    if (record.size() >= record_max) {
      record = record.first(record_max);
      at += record.size();
    } else {
      std::size_t size = 0;
      while (first < pieces.size() && size < record_max) {
        const const_bytes rest = pieces[first].subspan(at);
        const std::size_t n = std::min(rest.size(), record_max - size);
        if (n > 0) std::memcpy(together.data() + size, rest.data(), n);
        size += n;
        at += n;
        if (at == pieces[first].size()) ++first, at = 0;
      }
      record = const_bytes(together).first(size);
    }
    if (first < pieces.size() && at == pieces[first].size()) ++first, at = 0;
    if (record.empty()) break;
    std::size_t n = 0;
    ERR_clear_error();
    if (SSL_write_ex(ssl_.get(), record.data(), record.size(), &n) != 1) break;
    taken += n;
    if (n < record.size()) break;
  }
  return taken;
}

bool tls_session::flush() noexcept {
  if (flushing_) return false;
  if (const std::size_t more = BIO_ctrl_pending(out_); more > 0) {
    const std::size_t before = flight_.size();
    flight_.resize(before + more);
    BIO_read(out_, flight_.data() + before, static_cast<int>(more));
  }
  if (flight_at_ == flight_.size()) return true;
  const const_bytes rest = const_bytes(flight_).subspan(flight_at_);
  flight_at_ += socket_->try_write({&rest, 1});
  if (flight_at_ < flight_.size()) return false;
  flight_.clear();
  flight_at_ = 0;
  return true;
}

void tls_session::pump(lock& l) {
  bool all = flush();
  while (all && writing_) {
    while (piece_ < pieces_.size() && at_ == pieces_[piece_].size()) ++piece_, at_ = 0;
    if (piece_ == pieces_.size()) break;
    std::size_t n = encrypt(pieces_, piece_, at_, step_max);
    if (n == 0) {
      if (!broken_) broken_ = tls_error(*ssl_, notes_, socket_->peer, false);
      break;
    }
    while (n > 0) {
      const std::size_t here = std::min(n, pieces_[piece_].size() - at_);
      at_ += here;
      n -= here;
      if (at_ == pieces_[piece_].size()) ++piece_, at_ = 0;
    }
    all = flush();
  }
  write_done told;
  result<void> r;
  if (all && writing_) {
    writing_ = false;
    told = std::exchange(written_, nullptr);
    if (broken_) r = std::unexpected(*broken_);
  }
  const bool wait = !all && !std::exchange(flushing_, true);
  const const_bytes rest = wait ? const_bytes(flight_).subspan(flight_at_) : const_bytes();
  write_done ended = all ? std::exchange(ended_, nullptr) : nullptr;
  const bool leave_now = all && leaving_;
  l.unlock();
  if (wait) {
    socket_->write({&rest, 1}, [self = shared_from_this()](result<void> done) {
      self->flushed(std::move(done));
    });
  }
  if (told) tell(socket_->home(), std::move(told), std::move(r));
  if (ended) socket_->end_writing(std::move(ended));
  if (leave_now) leave();
}

/// The socket has taken the flight, or never will.
void tls_session::flushed(result<void> r) {
  lock l(mutex_);
  flushing_ = false;
  flight_.clear();
  flight_at_ = 0;
  if (r) return pump(l);
  if (!broken_ && r.error() != errc::cancelled) broken_ = r.error();
  writing_ = false;
  write_done written = std::exchange(written_, nullptr);
  write_done ended = std::exchange(ended_, nullptr);
  const bool leaving = leaving_;
  l.unlock();
  if (leaving) timer_.cancel();  // nothing waits for it any more
  if (written) written(r);
  if (ended) ended(std::move(r));
}

void tls_session::write(std::span<const const_bytes> pieces, write_done done) {
  loop& home = socket_->home();
  if (home.is_closed()) return tell(home, std::move(done), result<void>(gave_up()));
  lock l(mutex_);
  if (over_) {
    l.unlock();
    return tell(home, std::move(done), result<void>(gave_up()));
  }
  if (!may_write() || pieces.size() > write_pieces_max) {
    l.unlock();
    return tell(
        home, std::move(done),
        result<void>(misused("a write beside another, after the end, or of too many pieces")));
  }
  if (broken_) {
    result<void> r = std::unexpected(*broken_);
    l.unlock();
    return tell(home, std::move(done), std::move(r));
  }
  writing_ = true;
  written_ = std::move(done);
  pieces_.assign(pieces.begin(), pieces.end());
  piece_ = at_ = 0;
  pump(l);
}

std::size_t tls_session::try_write(std::span<const const_bytes> pieces) noexcept {
  if (socket_->home().is_closed() || pieces.size() > write_pieces_max) return 0;
  lock l(mutex_);
  if (!may_write() || broken_ || !flush()) return 0;
  const std::size_t taken = encrypt(pieces, 0, 0, step_max);
  pump(l);
  return taken;
}

void tls_session::end_writing(write_done done) {
  loop& home = socket_->home();
  if (home.is_closed()) return tell(home, std::move(done), result<void>(gave_up()));
  lock l(mutex_);
  if (!may_write()) {
    result<void> r =
        over_ ? result<void>(gave_up()) : misused("the end of writing beside a write, or twice");
    l.unlock();
    return tell(home, std::move(done), std::move(r));
  }
  wrote_end_ = true;
  ended_ = std::move(done);
  ERR_clear_error();
  SSL_shutdown(ssl_.get());  // makes the close_notify
  pump(l);
}

// --- The end
// --------------------------------------------------------------------------------------

void tls_session::abort() noexcept {
  {
    std::lock_guard guard(mutex_);
    over_ = true;
  }
  socket_->abort();
}

void tls_session::let_go() noexcept {
  if (!socket_->home().submit([self = shared_from_this()] { self->let_go_here(); }))
    socket_->let_go();
}

void tls_session::let_go_here() noexcept {
  lock l(mutex_);
  if (over_ || writing_ || broken_ || !(wrote_end_ || saw_end_)) {
    l.unlock();
    return abort();
  }
  over_ = leaving_ = true;
  if (!std::exchange(wrote_end_, true)) {
    ERR_clear_error();
    SSL_shutdown(ssl_.get());
  }
  timer_.expires_after(linger_);
  timer_.async_wait([self = shared_from_this()](error_code ec) {
    if (!ec) self->socket_->abort();
  });
  pump(l);
}

void tls_session::leave() noexcept {
  timer_.cancel();
  // Twice is told as misuse, to nobody.
  socket_->end_writing([](const result<void>&) {});
  socket_->let_go();
}

}  // namespace odeon::net_detail
