// One WebSocket.
//
// All state belongs to the section. It reads while somebody receives, and one message ahead; once
// it has sent a close and its owner has let it go, it reads and drops until the other side closes
// too. What follows from each entry is done in `turn`.
//
//   open ── close() ──> close_sent ── the other's close ──> ending ──> over
//     └──── the other's close: it is answered ─────────────────┘
//
// `ending`: nothing is left to write; the connection's writing is ended, and it is let go. Past
// close_time the other side is not waited for: what was written is on its way, unless it does not
// even read, and then the connection is aborted. A break, a violation and an abort are `over` at
// once, all operations being told.

#include "websocket_core.hpp"

#include "http_text.hpp"

#include <algorithm>
#include <cstring>

namespace odeon::detail {

using namespace http_detail;

namespace {

constexpr std::size_t buffer_first = 4 * 1024, buffer_most = 64 * 1024;
error gave_up() { return {errc::cancelled, "this side gave the WebSocket up"}; }

}  // namespace

websocket_core::websocket_core(parts p, const websocket_options& o)
    : rt(*p.rt),
      local(p.way->local_address()),
      peer(p.way->peer_address()),
      identity(p.way->peer_identity()),
      subprotocol(std::move(p.subprotocol)),
      is_server_(p.is_server),
      options_(o),
      way_(std::move(p.way)),
      member_(std::move(p.member)),
      deflate_(p.deflates ? std::make_unique<message_deflate>() : nullptr),
      decoder_(p.is_server, {o.message_bytes, o.frame_bytes}, deflate_.get()),
      in_(p.rest.begin(), p.rest.end()),
      end_(p.rest.size()) {}
websocket_core::~websocket_core() = default;

void websocket_core::start() {
  deadline_.emplace(rt, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->enter([](websocket_core& c) { c.time_is_up(); });
  });
  if (member_) member_->is_now(std::static_pointer_cast<websocket_core>(shared_from_this()));
  enter([](websocket_core& c) { c.turn(); });
}

void websocket_core::receive(websocket::receive_done done) {
  enter([done = std::move(done)](websocket_core& c) mutable {
    if (c.waiting_) return done(fail(errc::invalid_argument, "a receive beside another"));
    if (c.ready_) {
      done(std::exchange(c.ready_, std::nullopt));
    } else if (c.broken_) {
      done(std::unexpected(*c.broken_));
    } else if (c.close_came_) {
      done(std::nullopt);
    } else {
      c.waiting_ = std::move(done);
    }
    c.turn();
  });
}
void websocket_core::send(opcode kind, std::string bytes, websocket::send_done done) {
  if (kind == opcode::text && !is_utf8(bytes))
    return done(fail(errc::bad_encoding, "a text that is not UTF-8"));
  const std::size_t n = bytes.size();
  const std::size_t before = unsent_.fetch_add(n);
  if (before > 0 && before + n > options_.unsent_bytes) {
    unsent_ -= n;
    return done(fail(errc::limit_exceeded, std::to_string(before) + " bytes to " + peer +
                                               " are unsent: it does not keep up"));
  }
  enter([kind, bytes = std::move(bytes), n, done = std::move(done)](websocket_core& c) mutable {
    if (c.broken_ || c.over_ || c.close_sent_) {
      c.unsent_ -= n;
      return done(std::unexpected(c.broken_ ? *c.broken_ : gave_up()));
    }
    c.put(kind, bytes, [&c, n, done = std::move(done)](result<void> r) mutable {
      c.unsent_ -= n;
      if (!r && c.broken_) r = std::unexpected(*c.broken_);
      done(std::move(r));
    });
    c.turn();
  });
}
void websocket_core::close(int code, std::string reason) {
  enter([code, reason = std::move(reason)](websocket_core& c) {
    if (c.over_) return;
    const bool good = is_close_code(code) && reason.size() <= 123 && is_utf8(reason);
    c.put_close(good ? code : 1000, good ? reason : "");
    c.turn();
  });
}
void websocket_core::let_go() {
  enter([](websocket_core& c) {
    c.is_let_go_ = true;
    c.ready_.reset();
    if (c.over_) return;
    c.put_close(1000, "");
    c.turn();
  });
}
void websocket_core::abort_now() noexcept {
  enter([](websocket_core& c) { c.break_off(gave_up()); });
}
void websocket_core::go_away() noexcept { close(1001, "the server goes away"); }
std::optional<websocket_close> websocket_core::closed() const {
  const std::lock_guard guard(closed_mutex_);
  return closed_;
}

