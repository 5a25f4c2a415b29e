// TCP behind the transport seam: the one source that knows Asio's sockets.
//
// Who owns what
//   loop      an io_context that one pinned thread runs. Shared by the transport, and by each
//             connection and listener on it, so it is there as long as they are.
//   socket    tcp_socket, the state of a connection: shared by the tcp_connection that the user
//             holds, by its operations that are under way, and by its lingering. After the first
//             submit only its loop's thread touches it. The same holds for tcp_acceptor.
//
// From the outside everything is submitted to the loop: run at once when the caller is its thread
// (Asio calls no handler inside an initiation), else posted. `submit` and the closing of a loop
// exclude each other by `mutex`, so what was submitted before the closing is run, and what comes
// after it is told so and cancels itself.
//
// Shutdown (~tcp_transport)
//   1. each loop is marked closed: nothing is submitted any more;
//   2. on its thread, all that is registered there closes: operations complete, `done` is told;
//   3. the work guard goes: run() returns when the last handler was called;
//   4. the executor is destroyed, which joins the thread.
//   Connections and listeners that are still held keep a loop that nobody runs; each operation on
//   them calls `done` at once with `cancelled`.

#include "internal/tcp_socket.hpp"
#include <odeon/net/tcp.hpp>

#include <boost/asio/connect.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <atomic>
#include <cerrno>

namespace odeon {

namespace {

using namespace tcp_detail;

constexpr duration retry_accept_after = std::chrono::milliseconds(50);

/// What the user holds of a socket.
class tcp_connection final : public connection {
 public:
  explicit tcp_connection(std::shared_ptr<tcp_socket> s) noexcept : socket_(std::move(s)) {}
  ~tcp_connection() override {
    // A closed loop has closed it, or nothing of it is under way.
    (void)socket_->home().submit([s = socket_] { s->let_go(); });
  }
  void read(std::span<std::byte> into, read_done done) override {
    operate(
        socket_->home(), [s = socket_, into](read_done d) { s->read(into, std::move(d)); },
        std::move(done));
  }
  using connection::write;
  void write(std::span<const const_bytes> pieces, write_done done) override {
    const bool too_many = pieces.size() > write_pieces_max;
    std::vector<asio::const_buffer> all;
    all.reserve(pieces.size());
    for (const const_bytes p : pieces.first(too_many ? 0 : pieces.size()))
      if (!p.empty()) all.emplace_back(p.data(), p.size());
    operate(
        socket_->home(),
        [s = socket_, all = std::move(all), too_many](write_done d) mutable {
          s->write(std::move(all), too_many, std::move(d));
        },
        std::move(done));
  }
  void end_writing(write_done done) override {
    operate(
        socket_->home(), [s = socket_](write_done d) { s->end_writing(std::move(d)); },
        std::move(done));
  }
  void abort() noexcept override {
    (void)socket_->home().submit([s = socket_] { s->abort(); });
  }
  [[nodiscard]] const std::string& local_address() const noexcept override {
    return socket_->local;
  }
  [[nodiscard]] const std::string& peer_address() const noexcept override { return socket_->peer; }

 private:
  std::shared_ptr<tcp_socket> socket_;
};

using connected = result<std::unique_ptr<connection>>;

/// The loops of one transport, and what all its sockets have in common.
struct shared_part {
  tcp_options options;
  std::vector<loop_ptr> loops;
  std::atomic<unsigned> turn{0};
  [[nodiscard]] const loop_ptr& next_loop() { return loops[turn.fetch_add(1) % loops.size()]; }
};
using shared_ptr_to_part = std::shared_ptr<shared_part>;

/// An accepted or connected socket; null: it is broken already.
std::unique_ptr<connection> wrap(const shared_part& p, loop_ptr l, tcp::socket s,
                                 const connection_options& o) {
  auto socket = std::make_shared<tcp_socket>(std::move(l), std::move(s), p.options.linger);
  if (!socket->begin(o)) return nullptr;
  return std::make_unique<tcp_connection>(std::move(socket));
}

class tcp_acceptor final : public closable, public std::enable_shared_from_this<tcp_acceptor> {
 public:
  tcp_acceptor(shared_ptr_to_part p, loop_ptr l, const connection_options& o)
      : part_(std::move(p)),
        loop_(std::move(l)),
        options_(o),
        acceptor_(loop_->io),
        timer_(loop_->io) {}
  ~tcp_acceptor() = default;

