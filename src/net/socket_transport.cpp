// Sockets behind the transport seam: what TCP, Unix sockets and TLS share.
//
// Who owns what
//   loop           an io_context that one pinned thread runs. Shared by the transport, and by each
//                  connection and listener on it, so it is there as long as they are.
//   stream_socket  the state of a connection: shared by the connection that the user holds, by its
//                  operations that are under way, and by its lingering. Its own file tells who may
//                  touch what.
//   acceptor       the state of a listener; after `begin` only its loop's thread touches it.
//   connecting     one attempt, held by its own operations.
//
// Accepting. An accepted socket is made a connection by the layer: at once, or, under TLS, after a
// handshake. Handshakes go on beside each other, so that a peer that stalls holds up nobody: while
// an `accept` waits, the acceptor takes sockets until `shaking_max` are on their way. Those that
// become connections first are given out first; what nobody waits for is kept.
//
// Shutdown (~transport)
//   1. each loop is marked closed: nothing is submitted any more;
//   2. on its thread, all that is registered there closes: operations complete, `done` is told;
//   3. the work guard goes: run() returns when the last handler was called;
//   4. the executor is destroyed, which joins the thread.
//   Connections and listeners that are still held keep a loop that nobody runs; each operation on
//   them calls `done` at once with `cancelled`.

#include "internal/socket_transport.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ip/v6_only.hpp>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <deque>

namespace odeon::net_detail {

namespace {

using asio::ip::tcp;
using protocol = asio::generic::stream_protocol;

constexpr duration retry_accept_after = std::chrono::milliseconds(50);
constexpr duration retry_connect_after = std::chrono::milliseconds(5);

class no_layer final : public layer {
 public:
  void connected_to(socket_ptr s, const std::string&, duration, made done) override {
    done(std::make_unique<socket_connection>(std::move(s)));
  }
  void accepted(socket_ptr s, made done) override {
    done(std::make_unique<socket_connection>(std::move(s)));
  }
};

/// What all sockets of one transport have in common.
class common {
 public:
  common(runtime& rt, const socket_transport_options& o, std::shared_ptr<const family> f,
         std::shared_ptr<layer> l)
      : addresses(std::move(f)),
        above(std::move(l)),
        linger(o.linger) {
    for (unsigned i = 0; i < o.threads; ++i) loops_.push_back(std::make_shared<loop>(rt, o.name));
  }
  /// The loops in turn.
  [[nodiscard]] const loop_ptr& next() {
    return loops_[turn_.fetch_add(1, std::memory_order_relaxed) % loops_.size()];  // any order
  }
  void close() {
    for (auto& l : loops_) l->close();
    for (auto& l : loops_) l->join();
  }

  const std::shared_ptr<const family> addresses;
  const std::shared_ptr<layer> above;
  const duration linger;

 private:
  std::vector<loop_ptr> loops_;
  std::atomic<unsigned> turn_{0};
};
using common_ptr = std::shared_ptr<common>;

/// An accepted or connected socket; null: it is broken already.
socket_ptr wrap(const common& c, loop_ptr l, protocol::socket s, const connection_options& o) {
  auto socket = std::make_shared<stream_socket>(std::move(l), std::move(s), c.linger);
  return socket->begin(o) ? socket : nullptr;
}

class acceptor final : public closable, public std::enable_shared_from_this<acceptor> {
 public:
  acceptor(common_ptr c, place at, const connection_options& o)
      : common_(std::move(c)),
        loop_(common_->next()),
        place_(std::move(at)),
        options_(o),
        acceptor_(loop_->io),
        timer_(loop_->io) {}
  ~acceptor() { release(); }

  /// Before anything else, on any thread.
  error_code begin(int backlog) {
    error_code ec;
    acceptor_.open(place_.at.protocol(), ec);
    if (!ec && place_.dual) acceptor_.set_option(asio::ip::v6_only(false), ec);
    if (!ec && place_.at.protocol().family() != AF_UNIX)
      acceptor_.set_option(asio::socket_base::reuse_address(true), ec);
    if (!ec) acceptor_.bind(place_.at, ec);
    bound_ = !ec;
    if (!ec) ec = common_->addresses->bound(place_);
    if (!ec) acceptor_.listen(backlog, ec);
    if (!ec) address = text_of(acceptor_.local_endpoint(ec));
    return ec;
  }

