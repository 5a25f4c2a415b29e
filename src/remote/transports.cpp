#include "internal/carrier.hpp"
#include "internal/listen_address.hpp"
#include <odeon/net/tcp.hpp>
#include <odeon/net/tls.hpp>
#include <odeon/net/unix.hpp>
#include <odeon/net/websocket.hpp>

#include <utility>

namespace odeon::remote::detail {

namespace {

std::unexpected<error> wrong(std::string what) {
  return fail(errc::invalid_argument, "remote: " + std::move(what));
}

}  // namespace

result<std::unique_ptr<carrier>> carrier::make(runtime& rt, const endpoint_options& options,
                                               refusal refused) {
  auto made = std::make_unique<carrier>();
  const auto at = parse_listen(options.listen);
  if (!at) return std::unexpected(at.error());
  made->scheme_ = at->scheme;
  made->listen_on_ = at->rest;
  const auto* open = std::get_if<plain>(&options.security);
  made->only_loopback_ = open != nullptr && !open->insecure;
  if (options.transport != nullptr) {
    made->way_ = options.transport;
    // It knows best where its addresses lead, unless they are said to be a network's.
    if (made->scheme_.empty() || made->scheme_ == "memory") made->only_loopback_ = false;
    return made;
  }
  if (made->scheme_.empty()) made->scheme_ = "tcp";
  try {
    if (auto ok = made->make_transport(rt, options, std::move(refused)); !ok)
      return std::unexpected(ok.error());
  } catch (const actor_error& e) {
    return std::unexpected(e.reason());
  }
  return made;
}

result<void> carrier::make_transport(runtime& rt, const endpoint_options& options,
                                     refusal refused) {
  const auto* certificates = std::get_if<mtls>(&options.security);
  if (scheme_ == "memory")
    return wrong("a transport in memory is made by the program, and given as options.transport");
  if (scheme_ == "unix") {
    if (certificates != nullptr)
      return wrong("a Unix socket carries no TLS: its file's permissions say who may connect");
    only_loopback_ = false;
    own_ = make_unix_transport(rt);
    way_ = own_.get();
    return {};
  }
  if (certificates != nullptr)
    base_ = make_tls_transport(rt, {.name = "odeon-net",
                                    .certificate = certificates->certificate,
                                    .key = certificates->key,
                                    .trusted = certificates->authority,
                                    .peers = {},
                                    .handshake_timeout = options.limits.handshake,
                                    .handshakes_max = options.limits.handshakes,
                                    .on_refused = std::move(refused)});
  else
    base_ = make_tcp_transport(rt, {.name = "odeon-net"});
  way_ = base_.get();
  if (scheme_ == "tcp") return {};
  // The path behind the host is every node's.
  const std::size_t slash = listen_on_.find('/');
  path_ = slash == std::string::npos ? "/odeon" : listen_on_.substr(slash);
  listen_on_ = scheme_ + "://" + listen_on_.substr(0, slash) + path_;
  websocket_transport_options web{.path = path_};
  if (scheme_ == "wss")
    web.tls = base_.get();
  else
    web.plain = base_.get();
  own_ = make_websocket_transport(rt, web);
  way_ = own_.get();
  return {};
}

std::string carrier::node_of(const std::string& local_address) const {
  if (path_.empty()) return local_address;
  std::string_view rest = local_address;
  if (const std::size_t at = rest.find("://"); at != rest.npos) rest.remove_prefix(at + 3);
  return std::string(rest.substr(0, rest.find('/')));
}

result<std::string> carrier::dial(std::string_view node) const {
  if (scheme_ == "unix") return std::string(node);
  const auto at = parse_address(node);
  if (!at) return std::unexpected(at.error());
  if (only_loopback_ && !is_loopback(at->host))
    return wrong("'" + std::string(node) +
                 "' is another machine's, and nothing protects the way there: use a shared secret "
                 "or TLS, or say insecure = true for a network that is trusted");
  if (!path_.empty()) return scheme_ + "://" + to_string(*at) + path_;
  return to_string(*at);
}

std::string carrier::host_of_peer(const std::string& address) {
  const auto at = parse_address(address);
  return at ? at->host : address;
}

}  // namespace odeon::remote::detail