  /// Before anything else, on any thread.
  error_code begin(const tcp::endpoint& at, bool dual, int backlog) {
    error_code ec;
    acceptor_.open(at.protocol(), ec);
    if (!ec && dual) acceptor_.set_option(asio::ip::v6_only(false), ec);
    if (!ec) acceptor_.set_option(tcp::acceptor::reuse_address(true), ec);
    if (!ec) acceptor_.bind(at, ec);
    if (!ec) acceptor_.listen(backlog, ec);
    if (!ec) address = text_of(acceptor_.local_endpoint(ec));
    return ec;
  }

  void accept(listener::accept_done done) {
    if (over_) return complete_later(*loop_, std::move(done), connected(closed()));
    if (done_)
      return complete_later(*loop_, std::move(done),
                            connected(misused("an accept beside another")));
    loop_->open.try_emplace(this, weak_from_this());
    done_ = std::move(done);
    next();
  }

  void close_now() noexcept override {
    if (std::exchange(over_, true)) return;
    loop_->open.erase(this);
    error_code ignored;
    acceptor_.close(ignored);
    timer_.cancel(ignored);
  }
  [[nodiscard]] loop& home() const noexcept { return *loop_; }

  std::string address;

 private:
  static std::unexpected<error> closed() {
    return fail(errc::cancelled, "the listener was closed");
  }
  void next() {
    const loop_ptr& l = part_->next_loop();
    acceptor_.async_accept(l->io, [self = shared_from_this(), l](error_code ec, tcp::socket s) {
      self->arrived(ec, l, std::move(s));
    });
  }
  void arrived(error_code ec, const loop_ptr& l, tcp::socket s) {
    if (!ec)
      if (auto c = wrap(*part_, l, std::move(s), options_)) return finish(std::move(c));
    if (over_) return finish(closed());
    switch (ec.value()) {  // the system's
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM: return later();
      case 0:
      case ECONNABORTED:
      case EINTR:
      case EPROTO: break;
      default:
        return finish(fail(errc::io_failed, "cannot accept on " + address + ": " + ec.message()));
    }
    next();  // the peer was gone before it was accepted
  }
  /// The system lacks what a connection needs: others have to end first.
  void later() {
    timer_.expires_after(retry_accept_after);
    timer_.async_wait([self = shared_from_this()](error_code) {
      if (self->over_) return self->finish(closed());
      self->next();
    });
  }
  void finish(connected c) { std::exchange(done_, nullptr)(std::move(c)); }

  shared_ptr_to_part part_;
  loop_ptr loop_;
  const connection_options options_;
  tcp::acceptor acceptor_;
  asio::steady_timer timer_;
  listener::accept_done done_;
  bool over_ = false;
};

/// What the user holds of an acceptor.
class tcp_listener final : public listener {
 public:
  explicit tcp_listener(std::shared_ptr<tcp_acceptor> a) noexcept : acceptor_(std::move(a)) {}
  ~tcp_listener() override { close(); }
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
  std::shared_ptr<tcp_acceptor> acceptor_;
};

/// One attempt to connect: looks the name up, tries its addresses, all within the time-out.
class connecting final : public closable, public std::enable_shared_from_this<connecting> {
 public:
  connecting(shared_ptr_to_part p, loop_ptr l, connect_options o, host_and_port to)
      : part_(std::move(p)),
        loop_(std::move(l)),
        options_(o),
        to_(std::move(to)),
        resolver_(loop_->io),
        socket_(loop_->io),
        timer_(loop_->io) {}
  ~connecting() = default;

  void start(transport::connect_done done) {
    done_ = std::move(done);
    loop_->open.try_emplace(this, weak_from_this());
    timer_.expires_after(options_.timeout);
    timer_.async_wait([self = shared_from_this()](error_code ec) {
      if (!ec) self->failed("nothing came within " + to_string(self->options_.timeout));
    });
    error_code no_number;
    const auto numeric = asio::ip::make_address(to_.host, no_number);
    if (!no_number) return try_these(std::array{tcp::endpoint(numeric, to_.port)});
    resolver_.async_resolve(to_.host, std::to_string(to_.port),
                            [self = shared_from_this()](error_code ec, auto found) {
                              if (!self->done_) return;
                              if (ec) return self->failed(ec.message());
                              std::vector<tcp::endpoint> all;
                              for (const auto& f : found) all.push_back(f.endpoint());
                              self->try_these(std::move(all));
                            });
  }
  void close_now() noexcept override { finish(gave_up()); }

