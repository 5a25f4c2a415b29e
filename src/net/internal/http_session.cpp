// One connection of a server.
//
// All state of a session and of its exchanges belongs to the session's section. What the transport
// completes, what the timer brings, and what responders, writers and readers do on any thread
// enters it, and each entry ends with a turn: bytes become requests, answers become bytes, in
// order, until nothing moves; then a write and a read are begun, at most one of each, and the next
// deadline is set.
//
//   in_ ──head_scan──> next_ ──route──> exchange ──body──> handler ──answer──> out_
//
// An exchange is in `exchanges_` from its head on until all of its answer is in `out_`. The body of
// the one in `receiving_` comes next in `in_`. The first of the exchanges writes into `out_`; the
// others keep what they have until they are the first.
//
// What bounds memory: in_ (its largest size), out_ (requests are not taken while more is unsent),
// exchanges_ (pipelined_requests), a body pipe (its high water), a streamed answer (unsent_bytes).
//
// The end: in order, after `end_writing`, or by `break_off`. Both tell every exchange that is left,
// and let the member go, which is what the server counts. An exchange and its session hold each
// other until then.

#include "http_session.hpp"

#include <algorithm>
#include <cstring>

namespace odeon::detail {

using namespace http_detail;

namespace {

constexpr std::size_t buffer_first = 4 * 1024, buffer_most = 64 * 1024;
constexpr unsigned write_tries = 4;  // that may be taken at once, in one turn

}  // namespace

// -- the connection -------------------------------------------------------------------------------

http_session::http_session(std::shared_ptr<http_server_core> core,
                           std::shared_ptr<http_member> member, std::unique_ptr<connection> c)
    : core_(std::move(core)),
      member_(std::move(member)),
      connection_(std::move(c)) {}
http_session::~http_session() = default;

void http_session::start(bool refused) {
  deadline_.emplace(core_->rt, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->enter([self] { self->time_is_up(); });
  });
  member_->is_now(std::static_pointer_cast<http_session>(shared_from_this()));
  enter([this, refused] {
    if (refused) refuse(503, "this server has as many connections as it may");
  });
}
void http_session::go_away() noexcept {
  enter([this, self = shared_from_this()] {
    if (exchanges_.empty() && !receiving_ && !next_ && begin_ == end_) closing_ = true;
  });
}
void http_session::abort_now() noexcept {
  enter(
      [this, self = shared_from_this()] { break_off({errc::cancelled, "the server has ended"}); });
}

void http_session::turn() {
  unsigned tries = write_tries;
  do {
    again_ = false;
    if (over_) return;
    bool moved = true;
    while (moved && !over_) {
      moved = put_out();
      moved = take_input() || moved;
    }
    if (over_) return;
    if (peer_ended_ && receiving_ && begin_ == end_) {
      if (!receiving_->pipe) return break_off(request_is_gone());
      const auto cut = std::exchange(receiving_, nullptr);
      closing_ = true;
      cut->pipe->break_off({errc::truncated, "the connection ended inside of the body"});
      continue;  // its handler may have answered
    }
    // What is taken at once may bring more to write: so often, then others have their turn.
    while (!again_ && !over_ && tries > 0 && !out_.is_idle() && !out_.is_writing()) {
      --tries;
      if (!out_.write_now(*connection_)) break;
    }
  } while (again_);
  if (over_) return;
  write_more();
  if (over_) return;
  if (out_.is_idle() && exchanges_.empty()) {
    if (upgrading_) return upgrade();
    if (closing_ || peer_ended_) return close_in_order();
  }
  read_more();
  if (!over_) move_deadline();
}

bool http_session::take_input() {
  if (over_) return false;
  if (closing_ && !receiving_) {
    if (!upgrading_) begin_ = end_ = 0;
    return false;
  }
  return receiving_ ? take_body() : take_head();
}