  void accept(listener::accept_done done) {
    if (over_) return complete_later(*loop_, std::move(done), connected(closed()));
    if (done_)
      return complete_later(*loop_, std::move(done),
                            connected(misused("an accept beside another")));
    if (!ready_.empty()) {
      complete_later(*loop_, std::move(done), connected(std::move(ready_.front())));
      ready_.pop_front();
      return;
    }
    loop_->open.try_emplace(this, weak_from_this());
    done_ = std::move(done);
    next();
  }

  void close_now() noexcept override {
    if (std::exchange(over_, true)) return;
    loop_->open.erase(this);
    error_code ignored;
    release();
    acceptor_.close(ignored);
    timer_.cancel(ignored);
    ready_.clear();
    if (done_) complete_later(*loop_, std::exchange(done_, nullptr), connected(closed()));
  }
  [[nodiscard]] loop& home() const noexcept { return *loop_; }

  std::string address;

 private:
  static std::unexpected<error> closed() {
    return fail(errc::cancelled, "the listener was closed");
  }
  void release() noexcept {
    if (std::exchange(bound_, false)) common_->addresses->released(place_);
  }
  void next() {
    if (over_ || !done_ || accepting_ || shaking_ >= common_->above->shaking_max()) return;
    accepting_ = true;
    const loop_ptr& l = common_->next();
    acceptor_.async_accept(l->io,
                           [self = shared_from_this(), l](error_code ec, protocol::socket s) {
                             self->arrived(ec, l, std::move(s));
                           });
  }
  void arrived(error_code ec, const loop_ptr& l, protocol::socket s) {
    accepting_ = false;
    if (over_) return;
    switch (ec.value()) {  // the system's
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: return later();
      case 0:
        if (auto socket = wrap(*common_, l, std::move(s), options_)) shake(std::move(socket));
        break;
      case ECONNABORTED:
      case EINTR:
      case EPROTO: break;  // the peer was gone before it was accepted
      default:
        return finish(fail(errc::io_failed, "cannot accept on " + address + ": " + ec.message()));
    }
    next();
  }
  void shake(socket_ptr s) {
    ++shaking_;
    common_->above->accepted(std::move(s), [self = shared_from_this()](connected c) {
      auto& home = *self->loop_;
      (void)home.submit([self, c = std::move(c)]() mutable { self->shaken(std::move(c)); });
    });
  }
  void shaken(connected c) {
    --shaking_;
    if (c && !over_) {
      if (done_)
        finish(std::move(c));
      else
        ready_.push_back(std::move(*c));
    }
    next();
  }
  /// The system lacks what a connection needs: others have to end first.
  void later() {
    timer_.expires_after(retry_accept_after);
    timer_.async_wait([self = shared_from_this()](error_code) { self->next(); });
  }
  void finish(connected c) { complete_later(*loop_, std::exchange(done_, nullptr), std::move(c)); }

  common_ptr common_;
  loop_ptr loop_;
  place place_;
  const connection_options options_;
  asio::basic_socket_acceptor<protocol> acceptor_;
  asio::steady_timer timer_;
  listener::accept_done done_;
  std::deque<connection_ptr> ready_;  // at most `shaking_max`
  std::size_t shaking_ = 0;
  bool accepting_ = false;
  bool bound_ = false;
  bool over_ = false;
};

/// What the user holds of an acceptor.
class socket_listener final : public listener {
 public:
  explicit socket_listener(std::shared_ptr<acceptor> a) noexcept : acceptor_(std::move(a)) {}
  ~socket_listener() override { close(); }
  void accept(accept_done done) override {
    operate(
        acceptor_->home(), [a = acceptor_](accept_done d) { a->accept(std::move(d)); },
        std::move(done));
  }
  void close() noexcept override {
    (void)acceptor_->home().submit([a = acceptor_] { a->close_now(); });
  }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return acceptor_->address;
  }

