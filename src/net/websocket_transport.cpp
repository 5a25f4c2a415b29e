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

#include "internal/http_server_core.hpp"
#include "internal/websocket_way.hpp"
#include <odeon/net/http_client.hpp>

#include <algorithm>
#include <utility>

namespace odeon {

using namespace websocket_detail;

namespace {

constexpr const char* subprotocol = "odeon.bytes.v1";

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
