#include "websocket_way.hpp"

#include <algorithm>
#include <cstring>

// The protocol stands at the top of websocket_transport.cpp.

namespace odeon::websocket_detail {

namespace {

thread_local unsigned call_depth = 0;

}  // namespace

in_call::in_call() noexcept { ++call_depth; }
in_call::~in_call() { --call_depth; }
bool in_call::here() noexcept { return call_depth != 0; }

// -- one connection -------------------------------------------------------------------------------

void way::read(std::span<std::byte> into, connection::read_done d) {
  if (is_over()) return d(std::unexpected(gave_up()));
  auto done = hub::counted(hub_, std::move(d));
  using outcome = result<std::size_t>;
  std::unique_lock guard(mutex_);
  if (reading_ || into.empty()) {
    guard.unlock();
    return hub_->complete(std::move(done), outcome(fail(errc::invalid_argument,
                                                        "a read without room, or beside one")));
  }
  if (at_ < there_.size() || saw_end_ || broken_) {
    outcome r = broken_ ? outcome(std::unexpected(*broken_)) : outcome(give(into));
    guard.unlock();
    return hub_->complete(std::move(done), std::move(r));
  }
  reading_ = true;
  guard.unlock();
  const in_call marked;
  socket_.receive([self = shared_from_this(), into,
                   done = std::move(done)](result<std::optional<websocket_message>> m) mutable {
    outcome r = self->received(into, std::move(m));
    self->hub_->finish(std::move(done), std::move(r));
  });
}

void way::write(std::span<const const_bytes> pieces, connection::write_done d) {
  if (is_over()) return d(std::unexpected(gave_up()));
  auto done = hub::counted(hub_, std::move(d));
  const char* wrong = nullptr;
  {
    const std::lock_guard guard(mutex_);
    if (writing_ || wrote_end_ || pieces.size() > write_pieces_max)
      wrong = "a write beside another, after the end, or of too many pieces";
    else
      writing_ = true;
  }
  if (wrong)
    return hub_->complete(std::move(done), result<void>(fail(errc::invalid_argument, wrong)));
  write_next(std::vector<const_bytes>(pieces.begin(), pieces.end()), 0, std::move(done));
}
void way::end_writing(connection::write_done d) {
  if (is_over()) return d(std::unexpected(gave_up()));
  auto done = hub::counted(hub_, std::move(d));
  bool wrong = false;
  {
    const std::lock_guard guard(mutex_);
    wrong = writing_ || wrote_end_;
    if (!wrong) wrote_end_ = true;
  }
  if (wrong)
    return hub_->complete(std::move(done), result<void>(fail(errc::invalid_argument,
                                                             "the end of writing beside a write, "
                                                             "or twice")));
  send("", std::move(done));
}
void way::give_up() noexcept {
  const std::lock_guard guard(mutex_);
  if (!broken_) broken_ = gave_up();
}
void way::abort() noexcept {
  give_up();
  const in_call marked;
  socket_.abort();
}
void way::let_go() {
  const in_call marked;
  bool in_order = false;
  {
    const std::lock_guard guard(mutex_);
    in_order = !writing_ && (wrote_end_ || saw_end_);
  }
  if (in_order && !is_over())
    socket_.close();  // and its end is waited for in the background
  else
    abort();
  {
    const std::lock_guard guard(hub_->mutex);
    hub_->ways.erase(weak_from_this());
  }
}
/// Under the lock.
std::size_t way::give(std::span<std::byte> into) {
  const std::size_t n = std::min(into.size(), there_.size() - at_);
  if (n > 0) std::memcpy(into.data(), there_.data() + at_, n);
  at_ += n;
  if (at_ == there_.size()) there_.clear(), at_ = 0;
  return n;
}
result<std::size_t> way::received(std::span<std::byte> into,
                                  result<std::optional<websocket_message>> m) {
  const std::lock_guard guard(mutex_);
  reading_ = false;
  if (!m || !*m || (*m)->is_text) {
    if (!broken_)
      broken_ = m ? error(errc::io_failed,
                          peer() + (*m ? " sent text" : " closed the connection without an end"))
                  : (m.error() == errc::cancelled
                         ? gave_up()
                         : error(errc::io_failed, std::string(m.error().text())));
    return std::unexpected(*broken_);
  }
  if ((*m)->bytes.empty()) {
    saw_end_ = true;
    return std::size_t(0);
  }
  there_ = std::move((*m)->bytes);
  return give(into);
}
/// One message after the other, so that no copy of all of it is made.
void way::write_next(std::vector<const_bytes> pieces, std::size_t at, connection::write_done done) {
  std::string message;
  std::size_t next = at;
  for (; next < pieces.size() && message.size() < message_bytes_;) {
    const std::size_t n = std::min(pieces[next].size(), message_bytes_ - message.size());
    if (message.empty() && message_bytes_ <= pieces[next].size()) message.reserve(n);
    message.append(reinterpret_cast<const char*>(pieces[next].data()), n);
    pieces[next] = pieces[next].subspan(n);
    if (pieces[next].empty()) ++next;
  }
  if (message.empty()) {
    {
      const std::lock_guard guard(mutex_);
      writing_ = false;
    }
    return hub_->complete(std::move(done), result<void>());
  }
  const auto last = next == pieces.size();
  send(std::move(message), [self = shared_from_this(), pieces = std::move(pieces), next, last,
                            done = std::move(done)](result<void> r) mutable {
    if (r && !last) return self->write_next(std::move(pieces), next, std::move(done));
    {
      const std::lock_guard guard(self->mutex_);
      self->writing_ = false;
    }
    done(std::move(r));
  });
}
void way::send(std::string message, connection::write_done done) {
  const in_call marked;
  socket_.send_binary(std::move(message),
                      [self = shared_from_this(), done = std::move(done)](result<void> r) mutable {
                        if (!r) {
                          const std::lock_guard guard(self->mutex_);
                          if (self->broken_)
                            r = std::unexpected(*self->broken_);
                          else if (r.error() != errc::cancelled || self->socket_.closed())
                            r = fail(errc::io_failed, std::string(r.error().text()));
                        }
                        self->hub_->finish(std::move(done), std::move(r));
                      });
}

namespace {

/// What the user holds.
class way_connection final : public connection {
 public:
  explicit way_connection(std::shared_ptr<way> w) noexcept : way_(std::move(w)) {}
  ~way_connection() override { way_->let_go(); }
  void read(std::span<std::byte> into, read_done done) override {
    way_->read(into, std::move(done));
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    way_->write(pieces, std::move(done));
  }
  void end_writing(write_done done) override { way_->end_writing(std::move(done)); }
  void abort() noexcept override { way_->abort(); }
  [[nodiscard]] const std::string& local_address() const noexcept override { return way_->local(); }
  [[nodiscard]] const std::string& peer_address() const noexcept override { return way_->peer(); }
  [[nodiscard]] std::string_view peer_identity() const noexcept override {
    return way_->identity();
  }

