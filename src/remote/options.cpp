#include "internal/listen_address.hpp"
#include <odeon/remote/options.hpp>
#include <odeon/runtime/transport.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <memory>

namespace odeon::remote {

namespace {

constexpr std::size_t secret_least = 16;       // bytes
constexpr std::size_t secret_file_max = 4096;  // bytes

struct size_key {
  const char* key;
  std::size_t limits::* field;
  const char* fallback;
  const char* min;
  const char* max;
  const char* sentence;
};
constexpr size_key sizes[] = {
    {"remote.frame_bytes", &limits::frame_bytes, "4MiB", "4KiB", "64MiB",
     "The largest frame; larger messages go in chunks."},
    {"remote.message_bytes", &limits::message_bytes, "64MiB", "1KiB", "2GiB",
     "The largest message."},
    {"remote.queue_bytes", &limits::queue_bytes, "16MiB", "4KiB", "16GiB",
     "What may wait to be written to one peer."},
    {"remote.credit_bytes", &limits::credit_bytes, "4MiB", "4KiB", "1GiB",
     "What may be on its way to one peer on one lane."},
};
constexpr size_key counts[] = {
    {"remote.control_records", &limits::control_records, "100000", "16", "10000000",
     "Control records for one peer that it has not acknowledged; past them it is given up."},
    {"remote.names", &limits::names, "65536", "16", "1048576",
     "Names in the table of one connection."},
    {"remote.peers", &limits::peers, "10000", "1", "1000000", "Peers known at a time."},
    {"remote.connections_per_host", &limits::connections_per_host, "64", "1", "100000",
     "Connections that may come from one host."},
    {"remote.handshakes", &limits::handshakes, "256", "1", "100000",
     "Handshakes that may be under way at a time."},
    {"remote.messages_per_second", &limits::messages_per_second, "0", "0", "1000000000",
     "Messages that may come from one peer; 0 is any number."},
    {"remote.quarantined", &limits::quarantined, "65536", "16", "10000000",
     "Incarnations that are remembered as gone."},
};
struct time_key {
  const char* key;
  duration limits::* field;
  const char* fallback;
  const char* min;
  const char* sentence;
};
constexpr time_key times[] = {
    {"remote.handshake", &limits::handshake, "5s", "1ms",
     "How long a handshake may take, from its first byte to its last."},
    {"remote.connect", &limits::connect, "5s", "1ms", "How long connecting may take."},
    {"remote.heartbeat", &limits::heartbeat, "500ms", "1ms", "The time between two heartbeats."},
    {"remote.silent_after", &limits::silent_after, "5s", "2ms",
     "A peer of which nothing was heard for so long is down."},
    {"remote.give_up_after", &limits::give_up_after, "60s", "2ms",
     "A peer that is down for so long is gone."},
    {"remote.backoff_least", &limits::backoff_least, "50ms", "1ms",
     "The pause after the first attempt to connect that failed; it doubles."},
    {"remote.backoff_most", &limits::backoff_most, "5s", "1ms", "The longest such pause."},
    {"remote.goodbye", &limits::goodbye, "1s", "0s",
     "How long the end of an endpoint waits for the last bytes to leave."},
    {"remote.idle_after", &limits::idle_after, "5min", "0s",
     "A connection that nothing needs is closed after so long; 0s is never."},
};
struct text_key {
  const char* key;
  const char* sentence;
};
constexpr text_key texts[] = {
    {"remote.listen",
     "Where others connect: tcp://0.0.0.0:7400, unix:///run/odeon.sock, "
     "ws://127.0.0.1:8080/odeon; nothing: only outward."},
    {"remote.advertise", "How others reach this node, as 10.0.0.5:7400; nothing: as it listens."},
    {"remote.secret_file", "The file of the secret that all nodes share; security = secret."},
    {"remote.certificate", "The file of this node's certificate, PEM; security = tls."},
    {"remote.key", "The file of its key, PEM; security = tls."},
    {"remote.authority", "The file of who signs the nodes' certificates, PEM; security = tls."},
};

std::unexpected<error> wrong(std::string what) {
  return fail(errc::invalid_argument, "remote: " + std::move(what));
}

result<std::string> read_secret(const std::string& path) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rbe"),
                                                             &std::fclose);
  if (!file)
    return fail(errno == ENOENT ? errc::not_found : errc::io_failed,
                "cannot read the secret of remote from " + path + ": " + std::strerror(errno));
  std::string text(secret_file_max + 1, '\0');
  text.resize(std::fread(text.data(), 1, text.size(), file.get()));
  if (std::ferror(file.get()) != 0)
    return fail(errc::io_failed, "cannot read the secret of remote from " + path);
  if (text.size() > secret_file_max)
    return fail(errc::limit_exceeded, "the secret in " + path + " is longer than 4096 bytes");
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text;
}