 private:
  std::shared_ptr<acceptor> acceptor_;
};

/// One attempt to connect: looks the name up, tries its addresses, all within the time-out.
class connecting final : public closable, public std::enable_shared_from_this<connecting> {
 public:
  connecting(common_ptr c, loop_ptr l, const connect_options& o, family::target to)
      : common_(std::move(c)),
        loop_(std::move(l)),
        options_(o),
        to_(std::move(to)),
        resolver_(loop_->io),
        socket_(loop_->io),
        timer_(loop_->io),
        retry_(loop_->io) {}
  ~connecting() = default;

  void start(transport::connect_done done) {
    done_ = std::move(done);
    loop_->open.try_emplace(this, weak_from_this());
    const duration limit = options_.timeout;
    timer_.expires_after(limit);
    until_ = timer_.expiry();
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec)
        self->failed(errc::connect_timeout,
                     "no answer within " + to_string(self->options_.timeout) +
                         "; see whether the machine is up and a firewall lets this through");
    });
    if (!to_.all.empty()) return try_all();
    resolver_.async_resolve(to_.name.host, std::to_string(to_.name.port),
                            [self = shared_from_this()](error_code ec, auto found) {
                              if (!self->done_) return;
                              if (ec) return self->not_found(ec);
                              for (const auto& f : found) self->to_.all.push_back(f.endpoint());
                              self->try_all();
                            });
  }
  void close_now() noexcept override { finish(gave_up()); }

 private:
  void try_all() {
    asio::async_connect(socket_, to_.all, [self = shared_from_this()](error_code ec, const auto&) {
      self->tried(ec);
    });
  }
  void tried(error_code ec) {
    if (!done_) return;
    // A socket that could not be opened is told as this; why, another attempt at that says.
    if (ec == asio::error::operation_aborted) socket_.open(to_.all.back().protocol(), ec);
    if (ec) return no_way(ec);
    const bool is_unix = to_.all.front().protocol().family() == AF_UNIX;
    auto s = wrap(*common_, loop_, std::move(socket_), options_.connection);
    if (!s && is_unix) return once_more();
    if (!s) return failed(errc::unreachable, "the connection broke at once; try again");
    error_code ignored;
    timer_.cancel(ignored);
    const duration left = until_ - asio::steady_timer::clock_type::now();
    common_->above->connected_to(std::move(s), to_.text, left,
                                 [self = shared_from_this()](connected c) {
                                   // On the loop's thread: it is the socket's own.
                                   self->finish(std::move(c));
                                 });
  }
  /// The listener of a Unix socket has no room: the system does not keep the attempt.
  void once_more() {
    retry_.expires_after(retry_connect_after);
    retry_.async_wait([self = shared_from_this()](error_code) {
      if (self->done_) self->try_all();
    });
  }
  void not_found(error_code ec) {
    failed(errc::unknown_host,
           "the host has no address (" + ec.message() + "); check its name, and the name service");
  }
  void no_way(error_code ec) {
    if (ec.value() == ECONNREFUSED)
      return failed(errc::connection_refused,
                    "nobody listens there; start what should, or check the address");
    if (ec.value() == ENOENT)
      return failed(errc::connection_refused,
                    "there is no such socket; start what should listen, or check the path");
    const char* todo = "; check the address, and the network on the way to it";
    if (ec.value() == EMFILE || ec.value() == ENFILE)
      todo = "; raise the limit of open files (ulimit -n), or hold fewer connections";
    else if (ec.value() == EACCES || ec.value() == EPERM)
      todo = "; see that this user may do that";
    failed(errc::unreachable, ec.message() + todo);
  }
  void failed(errc code, const std::string& why) {
    finish(fail(code, "cannot connect to " + to_.text + ": " + why));
  }
  void finish(connected c) {
    if (!done_) return;
    loop_->open.erase(this);
    error_code ignored;
    timer_.cancel(ignored);
    retry_.cancel(ignored);
    resolver_.cancel();
    socket_.close(ignored);
    complete_later(*loop_, std::exchange(done_, nullptr), std::move(c));
  }

  common_ptr common_;
  loop_ptr loop_;
  const connect_options options_;
  family::target to_;
  tcp::resolver resolver_;
  protocol::socket socket_;
  asio::steady_timer timer_, retry_;
  asio::steady_timer::time_point until_;
  transport::connect_done done_;
};