void http_session::read_more() {
  if (reading_ || peer_ended_ || upgrading_ || (next_ && next_->is_upgrade)) return;
  if (begin_ == end_) {
    begin_ = end_ = 0;
    if (exchanges_.empty() && in_.size() > 4 * buffer_first) in_ = std::vector<char>(buffer_first);
  }
  if (end_ == in_.size()) {
    const std::size_t most = std::max(core_->options.limits.header_bytes, buffer_most);
    if (begin_ > 0) {
      std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else if (in_.size() < most) {
      in_.resize(std::min(most, std::max(buffer_first, in_.size() * 4)));
    } else {
      return;  // what is there must be taken first
    }
  }
  reading_ = true;
  connection_->read(
      std::as_writable_bytes(std::span(in_).subspan(end_)),
      [self = shared_from_this()](result<std::size_t> r) {
        self->section_.enter([self, r = std::move(r)]() mutable { self->arrived(std::move(r)); });
      });
}
void http_session::arrived(result<std::size_t> r) {
  reading_ = false;
  if (over_) return;
  if (!r) return break_off(request_is_gone());
  if (*r == 0)
    peer_ended_ = true;
  else
    end_ += *r;
  turn();
}
void http_session::write_more() {
  if (out_.is_writing() || out_.is_idle()) return;
  if (write_by_ == never) write_by_ = core_->now() + core_->options.limits.write_time;
  out_.write(*connection_, [self = shared_from_this()](result<void> r) {
    self->section_.enter([self, r = std::move(r)]() mutable { self->wrote(std::move(r)); });
  });
}
void http_session::wrote(result<void> r) {
  write_by_ = never;
  out_.wrote(r);
  if (over_) return;
  if (!r) return break_off(request_is_gone());
  turn();
}

void http_session::upgrade() {
  over_ = true;
  deadline_.reset();
  const auto x = std::move(upgrading_);
  std::string rest(buffered());
  try {
    x->route->upgrade->take(std::move(x->request), std::move(connection_), std::move(rest),
                            std::move(member_));
  } catch (const std::exception& e) {
    core_->report(std::string("a handler threw: ") + e.what());
  }
}
void http_session::close_in_order() {
  if (end_written_) return;
  end_written_ = true;
  deadline_->set(core_->now() + core_->options.limits.write_time);
  connection_->end_writing([self = shared_from_this()](const result<void>&) {
    self->section_.enter([self] {
      if (std::exchange(self->over_, true)) return;
      self->deadline_.reset();
      self->connection_.reset();  // in good order: its end was written
      self->member_.reset();
    });
  });
}
void http_session::break_off(const error& why) {
  if (std::exchange(over_, true)) return;
  deadline_.reset();
  connection_->abort();
  connection_.reset();
  const auto receiving = std::move(receiving_);
  const auto upgrading = std::move(upgrading_);
  for (const auto& x : std::exchange(exchanges_, {})) {
    if (x->pipe) x->pipe->break_off(why);
    x->tell_gone();
  }
  out_.give_up(why);
  member_.reset();
}

void http_session::time_is_up() {
  if (over_) return;
  const time_point now = core_->now();
  if (end_written_ || write_by_ <= now) {
    ++core_->timeouts;
    return break_off({errc::ask_timeout, "the other side does not read"});
  }
  if (idle_by_ <= now) closing_ = true;
  if (header_by_ <= now) {
    ++core_->timeouts;
    header_by_ = never;
    refuse(408, "the header did not come in time");
  }
  if (receiving_ && body_by_ <= now && !(receiving_->pipe && receiving_->pipe->is_full())) {
    ++core_->timeouts;
    body_by_ = never;
    const auto x = std::move(receiving_);
    receiving_.reset();
    closing_ = true;
    x->keep_alive = false;
    if (x->pipe) {
      x->pipe->break_off({errc::ask_timeout, "the body did not come in time"});
    } else {
      x->now_is = http_exchange::stage::answered;
      x->response = http_text(408, "the body did not come in time\n");
    }
  }
  for (const auto all = exchanges_; const auto& x : all) {
    if (x->answer_by > now || x->now_is != http_exchange::stage::open) continue;
    ++core_->timeouts;
    x->now_is = http_exchange::stage::answered;
    x->answer_by = never;
    x->response = http_text(503, "no answer came in time\n");
    core_->report("a handler did not answer in time");
    x->tell_gone();
  }
}
void http_session::move_deadline() {
  const bool idle = exchanges_.empty() && !receiving_ && !next_ && begin_ == end_;
  if (!idle)
    idle_by_ = never;
  else if (idle_by_ == never)
    idle_by_ = core_->now() + core_->options.limits.idle_time;
  time_point due = std::min({idle_by_, header_by_, write_by_});
  if (receiving_ && !(receiving_->pipe && receiving_->pipe->is_full()))
    due = std::min(due, body_by_);
  for (const auto& x : exchanges_)
    if (x->now_is == http_exchange::stage::open) due = std::min(due, x->answer_by);
  deadline_->set(due);
}

}  // namespace odeon::detail