 private:
  std::shared_ptr<way> way_;
};

}  // namespace

std::unique_ptr<connection> make_way(const hub_ptr& h, websocket ws, std::size_t message_bytes) {
  auto w = std::make_shared<way>(h, std::move(ws), message_bytes);
  {
    const std::lock_guard guard(h->mutex);
    if (!h->over) h->ways.insert(w);
  }
  return std::make_unique<way_connection>(std::move(w));
}

// -- those that have come -------------------------------------------------------------------------

void place::arrived(websocket ws) {
  auto c = make_way(shared, std::move(ws), message_bytes);
  std::unique_lock guard(mutex);
  if (closed) return;
  if (waiting) {
    auto done = std::exchange(waiting, nullptr);
    guard.unlock();
    return done(std::move(c));
  }
  if (there.size() < backlog) there.push_back(std::move(c));
}
void place::accept(listener::accept_done d) {
  if (shared->over) return d(fail(errc::cancelled, "the listener was closed"));
  std::unique_lock guard(mutex);
  if (closed) {
    guard.unlock();
    accepted no = fail(errc::cancelled, "the listener was closed");
    return shared->complete(hub::counted(shared, std::move(d)), std::move(no));
  }
  auto done = hub::counted(shared, std::move(d));
  accepted r = fail(errc::invalid_argument, "an accept beside another");
  if (!waiting) {
    if (there.empty()) {
      waiting = std::move(done);
      return;
    }
    r = std::move(there.front());
    there.pop_front();
  }
  guard.unlock();
  shared->complete(std::move(done), std::move(r));
}
void place::close() {
  std::deque<std::unique_ptr<connection>> dropped;
  listener::accept_done done;
  {
    const std::lock_guard guard(mutex);
    closed = true;
    dropped.swap(there);
    done = std::exchange(waiting, nullptr);
  }
  if (done)
    shared->complete(std::move(done), accepted(fail(errc::cancelled, "the listener was closed")));
}

}  // namespace odeon::websocket_detail