 private:
  template <class Endpoints>
  void try_these(Endpoints all) {
    auto kept = std::make_shared<Endpoints>(std::move(all));
    asio::async_connect(
        socket_, *kept, [self = shared_from_this(), kept](error_code ec, const tcp::endpoint&) {
          if (!self->done_) return;
          if (ec) return self->failed(ec.message());
          auto c =
              wrap(*self->part_, self->loop_, std::move(self->socket_), self->options_.connection);
          if (!c) return self->failed("the connection broke at once");
          self->finish(std::move(c));
        });
  }
  void failed(const std::string& why) {
    finish(fail(errc::unreachable, "cannot connect to " + to_string(to_) + ": " + why));
  }
  void finish(connected c) {
    if (!done_) return;
    loop_->open.erase(this);
    error_code ignored;
    timer_.cancel(ignored);
    resolver_.cancel();
    socket_.close(ignored);
    std::exchange(done_, nullptr)(std::move(c));
  }

  shared_ptr_to_part part_;
  loop_ptr loop_;
  const connect_options options_;
  const host_and_port to_;
  tcp::resolver resolver_;
  tcp::socket socket_;
  asio::steady_timer timer_;
  transport::connect_done done_;
};

class tcp_transport final : public transport {
 public:
  tcp_transport(runtime& rt, tcp_options o) : part_(std::make_shared<shared_part>()) {
    part_->options = std::move(o);
    for (unsigned i = 0; i < part_->options.threads; ++i)
      part_->loops.push_back(std::make_shared<loop>(rt, part_->options.name));
  }
  ~tcp_transport() override {
    for (auto& l : part_->loops) l->close();
    for (auto& l : part_->loops) l->join();
  }

  result<std::unique_ptr<listener>> listen(std::string_view address, listen_options o) override {
    auto at = parse_address(address);
    if (!at) return std::unexpected(std::move(at.error()));
    error_code ec;
    const bool all = at->host == "*";
    const auto host = asio::ip::make_address(all                       ? "::"
                                             : at->host == "localhost" ? "127.0.0.1"
                                                                       : at->host,
                                             ec);
    if (ec)
      return fail(errc::invalid_argument,
                  "cannot listen on " + std::string(address) +
                      ": the host is no numeric address, 'localhost' or '*'");
    auto a = std::make_shared<tcp_acceptor>(part_, part_->next_loop(), o.connection);
    ec = a->begin({host, at->port}, all, o.backlog);
    if (ec == asio::error::address_family_not_supported && all) {  // a machine without IPv6
      a = std::make_shared<tcp_acceptor>(part_, part_->next_loop(), o.connection);
      ec = a->begin({asio::ip::address_v4::any(), at->port}, false, o.backlog);
    }
    if (ec)
      return fail(errc::io_failed,
                  "cannot listen on " + std::string(address) + ": " + ec.message());
    return std::make_unique<tcp_listener>(std::move(a));
  }

  void connect(std::string_view address, connect_options o, connect_done done) override {
    auto to = parse_address(address);
    const loop_ptr& l = part_->next_loop();
    if (!to)
      return operate(
          *l,
          [l, why = std::move(to.error())](connect_done d) mutable {
            complete_later(*l, std::move(d), connected(std::unexpected(std::move(why))));
          },
          std::move(done));
    auto c = std::make_shared<connecting>(part_, l, o, std::move(*to));
    operate(*l, [c](connect_done d) { c->start(std::move(d)); }, std::move(done));
  }

 private:
  shared_ptr_to_part part_;
};

}  // namespace

std::unique_ptr<transport> make_tcp_transport(runtime& rt, tcp_options options) {
  if (rt.is_simulated())
    throw actor_error(errc::invalid_argument,
                      "a simulated runtime has no sockets: use make_memory_transport");
  if (options.threads == 0 || options.threads > 64)
    throw actor_error(errc::invalid_argument, "a TCP transport has 1 to 64 threads, not " +
                                                  std::to_string(options.threads));
  return std::make_unique<tcp_transport>(rt, std::move(options));
}

}  // namespace odeon
