// A transport over WebSockets: each write is a binary message, an empty one the end of writing.
//
// Who owns what
//   way        the state of one connection: shared by what the user holds and by its operations.
//              `mutex` guards which of them are under way; no function is called under it.
//   place      a listener: an http_server with one route, and what it has accepted and nobody has
//              taken yet, at most the backlog.
//   hub        what all of a transport's ways and places have in common: the serial executor that
//              completes what must not be completed inside a call, and the count of operations.
//
// A `done` is never called inside a call of this transport's user, who may hold locks there:
// neither of its own call nor of another one. What is under the transport runs what has arrived
// meanwhile on the thread that sends, so each call marks its thread (`in_call`), and what completes
// on a marked thread is completed by the hub's executor instead.
//
// An operation is counted from its call until its `done` was called. The end of the transport
// closes the places, aborts the ways, which completes everything, and waits for the count to be
// zero. What is asked of a way after that is told `cancelled` inside the call.

#include "internal/websocket_core.hpp"
#include <odeon/net/http_client.hpp>
#include <odeon/net/websocket.hpp>
#include <odeon/runtime/serial_executor.hpp>

#include <algorithm>
#include <cstring>
#include <deque>
#include <set>
#include <utility>

namespace odeon {

namespace {

constexpr const char* subprotocol = "odeon.bytes.v1";

error gave_up() { return {errc::cancelled, "this side gave the connection up"}; }

/// While one exists, its thread is inside of a call of the user.
class in_call {
 public:
  in_call() noexcept { ++depth; }
  ~in_call() { --depth; }
  in_call(const in_call&) = delete;
  [[nodiscard]] static bool here() noexcept { return depth != 0; }

 private:
  static thread_local unsigned depth;
};
thread_local unsigned in_call::depth = 0;

class way;

/// What the connections of one transport have in common.
struct hub {
  explicit hub(runtime& r) : rt(r), later(r.make_serial("odeon-ws")) {}

  /// `done`, which counts until it was called.
  template <class R>
  [[nodiscard]] static std::move_only_function<void(R)> counted(
      const std::shared_ptr<hub>& h, std::move_only_function<void(R)> done) {
    h->operations.fetch_add(1);
    return [h, done = std::move(done)](R r) mutable {
      done(std::move(r));
      done = nullptr;
      h->operations.fetch_sub(1);
      // Who ends the transport has set `over` before it looked at the count.
      if (h->over) h->rt.wake(h->operations);
    };
  }
  /// At once, but inside of a call, where it is done later.
  template <class R>
  void finish(std::move_only_function<void(R)> done, R r) {
    if (in_call::here()) return complete(std::move(done), std::move(r));
    done(std::move(r));
  }
  /// Not inside of a call.
  template <class R>
  void complete(std::move_only_function<void(R)> done, R r) {
    std::unique_lock guard(mutex);
    if (!later) {
      guard.unlock();
      return done(std::move(r));
    }
    later->post([done = std::move(done), r = std::move(r)]() mutable { done(std::move(r)); });
  }

  runtime& rt;
  std::atomic<std::uint32_t> operations{0};
  std::atomic<bool> over{false};
  std::mutex mutex;
  // Under it.
  std::unique_ptr<serial_executor> later;
  std::set<std::weak_ptr<way>, std::owner_less<>> ways;
};
using hub_ptr = std::shared_ptr<hub>;

class way final : public std::enable_shared_from_this<way> {
 public:
  way(hub_ptr h, websocket ws, std::size_t message_bytes)
      : hub_(std::move(h)),
        socket_(std::move(ws)),
        message_bytes_(message_bytes) {}