// -- what comes -----------------------------------------------------------------------------------

void websocket_core::arrived(result<std::size_t> r) {
  reading_ = false;
  if (over_) return;
  if (!r || *r == 0) {
    if (ending_ || (close_sent_ && close_came_)) return finish();
    if (r) {
      peer_ended_ = true;
      break_off({errc::io_failed, peer + " ended the connection without a close"});
    } else {
      break_off(std::move(r.error()));
    }
    return;
  }
  end_ += *r;
  pong_by_ = never;
  ping_by_ = never;  // anew, from now
  take_input();
  turn();
}
void websocket_core::take_input() {
  while (!over_ && !ready_ && !close_came_ && begin_ != end_) {
    std::string_view in(in_.data() + begin_, end_ - begin_);
    auto e = decoder_.take(in);
    begin_ = end_ - in.size();
    if (!e) return violated(e.error());
    if (*e) act_on(std::move(**e));
  }
}
void websocket_core::act_on(websocket_event e) {
  switch (e.kind) {
    case opcode::ping:
      // Only the last ping has to be answered, so that a flood of them fills nothing.
      if (close_sent_ || pong_waits_) return;
      pong_waits_ = true;
      return put(opcode::pong, e.bytes, [this](const result<void>&) { pong_waits_ = false; });
    case opcode::pong: return;
    case opcode::close: {
      close_came_ = true;
      {
        const std::lock_guard guard(closed_mutex_);
        closed_ = websocket_close{e.code, e.bytes};
      }
      put_close(e.code == 1005 ? 1000 : e.code, "");
      if (auto done = std::exchange(waiting_, nullptr)) done(std::nullopt);
      return;
    }
    default: {
      if (is_let_go_) return;
      websocket_message m{std::move(e.bytes), e.kind == opcode::text};
      if (auto done = std::exchange(waiting_, nullptr))
        done(std::move(m));
      else
        ready_ = std::move(m);
    }
  }
}
void websocket_core::violated(const websocket_violation& v) {
  put_close(v.code, v.why.substr(0, 120));
  const error why(v.code == 1009 ? errc::limit_exceeded : errc::protocol_violation,
                  peer + " sent " + v.why);
  broken_ = why;
  close_came_ = true;
  if (auto done = std::exchange(waiting_, nullptr)) done(std::unexpected(why));
}

// -- what goes ------------------------------------------------------------------------------------

