// What a session takes from its buffer, and what it puts out: heads become requests, bodies go to
// their handlers, answers get their heads. All in the session's section; its protocol stands at the
// top of http_session.cpp.

#include "http_session.hpp"
#include "http_text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>

namespace odeon::detail {

using namespace http_detail;

namespace {

bool is_safe_method(std::string_view m) noexcept {
  return m == "GET" || m == "HEAD" || m == "OPTIONS";
}
/// "Sun, 06 Nov 1994 08:49:37 GMT".
std::string date_text(std::int64_t seconds) {
  const auto t = std::time_t(seconds);
  std::tm parts{};
  gmtime_r(&t, &parts);
  std::array<char, 32> text{};
  // Not by strftime: its names are the locale's.
  constexpr const char* days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                    "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const int n =
      std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                    days[parts.tm_wday], parts.tm_mday, months[parts.tm_mon],
                    (parts.tm_year + 1900) % 10000, parts.tm_hour, parts.tm_min, parts.tm_sec);
  return {text.data(), std::min(std::size_t(n), text.size() - 1)};
}

}  // namespace

// -- what comes -----------------------------------------------------------------------------------

bool http_session::take_head() {
  const http_limits& l = core_->options.limits;
  if (next_) return begin_request();
  if (core_->now_is != http_server_core::stage::open && !exchanges_.empty()) return false;
  // An empty line after a body, as some clients send it.
  if (requests_ > 0 && header_by_ == never && buffered().starts_with("\r\n")) begin_ += 2;
  if (begin_ == end_ || exchanges_.size() >= l.pipelined_requests ||
      out_.unsent() >= l.unsent_bytes)
    return false;
  const auto found = scan_.look(buffered(), {l.target_bytes, l.header_bytes, l.header_count}, true);
  if (!found) {
    ++core_->bad;
    refuse(found.error().status, found.error().why);
    return true;
  }
  if (*found == 0) {
    if (header_by_ == never) header_by_ = core_->now() + l.header_time;
    return false;
  }
  auto head = parse_request_head(buffered().substr(0, *found));
  begin_ += *found;
  scan_.reset();
  header_by_ = never;
  if (!head) {
    ++core_->bad;
    refuse(head.error().status, head.error().why);
    return true;
  }
  next_ = std::move(*head);
  return begin_request();
}