class socket_transport final : public transport {
 public:
  explicit socket_transport(common_ptr c) noexcept : common_(std::move(c)) {}
  ~socket_transport() override { common_->close(); }

  result<std::unique_ptr<listener>> listen(std::string_view address, listen_options o) override {
    const auto places = common_->addresses->places(address);
    if (!places) return std::unexpected(places.error());
    error_code ec;
    for (const place& at : *places) {
      const auto held = common_->addresses->prepare(at);
      if (!held) return std::unexpected(held.error());
      auto a = std::make_shared<acceptor>(common_, at, o.connection);
      ec = a->begin(o.backlog);
      if (!ec) return std::make_unique<socket_listener>(std::move(a));
      if (ec != asio::error::address_family_not_supported) break;
    }
    const bool taken = ec == asio::error::address_in_use;
    return fail(taken ? errc::address_in_use : errc::io_failed,
                "cannot listen on " + std::string(address) + ": " + ec.message());
  }

  void connect(std::string_view address, connect_options o, connect_done done) override {
    auto to = common_->addresses->to(address);
    const loop_ptr& l = common_->next();
    if (!to) return tell(*l, std::move(done), connected(std::unexpected(std::move(to.error()))));
    auto c = std::make_shared<connecting>(common_, l, o, std::move(*to));
    operate(*l, [c](connect_done d) { c->start(std::move(d)); }, std::move(done));
  }

 private:
  common_ptr common_;
};

class tcp_addresses final : public family {
 public:
  result<std::vector<place>> places(std::string_view address) const override {
    auto at = parse_address(address);
    if (!at) return std::unexpected(std::move(at.error()));
    if (at->host == "*")  // the second: a machine without IPv6
      return std::vector{place{tcp::endpoint(asio::ip::address_v6::any(), at->port), true},
                         place{tcp::endpoint(asio::ip::address_v4::any(), at->port)}};
    error_code ec;
    const auto host = asio::ip::make_address(at->host == "localhost" ? "127.0.0.1" : at->host, ec);
    if (ec)
      return fail(errc::invalid_argument,
                  "cannot listen on " + std::string(address) +
                      ": the host is no numeric address, 'localhost' or '*'");
    return std::vector{place{tcp::endpoint(host, at->port)}};
  }
  result<target> to(std::string_view address) const override {
    auto at = parse_address(address);
    if (!at) return std::unexpected(std::move(at.error()));
    target t{.text = to_string(*at), .all = {}, .name = {}};
    error_code no_number;
    const auto numeric = asio::ip::make_address(at->host, no_number);
    if (no_number)
      t.name = std::move(*at);
    else
      t.all.emplace_back(tcp::endpoint(numeric, at->port));
    return t;
  }
};

}  // namespace

std::shared_ptr<layer> plain_layer() { return std::make_shared<no_layer>(); }
std::shared_ptr<const family> tcp_family() { return std::make_shared<tcp_addresses>(); }

std::unique_ptr<transport> make_socket_transport(runtime& rt, const char* what,
                                                 socket_transport_options o,
                                                 std::shared_ptr<const family> addresses,
                                                 std::shared_ptr<layer> above) {
  if (rt.is_simulated())
    throw actor_error(errc::invalid_argument,
                      "a simulated runtime has no sockets: use make_memory_transport");
  if (o.threads == 0 || o.threads > 64)
    throw actor_error(errc::invalid_argument, std::string("a ") + what +
                                                  " transport has 1 to 64 threads, not " +
                                                  std::to_string(o.threads));
  return std::make_unique<socket_transport>(
      std::make_shared<common>(rt, o, std::move(addresses), std::move(above)));
}

}  // namespace odeon::net_detail
