// What responders and writers do to an exchange: each enters the session's section, see
// http_session.cpp.

#include "http_session.hpp"

namespace odeon::detail {

void http_exchange::answer(http_response r) {
  session->enter([x = shared_from_this(), r = std::move(r)]() mutable {
    if (x->now_is != stage::open || x->gone) return;
    x->now_is = stage::answered;
    x->answer_by = time_point::max();
    x->response = std::move(r);
  });
}
void http_exchange::begin(http_response head, std::optional<std::uint64_t> n) {
  session->enter([x = shared_from_this(), head = std::move(head), n]() mutable {
    if (x->now_is != stage::open || x->gone) return;
    x->now_is = stage::streaming;
    x->answer_by = time_point::max();
    x->response = std::move(head);
    x->length = n;
    // What has no body: what is written goes nowhere.
    if (x->response.status == 204 || x->response.status == 304) x->is_head = true;
  });
}
void http_exchange::when_gone(std::move_only_function<void()> f) {
  session->enter([x = shared_from_this(), f = std::move(f)]() mutable {
    x->on_gone = nullptr;
    if (!f) return;
    if (x->gone)
      f();
    else if (x->now_is != stage::answered && x->now_is != stage::ended)
      x->on_gone = std::move(f);
  });
}
void http_exchange::tell_gone() {
  gone = true;
  for (piece& p : std::exchange(pieces, {})) {
    unsent_bytes -= p.bytes.size();
    if (p.done) p.done(std::unexpected(request_is_gone()));
  }
  if (auto f = std::exchange(on_gone, nullptr)) f();
}
void http_exchange::write(std::string bytes, done_fn done) {
  const std::size_t n = bytes.size();
  const std::size_t before = unsent_bytes.fetch_add(n);
  if (before > 0 && before + n > session->core().options.limits.unsent_bytes) {
    unsent_bytes -= n;
    return done(fail(errc::limit_exceeded, std::to_string(before) +
                                               " bytes of the answer are unsent: the other side "
                                               "does not keep up"));
  }
  session->enter([x = shared_from_this(), bytes = std::move(bytes), n,
                  done = std::move(done)]() mutable {
    result<void> r;
    if (x->gone) {
      r = std::unexpected(request_is_gone());
    } else if (x->now_is != stage::streaming || (x->length && *x->length - x->written < n)) {
      r = fail(errc::invalid_argument, "a write after the end of the answer, or past its length");
    } else {
      x->written += n;
      if (!x->is_head && n > 0) return x->pieces.push_back({std::move(bytes), std::move(done)});
    }
    x->unsent_bytes -= n;
    done(std::move(r));
  });
}
void http_exchange::end(done_fn done) {
  session->enter([x = shared_from_this(), done = std::move(done)]() mutable {
    if (x->gone) return done(std::unexpected(request_is_gone()));
    if (x->now_is != stage::streaming)
      return done(fail(errc::invalid_argument, "the end of an answer that has ended"));
    if (x->length && *x->length != x->written && !x->is_head) {
      x->session->break_off({errc::cancelled, "an answer was shorter than its stated length"});
      return done(fail(errc::invalid_argument, "the answer is shorter than its stated length"));
    }
    x->now_is = stage::ended;
    done({});
  });
}
void http_exchange::abort() noexcept {
  session->enter([x = shared_from_this()] {
    if (!x->gone && x->now_is == stage::streaming)
      x->session->break_off({errc::cancelled, "the answer was given up"});
  });
}

}  // namespace odeon::detail