bool http_session::begin_request() {
  const http_limits& l = core_->options.limits;
  request_head& h = *next_;
  const bool safe = is_safe_method(h.request.method);
  // Requests that change something wait for their turn (RFC 9112, section 9.3.2).
  if (!exchanges_.empty() &&
      (!safe || h.is_upgrade ||
       !std::ranges::all_of(exchanges_, [](const auto& x) { return x->is_safe; })))
    return false;
  if (h.is_upgrade && !out_.is_idle()) return false;

  ++core_->requests;
  ++requests_;
  auto x = std::make_shared<http_exchange>(shared_from_this());
  x->is_safe = safe;
  x->is_head = h.request.method == "HEAD";
  x->keep_alive = h.keep_alive && requests_ < l.requests_per_connection;
  x->say_keep_alive = h.request.version < 11;
  x->chunked_is_known = h.request.version >= 11;
  x->request = std::move(h.request);
  x->request.peer = connection_->peer_address();
  x->request.identity = connection_->peer_identity();
  const request_head head = std::move(*next_);
  next_.reset();
  exchanges_.push_back(x);

  const auto answer_now = [&](http_response r) {
    x->now_is = http_exchange::stage::answered;
    x->response = std::move(r);
    if (head.body == framing::none) return true;
    x->keep_alive = false;  // its body is not read
    closing_ = true;
    return true;
  };
  const auto& hosts = core_->options.hosts;
  if (!hosts.empty()) {
    const std::string_view host = x->request.fields.get("Host").value_or("");
    const std::string_view bare = host.substr(0, host.rfind(':'));
    if (!std::ranges::any_of(hosts, [&](const std::string& good) {
          return equal_ignoring_case(good, host) || equal_ignoring_case(good, bare);
        }))
      return answer_now(http_text(421, "this server does not answer for that host\n"));
  }
  const auto* by_method = core_->routes->find(x->request.path, x->request.parameters);
  if (!by_method) return answer_now(http_text(404, "nothing is there\n"));
  x->route = by_method->find(x->request.method);
  if (!x->route) {
    std::string allowed;
    for (const auto& [method, route] : by_method->all)
      allowed += (allowed.empty() ? "" : ", ") + method;
    http_response r = http_text(405, "that method is not for this\n");
    r.fields.set("Allow", allowed);
    return answer_now(std::move(r));
  }
  if (x->route->upgrade) {
    if (!head.is_upgrade || head.body != framing::none) {
      http_response r = http_text(426, "here is a WebSocket\n");
      r.fields.set("Upgrade", "websocket");
      return answer_now(std::move(r));
    }
    http_response r = x->route->upgrade->check(x->request);
    if (r.status == 101) {
      upgrading_ = x;
      closing_ = true;
    }
    return answer_now(std::move(r));
  }
  const auto none = std::numeric_limits<std::uint64_t>::max();
  body_left_ = x->route->options.body_bytes.value_or(x->route->stream ? none : l.body_bytes);
  if (head.body == framing::length && head.length > body_left_) {
    ++core_->bad;
    return answer_now(
        http_text(413, "the body is larger than " + std::to_string(body_left_) + " bytes\n"));
  }
  if (head.body != framing::none) {
    receiving_ = x;
    body_.begin(head.body, head.length, l.header_bytes);
    body_by_ = core_->now() + l.body_time;
  }
  if (!x->route->stream) {
    if (head.body == framing::none) return dispatch(*x), true;
    if (head.length > 0) x->request.body.reserve(std::min<std::uint64_t>(head.length, 65536));
    if (head.expects_continue && exchanges_.size() == 1) out_.add("HTTP/1.1 100 Continue\r\n\r\n");
    return true;
  }
  const std::weak_ptr<http_exchange> weak = x;
  x->pipe = std::make_shared<body_pipe>(
      [weak, expects = head.expects_continue]() mutable {
        if (const auto x = weak.lock())
          x->session->enter([x, say = std::exchange(expects, false)] {
            http_session& s = *x->session;
            if (say && s.receiving_ == x && s.exchanges_.front() == x && !x->head_is_out)
              s.out_.add("HTTP/1.1 100 Continue\r\n\r\n");
            s.body_by_ = s.core_->now() + s.core_->options.limits.body_time;
          });
      },
      [weak] {
        if (const auto x = weak.lock()) x->session->enter([] {});
      });
  if (head.body == framing::none) x->pipe->end();
  dispatch(*x);
  return true;
}

void http_session::dispatch(http_exchange& x) {
  x.answer_by = core_->now() + core_->options.limits.answer_time;
  http_responder to(x.shared_from_this());
  try {
    if (x.route->stream)
      x.route->stream(std::move(x.request), http_reader(core_->rt, x.pipe), std::move(to));
    else
      x.route->handler(std::move(x.request), std::move(to));
  } catch (const std::exception& e) {  // `to` answers 500
    core_->report(std::string("a handler threw: ") + e.what());
  }
}

bool http_session::take_body() {
  const auto this_one = receiving_;
  http_exchange& x = *this_one;
  if (x.pipe && x.pipe->is_full()) return false;
  if (begin_ == end_ && !body_.is_done()) return false;
  body_decoder::step s = body_.take(buffered());
  begin_ += s.used;
  std::optional<refusal> wrong = std::move(s.wrong);
  if (!wrong && s.data.size() > body_left_)
    wrong = refusal{413, "the body is larger than the limit"};
  if (wrong) {
    ++core_->bad;
    receiving_.reset();
    closing_ = true;
    x.keep_alive = false;
    if (x.pipe) {
      x.pipe->break_off({wrong->status == 413 ? errc::limit_exceeded : errc::bad_encoding,
                         "the body of the request: " + wrong->why});
    } else {
      x.now_is = http_exchange::stage::answered;
      x.response = http_text(wrong->status, wrong->why + "\n");
    }
    return true;
  }
  body_left_ -= s.data.size();
  if (x.pipe) {
    if (!s.data.empty()) {
      (void)x.pipe->push(s.data);
      if (over_ || !receiving_) return true;  // the reader has seen to that
      body_by_ = core_->now() + core_->options.limits.body_time;
    }
  } else {
    x.request.body.append(s.data);
  }
  if (!body_.is_done()) return s.used > 0;
  receiving_.reset();
  body_by_ = never;
  if (x.pipe)
    x.pipe->end();
  else
    dispatch(x);
  return true;
}

// -- what goes ------------------------------------------------------------------------------------

