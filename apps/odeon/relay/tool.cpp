#include "odeon/relay/tool.hpp"

#include <odeon/net/tcp.hpp>
#include <odeon/net/tls.hpp>
#include <odeon/net/websocket.hpp>
#include <odeon/runtime/runtime.hpp>

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace odeon::relay_tool {

namespace {

using remote::relay_event;
using remote::relay_refusal;

int complain(const terminal& t, const error& why, exit_code code) {
  std::fprintf(t.err, "odeon: %s\n", std::string(why.text()).c_str());
  return code;
}

/// The secret, or what is wrong with where it should be. "": none is wanted.
result<std::string> secret_of(const relay_options& o) {
  if (o.secret_env.empty()) {
    if (o.allow_unauthenticated_local) return std::string();
    return fail(errc::invalid_argument,
                "a relay needs a secret: name the environment variable that has it with "
                "--auth-secret-env, or give --allow-unauthenticated-local on 127.0.0.1");
  }
  if (o.allow_unauthenticated_local)
    return fail(errc::invalid_argument,
                "--auth-secret-env and --allow-unauthenticated-local exclude each other");
  const char* value = std::getenv(o.secret_env.c_str());
  if (value == nullptr || *value == '\0')
    return fail(errc::invalid_argument, "the environment variable " + o.secret_env +
                                            ", which should have the secret, is not set");
  return std::string(value);
}

std::string text_of(const relay_event& e) {
  const std::string who =
      e.name.empty() ? "a connection from " + e.host : "'" + e.name + "' from " + e.host;
  const std::string why = e.why == relay_refusal::none ? "" : ": " + std::string(to_string(e.why));
  switch (e.what) {
    case relay_event::kind::registered: return who + " is there";
    case relay_event::kind::left: return who + " is gone" + why;
    case relay_event::kind::rejected: return who + " was closed" + why;
    case relay_event::kind::overloaded: return who + " does not take what it is sent";
    case relay_event::kind::throttled: return who + " sends more than it may";
  }
  return who;
}

/// What carries the bytes, and its way of writing an address.
struct way {
  std::unique_ptr<transport> below;
  std::unique_ptr<transport> over;
  std::string listen_on;
  std::string scheme;
  [[nodiscard]] transport& use() const { return over ? *over : *below; }
};

result<way> make_way(runtime& rt, const relay_options& o) {
  way w;
  if (o.certificate.empty() != o.key.empty())
    return fail(errc::invalid_argument, "--certificate and --key belong together");
  const bool safe = !o.certificate.empty();
  if (!safe && !o.trusted.empty())
    return fail(errc::invalid_argument, "--trusted needs --certificate and --key");
  try {
    if (safe)
      w.below = make_tls_transport(rt, {.name = "odeon-relay",
                                        .certificate = o.certificate,
                                        .key = o.key,
                                        // Nodes are asked for none without it; it may not be empty.
                                        .trusted = o.trusted.empty() ? o.certificate : o.trusted,
                                        .mutual = !o.trusted.empty(),
                                        .peers = {}});
    else
      w.below = make_tcp_transport(rt, {.name = "odeon-relay"});
  } catch (const actor_error& e) {
    return std::unexpected(e.reason());
  }
  w.scheme = safe ? "tls" : "tcp";
  w.listen_on = odeon::to_string(host_and_port{o.host, o.port});
  if (o.protocol == "tcp") return w;
  if (!o.path.starts_with('/'))
    return fail(errc::invalid_argument, "--path begins with a '/': " + o.path);
  w.scheme = safe ? "wss" : "ws";
  http_limits web;
  web.connections = o.limits.connections;
  web.connections_per_peer =
      o.limits.connections_per_host == 0 ? web.connections : o.limits.connections_per_host;
  w.over = make_websocket_transport(rt, {.plain = safe ? nullptr : w.below.get(),
                                         .tls = safe ? w.below.get() : nullptr,
                                         .limits = web});
  w.listen_on = w.scheme + "://" + w.listen_on + o.path;
  return w;
}

}  // namespace

std::string to_json(const remote::relay_metrics& m) {
  std::string out = "{";
  const auto add = [&](const char* name, auto value) {
    if (out.size() > 1) out += ",";
    out += '"';
    out += name;
    out += "\":" + std::to_string(value);
  };
  add("connections", m.connections);
  add("registered", m.registered);
  add("queued_bytes", m.queued_bytes);
  add("accepted_total", m.accepted_total);
  add("registrations_total", m.registrations_total);
  add("envelopes_total", m.envelopes_total);
  add("bytes_total", m.bytes_total);
  add("throttled_total", m.throttled_total);
  add("envelopes_per_second", m.envelopes_per_second);
  add("bytes_per_second", m.bytes_per_second);
  out += ",\"refused_total\":{";
  bool first = true;
  for (std::size_t i = 0; i < remote::relay_refusals; ++i) {
    if (m.refused_total[i] == 0) continue;
    if (!std::exchange(first, false)) out += ",";
    out += "\"" + std::string(to_string(static_cast<relay_refusal>(i))) +
           "\":" + std::to_string(m.refused_total[i]);
  }
  return out + "}}";
}

int serve(const relay_options& o, const terminal& t) {
  auto secret = secret_of(o);
  if (!secret) return complain(t, secret.error(), usage);
  termination_signals signals;
  const auto rt = make_threaded_runtime();
  auto carried = make_way(*rt, o);
  if (!carried) return complain(t, carried.error(), usage);
  remote::relay_server_options server{.listen = carried->listen_on,
                                      .secret = std::move(*secret),
                                      .allow_unauthenticated_local = o.allow_unauthenticated_local,
                                      .limits = o.limits};
  if (o.events)
    server.on_event = [&t](const relay_event& e) {
      std::fprintf(t.out, "%s\n", text_of(e).c_str());
      std::fflush(t.out);
    };
  auto relay = remote::relay_server::start(*rt, carried->use(), std::move(server));
  if (!relay)
    return complain(t, relay.error(),
                    relay.error() == errc::invalid_argument ? usage : cannot_listen);
  std::string address = (*relay)->address();
  if (!address.contains("://")) address = carried->scheme + "://" + address;
  std::fprintf(t.out, "odeon relay: %s\n", address.c_str());
  std::fflush(t.out);
  const bool tells = o.metrics_every > duration::zero();
  const auto tell = [&] {
    std::fprintf(t.out, "%s\n", to_json((*relay)->metrics()).c_str());
    std::fflush(t.out);
  };
  while (!signals.wait(tells ? o.metrics_every : duration(std::chrono::hours(1))))
    if (tells) tell();
  const bool all = (*relay)->drain(o.drain);
  if (tells) tell();
  if (all) return good;
  return complain(t, error(errc::expired, "not everything queued was written in time"), failed);
}

}  // namespace odeon::relay_tool
