#ifdef ODEON_WITH_NATS

#include "sidecar/internal/nats_client.hpp"

#include <odeon/net/http_message.hpp>

#include <algorithm>
#include <utility>
#include <vector>

namespace odeon::sidecar::nats_client {

namespace {

constexpr std::size_t token_max = 1024;  // bytes of one part of a subject

std::vector<std::string> list_of(std::string_view servers) {
  std::vector<std::string> out;
  while (!servers.empty()) {
    const auto one = servers.substr(0, servers.find(','));
    servers.remove_prefix(std::min(one.size() + 1, servers.size()));
    if (!one.empty()) out.emplace_back(one);
  }
  return out;
}

/// What goes wrong later – a slow consumer, above all – is counted by the library; the default
/// writes it on stderr.
void ignored(natsConnection*, natsSubscription*, natsStatus, void*) {}

natsStatus fill(natsOptions* to, const nats_options& o) {
  const auto servers = list_of(o.servers);
  std::vector<const char*> names;
  for (const auto& s : servers) names.push_back(s.c_str());
  const auto ms = [](duration d) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(d).count();
  };
  natsStatus s = natsOptions_SetServers(to, names.data(), static_cast<int>(names.size()));
  if (s == NATS_OK) s = natsOptions_SetName(to, "odeon-sidecar");
  if (s == NATS_OK) s = natsOptions_SetNoEcho(to, true);
  if (s == NATS_OK) s = natsOptions_SetTimeout(to, ms(o.connect_time));
  if (s == NATS_OK) s = natsOptions_SetMaxReconnect(to, -1);
  if (s == NATS_OK) s = natsOptions_SetReconnectWait(to, ms(o.reconnect_delay));
  if (s == NATS_OK) s = natsOptions_SetErrorHandler(to, &ignored, nullptr);
  if (s == NATS_OK && !o.user.empty())
    s = natsOptions_SetUserInfo(to, o.user.c_str(), o.password.c_str());
  if (s == NATS_OK && !o.token.empty()) s = natsOptions_SetToken(to, o.token.c_str());
  return s;
}

}  // namespace

result<std::string> token_of(const std::string& name) {
  std::string out;
  for (const char c : percent_encoded(name)) {
    if (c == '.')
      out += "%2E";
    else
      out += c;
  }
  if (out.empty() || out.size() > token_max)
    return fail(errc::invalid_argument, "a name for NATS is empty, or too long");
  return out;
}

std::string_view data_of(natsMsg* m) {
  return {natsMsg_GetData(m), static_cast<std::size_t>(natsMsg_GetDataLength(m))};
}

std::string reply_of(natsMsg* m) {
  const char* to = natsMsg_GetReply(m);
  return to == nullptr ? std::string() : std::string(to);
}

error error_of(natsStatus s, const std::string& what) {
  const auto code = [s] {
    switch (s) {
      case NATS_MAX_PAYLOAD:
      case NATS_INSUFFICIENT_BUFFER: return errc::limit_exceeded;
      case NATS_CONNECTION_AUTH_FAILED:
      case NATS_NOT_PERMITTED: return errc::authentication_failed;
      case NATS_INVALID_ARG:
      case NATS_INVALID_SUBJECT: return errc::invalid_argument;
      case NATS_NO_SERVER:
      case NATS_TIMEOUT: return errc::unreachable;
      default: return errc::io_failed;
    }
  };
  return {code(), what + ": " + natsStatus_GetText(s)};
}

std::string shown(std::string_view servers) {
  std::string out;
  for (std::string one : list_of(servers)) {
    const auto scheme = one.find("://");
    const auto from = scheme == std::string::npos ? 0 : scheme + 3;
    if (const auto at = one.rfind('@'); at != std::string::npos && at >= from)
      one.erase(from, at + 1 - from);
    out += (out.empty() ? "" : ",") + one;
  }
  return out;
}

result<options_ptr> make_options(const nats_options& o) {
  natsOptions* made = nullptr;
  natsStatus s = natsOptions_Create(&made);
  options_ptr held(made);
  if (s == NATS_OK) s = fill(made, o);
  if (s != NATS_OK) return std::unexpected(error_of(s, "NATS at " + shown(o.servers)));
  return held;
}

}  // namespace odeon::sidecar::nats_client

#endif