bool http_session::put_out() {
  bool any = false;
  while (!exchanges_.empty()) {
    const auto first = exchanges_.front();
    http_exchange& x = *first;
    if (x.now_is == http_exchange::stage::open) break;
    if (!x.head_is_out) put_head(x), any = true;
    for (auto& p : std::exchange(x.pieces, {})) {
      const std::size_t n = p.bytes.size();
      if (x.chunked) {
        std::array<char, 24> size{};
        const int used = std::snprintf(size.data(), size.size(), "%zx\r\n", n);
        out_.add(std::string(size.data(), std::size_t(used)));
        p.bytes += "\r\n";
      }
      out_.add(std::move(p.bytes),
               [held = first, n, done = std::move(p.done)](result<void> r) mutable {
                 held->unsent_bytes -= n;
                 if (!r && held->gone) r = std::unexpected(request_is_gone());
                 done(std::move(r));
               });
      any = true;
    }
    if (x.now_is == http_exchange::stage::streaming) break;
    if (x.chunked && x.now_is == http_exchange::stage::ended && !x.is_head) out_.add("0\r\n\r\n");
    if (!x.keep_alive) closing_ = true;
    exchanges_.pop_front();
    any = true;
    const bool was_receiving = receiving_ == first;
    if (was_receiving) {  // answered before its body was read
      receiving_.reset();
      closing_ = true;
      body_by_ = never;
    }
    // From here on others may call in, and even break the connection off.
    x.on_gone = nullptr;
    if (was_receiving && x.pipe)
      x.pipe->break_off({errc::cancelled, "the request was answered already"});
    if (over_) return true;
  }
  return any;
}

void http_session::put_head(http_exchange& x) {
  x.head_is_out = true;
  http_response& r = x.response;
  const bool upgrades = upgrading_.get() == &x;
  if (!upgrades && (r.status < 200 || r.status > 599)) {
    core_->report("a handler answered with the status " + std::to_string(r.status));
    r = http_text(500, "the handler's answer has no status\n");
  }
  // The last of those under way, when no more are taken.
  const bool no_more = closing_ || core_->now_is != http_server_core::stage::open;
  if (receiving_.get() == &x || (no_more && exchanges_.size() == 1)) x.keep_alive = false;
  std::string out;
  out.reserve(256 + (r.body.size() < out_queue::join_below ? r.body.size() : 0));
  out += "HTTP/1.1 ";
  out += std::to_string(r.status);
  out += ' ';
  out += http_reason(r.status);
  out += "\r\n";
  for (std::size_t i = 0; i < r.fields.size(); ++i) {
    const auto [name, value] = r.fields[i];
    if (!upgrades &&
        (equal_ignoring_case(name, "Content-Length") || equal_ignoring_case(name, "Connection") ||
         equal_ignoring_case(name, "Transfer-Encoding") || equal_ignoring_case(name, "Date")))
      continue;
    out.append(name).append(": ").append(value).append("\r\n");
  }
  const auto second =
      std::chrono::duration_cast<std::chrono::seconds>(core_->rt.wall_now().time_since_epoch())
          .count();
  if (second != date_second_) date_ = date_text(date_second_ = second);
  out.append("Date: ").append(date_).append("\r\n");
  const bool streams =
      x.now_is == http_exchange::stage::streaming || x.now_is == http_exchange::stage::ended;
  const bool no_body = r.status == 204 || r.status == 304 || upgrades;
  if (no_body) {
    r.body.clear();
  } else if (!streams || x.length) {
    out.append("Content-Length: ")
        .append(std::to_string(streams ? *x.length : r.body.size()))
        .append("\r\n");
  } else if (x.chunked_is_known) {
    x.chunked = true;
    out += "Transfer-Encoding: chunked\r\n";
  } else {
    x.keep_alive = false;  // HTTP/1.0 reads until the end
  }
  if (!upgrades && !x.keep_alive)
    out += "Connection: close\r\n";
  else if (x.say_keep_alive)
    out += "Connection: keep-alive\r\n";
  out += "\r\n";
  if (x.is_head) r.body.clear();
  if (r.body.size() < out_queue::join_below) {
    out += r.body;
    out_.add(std::move(out));
  } else {
    out_.add(std::move(out));
    out_.add(std::move(r.body));
  }
}

void http_session::refuse(int status, const std::string& why) {
  if (closing_) return;
  closing_ = true;
  auto x = std::make_shared<http_exchange>(shared_from_this());
  x->keep_alive = false;
  x->now_is = http_exchange::stage::answered;
  x->response = http_text(status, why + "\n");
  if (status == 503) x->response.fields.set("Retry-After", "1");
  exchanges_.push_back(std::move(x));
}

}  // namespace odeon::detail
