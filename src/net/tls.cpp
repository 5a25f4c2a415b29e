// TLS as a layer on the sockets of socket_transport.cpp. Certificates are read once and shared by
// all connections; a reload makes others, and who has the old ones keeps them.

#include "internal/tls_session.hpp"

namespace odeon {

namespace {

using namespace net_detail;

class tls_layer final : public layer {
 public:
  tls_layer(runtime& rt, tls_options o, tls_context_ptr first)
      : rt_(rt),
        options_(std::move(o)),
        context_(std::move(first)) {}

  void connected_to(socket_ptr s, const std::string& to, duration limit, made done) override {
    const auto at = parse_address(to);
    const std::string host = at ? at->host : to;
    auto c = context();
    auto ssl = c->client(host, rt_.wall_now());
    if (!ssl)
      return done(fail(errc::invalid_argument, "no certificate can be for the host of " + to));
    auto session =
        std::make_shared<tls_session>(std::move(c), std::move(s), std::move(ssl), options_.linger);
    session->shake_hands(limit, [to, d = std::move(done)](connected r) mutable {
      if (!r && r.error() != errc::cancelled)
        r = fail(r.error().code(),
                 "cannot connect to " + to + ": " + std::string(r.error().text()));
      d(std::move(r));
    });
  }

  void accepted(socket_ptr s, made done) override {
    auto c = context();
    auto ssl = c->server(rt_.wall_now());
    if (!ssl) return done(fail(errc::internal, "OpenSSL makes no connection"));
    auto session = std::make_shared<tls_session>(std::move(c), s, std::move(ssl), options_.linger);
    auto refuse = [this, peer = s->peer, d = std::move(done)](connected r) mutable {
      if (!r && r.error() != errc::cancelled && options_.on_refused)
        options_.on_refused(peer, r.error());
      d(std::move(r));
    };
    // A closed loop lets go of all of it, unasked.
    (void)s->home().submit(
        [session, limit = options_.handshake_timeout, refuse = std::move(refuse)]() mutable {
          session->shake_hands(limit, std::move(refuse));
        });
  }
  [[nodiscard]] std::size_t shaking_max() const noexcept override {
    return options_.handshakes_max;
  }

  result<void> reload() {
    auto next = tls_context::make(options_, rt_.wall_now());
    if (!next) return std::unexpected(std::move(next.error()));
    std::lock_guard guard(mutex_);
    context_ = std::move(*next);
    return {};
  }

 private:
  [[nodiscard]] tls_context_ptr context() {
    std::lock_guard guard(mutex_);
    return context_;
  }
  runtime& rt_;
  const tls_options options_;
  std::mutex mutex_;
  tls_context_ptr context_;
};

class tls_over_tcp final : public tls_transport {
 public:
  tls_over_tcp(std::unique_ptr<transport> below, std::shared_ptr<tls_layer> l)
      : layer_(std::move(l)),
        below_(std::move(below)) {}
  result<std::unique_ptr<listener>> listen(std::string_view address, listen_options o) override {
    return below_->listen(address, o);
  }
  void connect(std::string_view address, connect_options o, connect_done done) override {
    below_->connect(address, o, std::move(done));
  }
  result<void> reload() override { return layer_->reload(); }

 private:
  std::shared_ptr<tls_layer> layer_;
  std::unique_ptr<transport> below_;
};

}  // namespace

std::unique_ptr<tls_transport> make_tls_transport(runtime& rt, tls_options o) {
  if (o.certificate.empty() != o.key.empty())
    throw actor_error(errc::bad_certificate,
                      "a certificate needs its key, and a key its "
                      "certificate: give both or none");
  if (o.handshakes_max == 0)
    throw actor_error(errc::invalid_argument, "handshakes_max is 1 at least");
  auto first = tls_context::make(o, rt.wall_now());
  if (!first) throw actor_error(std::move(first.error()));
  const socket_transport_options below{.threads = o.threads, .name = o.name, .linger = o.linger};
  auto layer = std::make_shared<tls_layer>(rt, std::move(o), std::move(*first));
  return std::make_unique<tls_over_tcp>(
      make_socket_transport(rt, "TLS", below, tcp_family(), layer), layer);
}

}  // namespace odeon