  void read(std::span<std::byte> into, connection::read_done d) {
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

  void write(std::span<const const_bytes> pieces, connection::write_done d) {
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
  void end_writing(connection::write_done d) {
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
  /// What fails from now on is told that this side gave it up.
  void give_up() noexcept {
    const std::lock_guard guard(mutex_);
    if (!broken_) broken_ = gave_up();
  }
  void abort() noexcept {
    give_up();
    const in_call marked;
    socket_.abort();
  }
  void let_go() {
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
  [[nodiscard]] const std::string& local() const noexcept { return socket_.local_address(); }
  [[nodiscard]] const std::string& peer() const noexcept { return socket_.peer_address(); }
  [[nodiscard]] std::string_view identity() const noexcept { return socket_.peer_identity(); }

 private:
  [[nodiscard]] bool is_over() const { return hub_->over; }
  /// Under the lock.
  std::size_t give(std::span<std::byte> into) {
    const std::size_t n = std::min(into.size(), there_.size() - at_);
    if (n > 0) std::memcpy(into.data(), there_.data() + at_, n);
    at_ += n;
    if (at_ == there_.size()) there_.clear(), at_ = 0;
    return n;
  }
  result<std::size_t> received(std::span<std::byte> into,
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
  void write_next(std::vector<const_bytes> pieces, std::size_t at, connection::write_done done) {
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
  void send(std::string message, connection::write_done done) {
    const in_call marked;
    socket_.send_binary(std::move(message), [self = shared_from_this(),
                                             done = std::move(done)](result<void> r) mutable {
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

  const hub_ptr hub_;
  websocket socket_;
  const std::size_t message_bytes_;
  mutable std::mutex mutex_;
  // Under it.
  std::string there_;
  std::size_t at_ = 0;
  bool reading_ = false, writing_ = false, wrote_end_ = false, saw_end_ = false;
  std::optional<error> broken_;
};

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

std::unique_ptr<connection> make_way(const hub_ptr& h, websocket ws, std::size_t message_bytes) {
  auto w = std::make_shared<way>(h, std::move(ws), message_bytes);
  {
    const std::lock_guard guard(h->mutex);
    if (!h->over) h->ways.insert(w);
  }
  return std::make_unique<way_connection>(std::move(w));
}

using accepted = result<std::unique_ptr<connection>>;

/// What has arrived at a listener, and who waits for it.
struct place {
  place(hub_ptr h, std::size_t m, std::size_t b)
      : shared(std::move(h)),
        message_bytes(m),
        backlog(b) {}
  void arrived(websocket ws) {
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
  void accept(listener::accept_done d) {
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
  void close() {
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

  const hub_ptr shared;
  const std::size_t message_bytes, backlog;
  std::mutex mutex;
  // Under it.
  std::atomic<bool> closed{false};
  std::deque<std::unique_ptr<connection>> there;
  listener::accept_done waiting;
};

class place_listener final : public listener {
 public:
  place_listener(std::shared_ptr<place> p, std::shared_ptr<detail::http_server_core> server,
                 std::string address)
      : place_(std::move(p)),
        server_(std::move(server)),
        address_(std::move(address)) {}
  ~place_listener() override { close(); }
  void accept(accept_done done) override { place_->accept(std::move(done)); }
  void close() noexcept override {
    // What was accepted goes on: the server takes no more.
    server_->stop_listening();
    place_->close();
  }
  [[nodiscard]] const std::string& local_address() const noexcept override { return address_; }

 private:
  std::shared_ptr<place> place_;
  std::shared_ptr<detail::http_server_core> server_;
  std::string address_;
};

/// A connect that is under way, until it or the end of the transport tells of it.
struct attempt {
  std::mutex mutex;
  transport::connect_done done;  // under it
  void tell(accepted c) {
    transport::connect_done d;
    {
      const std::lock_guard guard(mutex);
      d = std::exchange(done, nullptr);
    }
    if (d) d(std::move(c));
  }
};

class websocket_transport final : public transport {
 public:
  websocket_transport(runtime& rt, websocket_transport_options o)
      : options_(std::move(o)),
        shared_(std::make_shared<hub>(rt)) {}
  ~websocket_transport() override {
    std::vector<std::shared_ptr<way>> ways;
    {
      const std::lock_guard guard(shared_->mutex);
      shared_->over = true;
      for (const auto& weak : std::exchange(shared_->ways, {}))
        if (auto w = weak.lock()) ways.push_back(std::move(w));
    }
    std::vector<std::shared_ptr<attempt>> attempts;
    std::vector<served> places;
    {
      const std::lock_guard guard(mutex_);
      places.swap(places_);
      for (const auto& weak : std::exchange(attempts_, {}))
        if (auto a = weak.lock()) attempts.push_back(std::move(a));
    }
    // All of them before any is closed: the other end of one may be another of these.
    for (const auto& w : ways) w->give_up();
    for (const auto& a : attempts) a->tell(std::unexpected(gave_up()));
    for (const auto& p : places) {
      p.server->stop_listening();
      p.at->close();
    }
    for (const auto& w : ways) w->abort();
    for (const auto& p : places) p.server->end();
    std::atomic<std::uint32_t>& left = shared_->operations;
    for (std::uint32_t n = left.load(); n > 0; n = left.load())
      (void)shared_->rt.wait(left, n, time_point::max());
    std::unique_ptr<serial_executor> last;
    {
      const std::lock_guard guard(shared_->mutex);
      last = std::move(shared_->later);
    }
  }

  result<std::unique_ptr<listener>> listen(std::string_view address, listen_options o) override {
    auto u = url_of(address);
    if (!u) return std::unexpected(std::move(u.error()));
    transport* under = u->way;
    auto at = std::make_shared<place>(shared_, options_.message_bytes,
                                      std::size_t(std::max(o.backlog, 1)));
    websocket_options w = socket_options();
    w.refuse = [](const http_request& r) -> std::optional<http_response> {
      if (r.fields.has_token("Sec-WebSocket-Protocol", subprotocol)) return std::nullopt;
      return http_text(400, std::string("only ") + subprotocol + " is spoken here\n");
    };
    http_routes routes;
    add_websocket(
        routes, u->path,
        [weak = std::weak_ptr(at)](const http_request&, websocket ws) {
          if (const auto p = weak.lock()) p->arrived(std::move(ws));
        },
        std::move(w));
    auto server = std::make_shared<detail::http_server_core>(
        shared_->rt, std::move(routes), http_server_options{.limits = options_.limits});
    auto real = server->listen(*under, u->address, o);
    if (!real) return std::unexpected(std::move(real.error()));
    {
      const std::lock_guard guard(mutex_);
      // Servers whose listener and connections have ended.
      std::erase_if(places_, [](const served& s) { return s.at->closed && s.server->live == 0; });
      places_.push_back({at, server});
    }
    std::string shown = u->scheme.empty() ? *real : u->scheme + "://" + *real + u->path;
    return std::make_unique<place_listener>(std::move(at), std::move(server), std::move(shown));
  }

  void connect(std::string_view address, connect_options o, connect_done d) override {
    auto u = url_of(address);
    auto done = hub::counted(shared_, std::move(d));
    if (!u) return shared_->complete(std::move(done), accepted(std::unexpected(u.error())));
    auto a = std::make_shared<attempt>();
    a->done = std::move(done);
    {
      const std::lock_guard guard(mutex_);
      std::erase_if(attempts_, [](const auto& weak) { return weak.expired(); });
      attempts_.push_back(a);
    }
    websocket_options w = socket_options();
    w.handshake_time = o.timeout;
    const std::string_view scheme = u->way == options_.tls ? "wss" : "ws";
    const std::string url = std::string(scheme) + "://" + u->address + u->path;
    connect_websocket(
        shared_->rt, *u->way, url, std::move(w), {},
        [h = shared_, a, n = options_.message_bytes](result<websocket> ws) {
          if (!ws) return a->tell(std::unexpected(told(std::move(ws.error()))));
          if (ws->subprotocol() != subprotocol)
            return a->tell(fail(errc::incompatible_peer,
                                ws->peer_address() + " does not speak " + subprotocol));
          a->tell(make_way(h, std::move(*ws), n));
        });
  }

 private:
  struct target {
    std::string scheme, address, path;
    transport* way = nullptr;
  };
  struct served {
    std::shared_ptr<place> at;
    std::shared_ptr<detail::http_server_core> server;
  };
  static error told(error e) {
    return e == errc::ask_timeout ? error(errc::connect_timeout, std::string(e.text())) : e;
  }
  [[nodiscard]] result<target> url_of(std::string_view address) const {
    target t{"", std::string(address), options_.path,
             options_.plain ? options_.plain : options_.tls};
    if (const auto mark = address.find("://"); mark != std::string_view::npos) {
      t.scheme = address.substr(0, mark);
      if (t.scheme != "ws" && t.scheme != "wss")
        return fail(errc::invalid_argument,
                    "the address '" + std::string(address) + "' is neither of ws nor of wss");
      std::string_view rest = address.substr(mark + 3);
      const auto slash = std::min(rest.find('/'), rest.size());
      t.address = rest.substr(0, slash);
      if (slash < rest.size()) t.path = rest.substr(slash);
      t.way = t.scheme == "wss" ? options_.tls : options_.plain;
    }
    auto parts = parse_address(t.address);
    if (!parts && !t.scheme.empty()) {  // a url's own port
      t.address += t.scheme == "wss" ? ":443" : ":80";
      parts = parse_address(t.address);
    }
    if (!parts) return std::unexpected(std::move(parts.error()));
    if (!t.way)
      return fail(errc::invalid_argument,
                  "there is no transport under '" + std::string(address) + "'");
    return t;
  }
  [[nodiscard]] websocket_options socket_options() const {
    websocket_options o;
    o.message_bytes = o.frame_bytes = std::max<std::size_t>(options_.message_bytes, 1024 * 1024);
    o.unsent_bytes = 2 * o.message_bytes;
    o.ping_interval = options_.ping_interval;
    o.subprotocols = {subprotocol};
    return o;
  }

  const websocket_transport_options options_;
  const hub_ptr shared_;
  std::mutex mutex_;
  // Under it.
  std::vector<served> places_;
  std::vector<std::weak_ptr<attempt>> attempts_;
};

}  // namespace

std::unique_ptr<transport> make_websocket_transport(runtime& rt,
                                                    websocket_transport_options options) {
  if (!options.plain && !options.tls)
    throw actor_error(errc::invalid_argument, "WebSockets need a transport under them");
  return std::make_unique<websocket_transport>(rt, std::move(options));
}

}  // namespace odeon
