#include "internal/http_client_core.hpp"
#include "internal/http_text.hpp"
#include <odeon/net/http_client.hpp>

#include <algorithm>
#include <charconv>

namespace odeon {

using namespace http_detail;

result<http_url> parse_url(std::string_view text) {
  const auto wrong = [&](const char* why) {
    return fail(errc::invalid_argument, "the url '" + printable(text) + "' " + why);
  };
  for (const char c : text)
    if (c <= ' ' || c == '\x7F' || c == '#' || c == '\\')
      return wrong("has a blank, a control character, a backslash or a fragment");
  http_url u;
  const auto colon = text.find("://");
  if (colon == std::string_view::npos) return wrong("has no scheme");
  for (const char c : text.substr(0, colon)) u.scheme += lower(c);
  if (u.scheme == "http" || u.scheme == "ws")
    u.port = 80;
  else if (u.scheme == "https" || u.scheme == "wss")
    u.port = 443;
  else
    return wrong("is of an unknown scheme");
  std::string_view rest = text.substr(colon + 3);
  const auto end = std::min(rest.find_first_of("/?"), rest.size());
  const std::string_view authority = rest.substr(0, end);
  rest.remove_prefix(end);
  u.target = rest.starts_with('/') ? std::string(rest) : "/" + std::string(rest);
  if (authority.contains('@')) return wrong("names a user");
  const bool has_port = !authority.ends_with(']') && authority.contains(':');
  if (has_port) {
    auto at = parse_address(authority);
    if (!at || at->port == 0) return wrong("has no good port");
    u.host = std::move(at->host);
    u.port = at->port;
  } else if (auto at = parse_address(std::string(authority) + ":1")) {
    u.host = std::move(at->host);
  }
  if (u.host.empty()) return wrong("has no host");
  return u;
}
std::string http_url::authority() const {
  const bool is_default = port == (scheme == "http" || scheme == "ws" ? 80 : 443);
  if (is_default) return host.contains(':') ? "[" + host + "]" : host;
  return to_string(host_and_port{host, port});
}

http_client::http_client(runtime& rt, http_client_options options)
    : core_(std::make_shared<detail::http_client_core>(rt, options)) {
  core_->begin();
}
http_client::~http_client() { core_->end(); }

namespace {

/// What is to be known before a request is on its way.
result<void> prepare(detail::http_client_core& core, detail::http_flight& f) {
  auto url = parse_url(f.call.url);
  if (!url) return std::unexpected(std::move(url.error()));
  f.url = std::move(*url);
  if (!is_token(f.call.method) || f.call.method == "CONNECT")
    return fail(errc::invalid_argument, "the method '" + printable(f.call.method) + "' is none");
  if (f.url.scheme != "http" && f.url.scheme != "https")
    return fail(errc::invalid_argument, "the url '" + printable(f.call.url) + "' is not of HTTP");
  if (core.way_of(f) == nullptr)
    return fail(errc::invalid_argument, "the client has no transport for '" +
                                            (f.call.via.empty() ? f.url.scheme : f.call.via) + "'");
  f.key = f.url.scheme + "://" + f.url.authority();
  if (!f.call.via.empty()) f.key += " via " + f.call.via;
  f.whole_by = core.now() + f.call.whole_time.value_or(core.options.limits.whole_time);
  ++core.requests;
  return {};
}

}  // namespace

void http_client::send(http_call call, done_fn done) {
  auto f = std::make_shared<detail::http_flight>();
  f->call = std::move(call);
  f->whole = std::move(done);
  if (auto r = prepare(*core_, *f); !r) return f->fail(std::move(r.error()));
  core_->submit(std::move(f));
}
void http_client::open(http_call call, open_fn done) {
  auto f = std::make_shared<detail::http_flight>();
  f->call = std::move(call);
  f->open = std::move(done);
  if (auto r = prepare(*core_, *f); !r) return f->fail(std::move(r.error()));
  core_->submit(std::move(f));
}
future<http_response> http_client::send(http_call call) {
  auto [kept, value] = promise<http_response>::make(core_->rt);
  send(std::move(call), [p = std::move(kept)](result<http_response> r) mutable {
    (void)p.set_result(std::move(r));
  });
  return std::move(value);
}
future<http_incoming> http_client::open(http_call call) {
  auto [kept, value] = promise<http_incoming>::make(core_->rt);
  open(std::move(call), [p = std::move(kept)](result<http_incoming> r) mutable {
    (void)p.set_result(std::move(r));
  });
  return std::move(value);
}

http_client_figures http_client::figures() const noexcept {
  http_client_figures out{
      .connected = core_->connected, .requests = core_->requests, .retries = core_->retries};
  const std::lock_guard guard(core_->mutex);
  out.connections_now = core_->all.size();
  for (const auto& [key, p] : core_->pools) {
    out.idle_now += p.idle.size();
    out.waiting_now += p.waiting.size();
  }
  return out;
}

}  // namespace odeon