result<void> check_limits(const limits& l) {
  if (l.streams < 1 || l.streams > 16)
    return wrong("limits::streams is from 1 to 16, but it is " + std::to_string(l.streams));
  for (const auto& k : sizes)
    if (l.*k.field == 0) return wrong(std::string(k.key) + " must not be 0");
  for (const auto& k : counts)
    if (l.*k.field == 0 && k.field != &limits::messages_per_second)
      return wrong(std::string(k.key) + " must not be 0");
  for (const auto& k : times)
    if (l.*k.field < duration(0) || (l.*k.field == duration(0) && k.min[0] != '0'))
      return wrong(std::string(k.key) + " must be longer than nothing");
  if (l.frame_bytes < 4096) return wrong("remote.frame_bytes must be at least 4 KiB");
  if (l.silent_after < 2 * l.heartbeat)
    return wrong(
        "remote.silent_after must be at least two heartbeats: a peer that answers each "
        "of them would be taken for silent");
  if (l.backoff_most < l.backoff_least)
    return wrong("remote.backoff_most must not be shorter than remote.backoff_least");
  if (!(l.phi_threshold > 0)) return wrong("remote.phi_threshold must be more than 0");
  return {};
}

result<void> check_security(const security& s) {
  if (const auto* secret = std::get_if<shared_secret>(&s); secret != nullptr)
    if (secret->secret.size() < secret_least)
      return wrong(
          "the shared secret must have at least 16 bytes, as `odeon cert secret` makes; "
          "this one has " +
          std::to_string(secret->secret.size()));
  if (const auto* tls = std::get_if<mtls>(&s); tls != nullptr)
    if (tls->certificate.empty() || tls->key.empty() || tls->authority.empty())
      return wrong("TLS needs three files: certificate, key and authority");
  return {};
}

}  // namespace

result<void> endpoint_options::check() const {
  if (auto ok = check_limits(limits); !ok) return ok;
  if (auto ok = check_security(security); !ok) return ok;
  for (const auto& [name, value] : tags)
    if (name.empty() || name.size() > 128 || value.size() > 1024)
      return wrong("a tag has a name of 1 to 128 bytes and a value of at most 1024");
  if (tags.size() > 64) return wrong("there are at most 64 tags");
  if (advertise.size() > 300) return wrong("remote.advertise has at most 300 bytes");
  if (listen.empty()) return {};
  const auto at = detail::parse_listen(listen);
  if (!at) return std::unexpected(at.error());
  const bool of_network = at->scheme == "tcp" || at->scheme == "ws" || at->scheme == "wss";
  if (!of_network) return {};
  const std::string host = detail::host_of(at->rest);
  if (host.empty()) return wrong("'" + listen + "' has no host and port to listen on");
  if (detail::is_any(host) && advertise.empty())
    return wrong("'" + listen +
                 "' listens on all addresses: say by remote.advertise which one others use, "
                 "as 10.0.0.5:7400");
  const auto* open = std::get_if<plain>(&security);
  if (open != nullptr && !open->insecure && !detail::is_loopback(host))
    return wrong("'" + listen +
                 "' can be reached from other machines, and nothing protects it: use a shared "
                 "secret or TLS, or say insecure = true for a network that is trusted");
  if (at->scheme == "wss" && !std::holds_alternative<mtls>(security))
    return wrong("wss needs the certificate, key and authority of security = tls");
  return {};
}