std::array<unsigned char, 4> websocket_core::next_key() {
  if (keys_left_ == 0) {
    rt.random(std::as_writable_bytes(std::span(keys_)));
    keys_left_ = keys_.size();
  }
  std::array<unsigned char, 4> key{};
  std::copy_n(keys_.end() - std::ptrdiff_t(keys_left_), 4, key.begin());
  keys_left_ -= 4;
  return key;
}
void websocket_core::put(opcode kind, std::string_view bytes, out_queue::done_fn done) {
  std::string packed;
  const bool packs = deflate_ && kind < opcode::close && bytes.size() >= options_.deflate_from;
  if (packs) bytes = packed = deflate_->pack(bytes);
  bool first = true;
  do {
    const std::string_view part = bytes.substr(0, options_.frame_bytes);
    bytes.remove_prefix(part.size());
    std::string frame;
    frame.reserve(part.size() + 14);
    append_frame(frame, first ? kind : opcode::more, part, bytes.empty(), packs && first,
                 is_server_ ? std::nullopt : std::optional(next_key()));
    out_.add(std::move(frame), bytes.empty() ? std::move(done) : out_queue::done_fn());
    first = false;
  } while (!bytes.empty());
}
void websocket_core::put_close(int code, std::string_view reason) {
  if (std::exchange(close_sent_, true)) return;
  close_by_ = rt.now(clock_domain::housekeeping) + options_.close_time;
  put(opcode::close, close_payload(code, reason));
}
void websocket_core::write_more() {
  if (over_ || out_.is_writing() || out_.is_idle()) return;
  if (out_.write_now(*way_) || over_) return;
  out_.write(*way_, [self = shared_from_this()](result<void> r) {
    self->enter([r = std::move(r)](websocket_core& c) {
      if (!r && !c.broken_) c.broken_ = c.over_ ? gave_up() : r.error();
      c.out_.wrote(r);
      if (c.over_) return;
      if (!r) return c.break_off(r.error());
      c.turn();
    });
  });
}
void websocket_core::read_more() {
  if (over_ || reading_ || ready_ || ending_) return;
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == in_.size()) {
    if (begin_ > 0) {
      std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
    if (end_ == in_.size())
      in_.resize(std::min(std::max(buffer_most, end_ + buffer_first),
                          std::max(buffer_first, in_.size() * 4)));
  }
  reading_ = true;
  way_->read(std::as_writable_bytes(std::span(in_).subspan(end_)), [self = shared_from_this()](
                                                                       result<std::size_t> r) {
    self->enter([r = std::move(r)](websocket_core& c) mutable { c.arrived(std::move(r)); });
  });
}

void websocket_core::turn() {
  if (over_) return;
  take_input();
  write_more();
  if (over_) return;
  if (close_sent_ && close_came_ && out_.is_idle() && !ending_) {
    ending_ = true;
    way_->end_writing([self = shared_from_this()](const result<void>&) {
      self->enter([](websocket_core& c) { c.finish(); });
    });
    return;
  }
  if (!close_came_) read_more();
  move_deadline();
}

void websocket_core::finish() {
  if (std::exchange(over_, true)) return;
  deadline_.reset();
  way_.reset();
  if (!broken_ && !close_came_) broken_ = gave_up();
  out_.give_up(broken_ ? *broken_ : gave_up());
  if (auto done = std::exchange(waiting_, nullptr)) {
    if (broken_)
      done(std::unexpected(*broken_));
    else
      done(std::nullopt);
  }
  member_.reset();
}
void websocket_core::break_off(error why) {
  if (over_) return;
  if (!broken_) broken_ = std::move(why);
  {
    const std::lock_guard guard(closed_mutex_);
    if (!closed_) closed_ = websocket_close{1006, ""};
  }
  way_->abort();
  finish();
}

// -- time -----------------------------------------------------------------------------------------

void websocket_core::time_is_up() {
  if (over_) return;
  const time_point now = rt.now(clock_domain::housekeeping);
  if (close_by_ <= now) {
    if (!out_.is_idle()) return break_off({errc::ask_timeout, peer + " does not read our close"});
    if (ending_) return finish();
    ending_ = true;
    close_by_ = now + options_.close_time;
    way_->end_writing([self = shared_from_this()](const result<void>&) {
      self->enter([](websocket_core& c) { c.finish(); });
    });
    return deadline_->set(close_by_);
  }
  if (pong_by_ <= now)
    return break_off({errc::io_failed, peer + " did not answer a ping in time (pong_time)"});
  if (ping_by_ <= now) {
    ping_by_ = never;
    // While nothing is read, no pong could be seen.
    if (!close_sent_ && reading_) {
      put(opcode::ping, "");
      pong_by_ = now + options_.pong_time;
    }
  }
  turn();
}
void websocket_core::move_deadline() {
  if (over_) return;
  if (ping_by_ == never && pong_by_ == never && options_.ping_interval > duration::zero() &&
      !close_sent_)
    ping_by_ = rt.now(clock_domain::housekeeping) + options_.ping_interval;
  if (!reading_) pong_by_ = never;
  deadline_->set(std::min({ping_by_, pong_by_, close_by_}));
}

}  // namespace odeon::detail
