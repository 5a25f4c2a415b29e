#include "internal/relay_ways.hpp"

#include <odeon/net/tcp.hpp>
#include <odeon/net/tls.hpp>
#include <odeon/net/websocket.hpp>

#include <utility>

namespace odeon::remote {

namespace relay_detail {

result<relay_way> make_relay_way(runtime& rt, const relay_transport_options& o) {
  relay_way way;
  if (o.through) {
    way.use = o.through;
    way.address = o.relay;
    return way;
  }
  const std::size_t end = o.relay.find("://");
  const std::string scheme = end == o.relay.npos ? "" : o.relay.substr(0, end);
  const bool web = scheme == "ws" || scheme == "wss", safe = scheme == "tls" || scheme == "wss";
  if (scheme != "tcp" && !web && !safe)
    return fail(errc::invalid_argument,
                "'" + o.relay +
                    "' is no address of a relay: give one like wss://relay.example.net:443/odeon, "
                    "ws://…, tls://host:port or tcp://host:port");
  if (safe)
    way.below = make_tls_transport(rt, {.name = "odeon-relay-net",
                                        .certificate = o.certificate,
                                        .key = o.key,
                                        .trusted = o.trusted,
                                        .trust_system = o.trusted.empty(),
                                        .peers = {}});
  else
    way.below = make_tcp_transport(rt, {.name = "odeon-relay-net"});
  way.use = way.below.get();
  if (!web) {
    way.address = o.relay.substr(end + 3);
    return way;
  }
  way.over = make_websocket_transport(
      rt, {.plain = safe ? nullptr : way.use, .tls = safe ? way.use : nullptr});
  way.use = way.over.get();
  way.address = o.relay;
  return way;
}

namespace {

void check(const relay_transport_options& o) {
  const auto wrong = [](std::string text) {
    throw actor_error(errc::invalid_argument, std::move(text));
  };
  if (!is_relay_name(o.name))
    wrong("'" + o.name + "' is no name at a relay: 1 to 128 letters, digits, '.', '_' and '-'");
  if (!o.secret.empty() && o.secret.size() < relay_secret_min)
    wrong("the secret of a relay has at least " + std::to_string(relay_secret_min) + " bytes");
  const relay_client_limits& l = o.limits;
  if (l.window_bytes < 1024 || l.connections == 0 || l.routes == 0 || l.queue_bytes < 1024)
    wrong("relay_client_limits leaves room for nothing");
  if (l.backoff_least <= duration::zero() || l.backoff_most < l.backoff_least ||
      l.probe_every <= duration::zero() || l.silent_after < l.probe_every ||
      l.retry_after <= duration::zero())
    wrong("relay_client_limits: times are above zero, and the greater ones not below the lesser");
}

}  // namespace

}  // namespace relay_detail

std::unique_ptr<relay_transport> make_relay_transport(runtime& rt,
                                                      relay_transport_options options) {
  relay_detail::check(options);
  auto way = relay_detail::make_relay_way(rt, options);
  if (!way) throw actor_error(std::move(way.error()));
  return relay_detail::make_relayed(rt, std::move(options), std::move(*way));
}

std::string_view to_string(relay_state s) noexcept {
  switch (s) {
    case relay_state::connecting: return "connecting";
    case relay_state::registering: return "registering";
    case relay_state::ready: return "ready";
    case relay_state::waiting: return "waiting";
    case relay_state::replaced: return "replaced";
  }
  return "unknown";
}

}  // namespace odeon::remote