config_schema endpoint_options::schema() {
  config_schema s;
  for (const auto& k : texts)
    s.add({.key = k.key, .type = config_type::string, .fallback = "", .sentence = k.sentence});
  s.add({.key = "remote.security",
         .type = config_type::choice,
         .fallback = "plain",
         .sentence = "What protects connections: nothing, a shared secret, or TLS on both sides.",
         .choices = {"plain", "secret", "tls"}});
  s.add({.key = "remote.insecure",
         .type = config_type::boolean,
         .fallback = "false",
         .sentence = "With security = plain: the network itself is trusted, also beyond this "
                     "machine."});
  s.add({.key = "remote.compress",
         .type = config_type::boolean,
         .fallback = "false",
         .sentence = "Compress larger payloads when the peer can as well."});
  s.add({.key = "remote.compress_above",
         .type = config_type::size,
         .fallback = "1KiB",
         .sentence = "Payloads from this size on are compressed.",
         .min = "64",
         .max = "64MiB"});
  s.add({.key = "remote.tags",
         .type = config_type::string_list,
         .fallback = "",
         .sentence = "What every peer is told of this node, each as name=value."});
  for (const auto& k : sizes)
    s.add({.key = k.key,
           .type = config_type::size,
           .fallback = k.fallback,
           .sentence = k.sentence,
           .min = k.min,
           .max = k.max});
  for (const auto& k : counts)
    s.add({.key = k.key,
           .type = config_type::integer,
           .fallback = k.fallback,
           .sentence = k.sentence,
           .min = k.min,
           .max = k.max});
  for (const auto& k : times)
    s.add({.key = k.key,
           .type = config_type::duration,
           .fallback = k.fallback,
           .sentence = k.sentence,
           .min = k.min});
  s.add({.key = "remote.phi_threshold",
         .type = config_type::floating,
         .fallback = "10",
         .sentence = "The doubt at which a peer is down: 8 is once in 10^8 by mistake.",
         .min = "1",
         .max = "100"});
  s.add({.key = "remote.streams",
         .type = config_type::integer,
         .fallback = "1",
         .unit = "connections",
         .sentence = "Connections to a peer for messages, dealt by receiver.",
         .min = "1",
         .max = "16"});
  return s;
}

result<endpoint_options> endpoint_options::from(const configuration& config) {
  endpoint_options out;
  out.listen = config.get_string("remote.listen");
  out.advertise = config.get_string("remote.advertise");
  const std::string& kind = config.get_string("remote.security");
  if (kind == "secret") {
    const std::string& path = config.get_string("remote.secret_file");
    if (path.empty())
      return wrong("remote.security = \"secret\" needs remote.secret_file (" +
                   config.origin("remote.security") + ")");
    auto secret = read_secret(path);
    if (!secret) return std::unexpected(std::move(secret.error()));
    out.security = shared_secret{*std::move(secret)};
  } else if (kind == "tls") {
    out.security = mtls{.certificate = config.get_string("remote.certificate"),
                        .key = config.get_string("remote.key"),
                        .authority = config.get_string("remote.authority")};
  } else {
    out.security = plain{.insecure = config.get_bool("remote.insecure")};
  }
  out.compress = config.get_bool("remote.compress");
  out.compress_above = static_cast<std::size_t>(config.get_size("remote.compress_above"));
  for (const std::string& tag : config.get_list("remote.tags")) {
    const std::size_t at = tag.find('=');
    if (at == std::string::npos || at == 0)
      return wrong("a tag is name=value, but remote.tags has '" + tag + "' (" +
                   config.origin("remote.tags") + ")");
    out.tags[tag.substr(0, at)] = tag.substr(at + 1);
  }
  for (const auto& k : sizes)
    out.limits.*k.field = static_cast<std::size_t>(config.get_size(k.key));
  for (const auto& k : counts)
    out.limits.*k.field = static_cast<std::size_t>(config.get_int(k.key));
  for (const auto& k : times) out.limits.*k.field = config.get_duration(k.key);
  out.limits.phi_threshold = config.get_float("remote.phi_threshold");
  out.limits.streams = static_cast<unsigned>(config.get_int("remote.streams"));
  if (auto ok = out.check(); !ok) return std::unexpected(std::move(ok.error()));
  return out;
}

namespace detail {

result<listen_address> parse_listen(std::string_view text) {
  const std::size_t at = text.find("://");
  if (at == std::string_view::npos) return listen_address{"", std::string(text)};
  listen_address out{std::string(text.substr(0, at)), std::string(text.substr(at + 3))};
  constexpr std::string_view known[] = {"tcp", "unix", "ws", "wss", "memory"};
  if (std::ranges::find(known, out.scheme) == std::end(known))
    return wrong("'" + std::string(text) + "' begins with none of tcp://, unix://, ws://, wss://");
  return out;
}

bool is_loopback(std::string_view host) noexcept {
  return host.starts_with("127.") || host == "localhost" || host == "::1";
}
bool is_any(std::string_view host) noexcept {
  return host == "*" || host == "0.0.0.0" || host == "::" || host == "0";
}

std::string host_of(std::string_view address) {
  const auto at = parse_address(address.substr(0, address.find('/')));
  return at ? at->host : std::string();
}

}  // namespace detail

}  // namespace odeon::remote
