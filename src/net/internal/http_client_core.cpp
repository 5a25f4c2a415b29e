// A client's pool and its connections.
//
// A connection's state belongs to its section, the pool's to `mutex`; no function of a section runs
// under the mutex, and none of the pool waits for a section. A flight is in one hand at a time:
//
//   submit ── an idle connection ──────────────> connection ── answer, error ──> told
//     │ └──── room for another ── connecting ──────┘     └── closed before its answer: submit
//     └────── none ── waiting ── is_free, is_gone ─┘
//
// An idle connection goes on reading: the other side's end takes it out of the pool. It may end
// while it is being handed a flight, which is then submitted again, since nothing of it was sent.
//
// The end of the client closes the pool, fails what waits and what is connecting, aborts the
// connections and waits until each has said that it is gone. A connection that comes to be later is
// let go at once.

#include "http_client_core.hpp"

#include "http_text.hpp"

#include <algorithm>
#include <cstring>

namespace odeon::detail {

using namespace http_detail;

namespace {

constexpr std::size_t buffer_first = 8 * 1024, buffer_most = 64 * 1024;
constexpr unsigned interim_max = 8;

}  // namespace

void http_flight::fail(error why) {
  if (told.exchange(true)) return;
  if (auto f = std::exchange(whole, nullptr)) return f(std::unexpected(std::move(why)));
  if (auto f = std::exchange(open, nullptr)) f(std::unexpected(std::move(why)));
}
bool http_flight::is_idempotent() const noexcept {
  const std::string& m = call.method;
  return !call.body_source &&
         (m == "GET" || m == "HEAD" || m == "OPTIONS" || m == "PUT" || m == "DELETE");
}

// -- connections ----------------------------------------------------------------------------------

http_client_connection::http_client_connection(std::shared_ptr<http_client_core> core,
                                               std::string key, std::unique_ptr<connection> c)
    : core_(std::move(core)),
      key_(std::move(key)),
      connection_(std::move(c)) {}
http_client_connection::~http_client_connection() = default;

void http_client_connection::start(http_flight_ptr f) {
  enter([f = std::move(f)](http_client_connection& c) mutable { c.begin(std::move(f)); });
}
void http_client_connection::abort_now() noexcept {
  enter([](http_client_connection& c) { c.give_up({errc::cancelled, "the client has gone"}); });
}

void http_client_connection::begin(http_flight_ptr f) {
  if (over_) return core_->submit(std::move(f));
  if (!deadline_)
    deadline_.emplace(core_->rt, [weak = weak_from_this()] {
      if (const auto self = weak.lock())
        self->enter([](http_client_connection& c) { c.time_is_up(); });
    });
  flight_ = std::move(f);
  http_call& call = flight_->call;
  request_is_out_ = any_byte_ = head_is_there_ = keeps_ = false;
  idle_by_ = first_byte_by_ = piece_by_ = never;
  interim_ = 0;
  redirect_.reset();
  response_ = {};
  scan_.reset();

  std::string head;
  head.reserve(256 + (call.body.size() < out_queue::join_below ? call.body.size() : 0));
  head.append(call.method).append(" ").append(flight_->url.target).append(" HTTP/1.1\r\nHost: ");
  head.append(flight_->url.authority()).append("\r\n");
  for (std::size_t i = 0; i < call.fields.size(); ++i) {
    const auto [name, value] = call.fields[i];
    if (equal_ignoring_case(name, "Host") || equal_ignoring_case(name, "Content-Length") ||
        equal_ignoring_case(name, "Transfer-Encoding") || equal_ignoring_case(name, "Connection"))
      continue;
    head.append(name).append(": ").append(value).append("\r\n");
  }
  if (call.body_source)
    head += "Transfer-Encoding: chunked\r\n";
  else if (!call.body.empty() || call.method == "POST" || call.method == "PUT")
    head.append("Content-Length: ").append(std::to_string(call.body.size())).append("\r\n");
  head += "\r\n";
  if (call.body.size() < out_queue::join_below) {
    out_.add(head += call.body);
  } else {
    out_.add(std::move(head));
    out_.add(call.body);  // kept: it may be sent again
  }
  if (call.body_source) pull_body();
  write_more();
  read_more();
  move_deadline();
}

void http_client_connection::pull_body() {
  // The source may answer inside the call, and on any thread: as a function of the section.
  flight_->call.body_source([self = shared_from_this(),
                             of = flight_](result<std::string> r) mutable {
    self->enter([of = std::move(of), r = std::move(r)](http_client_connection& c) mutable {
      if (c.over_ || c.flight_ != of) return;
      if (!r)
        return c.give_up({errc::cancelled, "the body's source failed: " + r.error().to_string()});
      if (r->empty()) {
        c.out_.add("0\r\n\r\n");
        of->call.body_source = nullptr;
      } else {
        char size[24];
        const int n = std::snprintf(size, sizeof size, "%zx\r\n", r->size());
        c.out_.add(std::string(size, std::size_t(n)));
        *r += "\r\n";
        c.out_.add(std::move(*r), [&c, of](const result<void>& w) {
          if (w && c.flight_ == of) c.pull_body();
        });
      }
      c.write_more();
      c.move_deadline();
    });
  });
}

void http_client_connection::write_more() {
  if (over_ || out_.is_writing()) return;
  if (!out_.is_idle()) (void)out_.write_now(*connection_);
  if (over_) return;
  if (out_.is_idle()) {
    if (!flight_ || request_is_out_ || flight_->call.body_source) return;
    request_is_out_ = true;
    if (!any_byte_) first_byte_by_ = core_->now() + core_->options.limits.first_byte_time;
    return;
  }
  out_.write(*connection_, [self = shared_from_this()](result<void> r) {
    self->enter([r = std::move(r)](http_client_connection& c) {
      c.out_.wrote(r);
      // A peer that answers early may have closed its side: what it said is read first.
      if (!r || c.over_) return;
      c.write_more();
      if (c.flight_) c.move_deadline();
    });
  });
}

void http_client_connection::read_more() {
  if (over_ || reading_ || ended_) return;
  if (begin_ == end_) begin_ = end_ = 0;
  if (end_ == in_.size()) {
    const std::size_t most = std::max(core_->options.limits.header_bytes, buffer_most);
    if (begin_ > 0) {
      std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    } else if (in_.size() < most) {
      in_.resize(std::min(most, std::max(buffer_first, in_.size() * 4)));
    } else {
      return;  // the reader takes what is there first
    }
  }
  reading_ = true;
  connection_->read(std::as_writable_bytes(std::span(in_).subspan(end_)),
                    [self = shared_from_this()](result<std::size_t> r) {
                      self->enter([r = std::move(r)](http_client_connection& c) mutable {
                        c.arrived(std::move(r));
                      });
                    });
}

void http_client_connection::arrived(result<std::size_t> r) {
  reading_ = false;
  if (over_) return;
  if (r && *r > 0) {
    end_ += *r;
    if (!flight_) return give_up({errc::bad_encoding, "bytes that nobody asked for"});
    any_byte_ = true;
    first_byte_by_ = never;
    take_input();
    return;
  }
  ended_ = r ? result<void>() : std::unexpected(r.error());
  if (!pipe_ || begin_ == end_) at_end();  // else its reader takes what is there first
}

void http_client_connection::at_end() {
  const result<void> r = *ended_;
  if (flight_ && head_is_there_ && r && body_.end()) {
    keeps_ = false;
    return body_is_there();
  }
  if (flight_ && !any_byte_ && was_used_ && !flight_->was_retried && flight_->is_idempotent() &&
      !flight_->told) {
    const auto f = std::move(flight_);
    f->was_retried = f->wants_fresh = true;
    ++core_->retries;
    give_up({errc::io_failed, "the connection was closed"});
    return core_->submit(f);
  }
  if (!r) return give_up(r.error());
  give_up({any_byte_ ? errc::truncated : errc::io_failed,
           connection_->peer_address() + (any_byte_ ? " ended the connection inside of its answer"
                                                    : " ended the connection without an answer")});
}

void http_client_connection::take_input() {
  while (!over_ && flight_ && begin_ != end_) {
    const bool moved = head_is_there_ ? take_body() : take_head();
    if (!moved) break;
  }
  if (over_) return;
  if (flight_ && ended_ && begin_ == end_) return at_end();
  if (!flight_ && begin_ != end_)
    return give_up({errc::bad_encoding, "bytes behind the end of an answer"});
  read_more();
  move_deadline();
}

bool http_client_connection::take_head() {
  const http_client_limits& l = core_->options.limits;
  const std::string_view there(in_.data() + begin_, end_ - begin_);
  const auto found = scan_.look(there, {l.header_bytes, l.header_bytes, l.header_count}, false);
  const auto wrong = [&](const refusal& why) {
    give_up({why.status == 431 ? errc::limit_exceeded : errc::bad_encoding,
             "the answer of " + connection_->peer_address() + ": " + why.why});
    return false;
  };
  if (!found) return wrong(found.error());
  if (*found == 0) return false;
  auto head = parse_response_head(there.substr(0, *found), flight_->call.method == "HEAD");
  begin_ += *found;
  scan_.reset();
  if (!head) return wrong(head.error());
  const int status = head->response.status;
  if (status < 200) {
    if (status == 101) return wrong({502, "it changes the protocol, which nobody asked for"});
    return ++interim_ <= interim_max || wrong({502, "too many answers of 1xx"});
  }
  head_is_there_ = true;
  keeps_ = head->keep_alive;
  response_ = std::move(head->response);
  body_.begin(head->body, head->length, l.header_bytes);
  if (flight_->redirects < l.redirects && status / 100 == 3 &&
      (flight_->call.method == "GET" || flight_->call.method == "HEAD"))
    if (const auto to = response_.fields.get("Location")) {
      const auto url = parse_url(*to);
      const http_url& from = flight_->url;
      if (to->starts_with('/') && !to->starts_with("//") &&
          parse_url("http://a" + std::string(*to)))
        redirect_ = *to;
      else if (url && url->scheme == from.scheme && url->host == from.host &&
               url->port == from.port)
        redirect_ = url->target;
    }
  body_left_ =
      flight_->open && !redirect_ ? std::numeric_limits<std::uint64_t>::max() : l.body_bytes;
  if (head->body == framing::length && head->length > body_left_)
    return wrong({431, "its body is larger than " + std::to_string(body_left_) + " bytes"});
  if (flight_->open && !redirect_) {
    pipe_ = std::make_shared<body_pipe>(
        [weak = weak_from_this()] {
          if (const auto self = weak.lock())
            self->enter([](http_client_connection& c) {
              if (!c.pipe_ || c.over_) return;
              c.piece_by_ = c.core_->now() + c.core_->options.limits.piece_time;
              c.take_input();
            });
        },
        [weak = weak_from_this(), of = flight_] {
          if (const auto self = weak.lock())
            self->enter([of](http_client_connection& c) {
              if (c.flight_ == of) c.give_up({errc::cancelled, "the answer was let go"});
            });
        });
    flight_->whole_by = never;
    auto done = std::exchange(flight_->open, nullptr);
    flight_->told = true;
    const auto held = pipe_;
    if (body_.is_done()) held->end();
    done(http_incoming{std::move(response_), http_reader(core_->rt, held)});
    if (over_ || !flight_) return false;
  }
  if (body_.is_done()) body_is_there();
  return true;
}

bool http_client_connection::take_body() {
  if (pipe_ && pipe_->is_full()) return false;
  body_decoder::step s = body_.take({in_.data() + begin_, end_ - begin_});
  begin_ += s.used;
  if (s.wrong || s.data.size() > body_left_) {
    give_up(s.wrong ? error(errc::bad_encoding, "the answer's body: " + s.wrong->why)
                    : error(errc::limit_exceeded,
                            "the answer's body is larger than " +
                                std::to_string(core_->options.limits.body_bytes) + " bytes"));
    return false;
  }
  body_left_ -= s.data.size();
  if (pipe_) {
    if (!s.data.empty()) {
      piece_by_ = core_->now() + core_->options.limits.piece_time;
      (void)pipe_->push(s.data);
      if (over_ || !flight_) return false;
    }
  } else if (!redirect_) {
    response_.body.append(s.data);
  }
  if (body_.is_done()) body_is_there();
  return true;
}

void http_client_connection::body_is_there() {
  const auto f = std::move(flight_);
  const auto pipe = std::move(pipe_);
  flight_.reset();
  pipe_.reset();
  // A request that is not out yet would go on in the middle.
  const bool keeps = keeps_ && request_is_out_ && begin_ == end_ && !ended_;
  was_used_ = true;
  first_byte_by_ = piece_by_ = never;
  http_response response = std::move(response_);
  if (keeps) {
    idle_by_ = core_->now() + core_->options.limits.idle_time;
    core_->is_free(shared_from_this());
  } else {
    give_up({errc::cancelled, "the connection is used up"});
  }
  if (pipe) return pipe->end();
  if (redirect_) {
    f->url.target = std::move(*redirect_);
    ++f->redirects;
    return core_->submit(f);
  }
  if (!f->told.exchange(true)) f->whole(std::move(response));
}

void http_client_connection::give_up(const error& why) {
  if (std::exchange(over_, true)) return;
  deadline_.reset();
  connection_->abort();
  core_->is_gone(*this);
  const auto f = std::move(flight_);
  const auto pipe = std::move(pipe_);
  out_.give_up(why);
  if (pipe) pipe->break_off(why);
  if (f) f->fail(why);
  connection_.reset();
  core_->let_go();
}

void http_client_connection::time_is_up() {
  if (over_) return;
  const time_point now = core_->now();
  const auto late = [&](const char* what) {
    give_up({errc::ask_timeout, connection_->peer_address() + " " + what});
  };
  if (!flight_) {
    if (idle_by_ <= now) give_up({errc::cancelled, "the connection was idle"});
    return move_deadline();
  }
  if (flight_->whole_by <= now) return late("did not answer whole in time (whole_time)");
  if (first_byte_by_ <= now) return late("did not begin its answer in time (first_byte_time)");
  if (pipe_ && !pipe_->is_full() && piece_by_ <= now)
    return late("did not go on with its answer in time (piece_time)");
  move_deadline();
}
void http_client_connection::move_deadline() {
  if (over_) return;
  time_point due = flight_ ? std::min(flight_->whole_by, first_byte_by_) : idle_by_;
  if (pipe_ && !pipe_->is_full()) due = std::min(due, piece_by_);
  deadline_->set(due);
}

}  // namespace odeon::detail
