#include <odeon/remote/options.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <fstream>
#include <sstream>
#include <string>

using namespace odeon;
using namespace odeon::remote;
using namespace std::chrono_literals;

namespace {

result<endpoint_options> from(std::string_view toml) {
  auto config = configuration::parse(endpoint_options::schema(), toml, "odeon.toml");
  REQUIRE(config.has_value());
  return endpoint_options::from(*config);
}

std::string refusal(const endpoint_options& o) {
  const auto ok = o.check();
  if (ok) return "accepted";
  CHECK(ok.error() == errc::invalid_argument);
  return std::string(ok.error().text());
}

}  // namespace

TEST_CASE("an empty configuration gives the endpoint options' own defaults") {
  const auto o = from("");
  REQUIRE(o.has_value());
  const endpoint_options d;
  CHECK(o->listen == d.listen);
  CHECK(o->compress == d.compress);
  CHECK(o->compress_above == d.compress_above);
  CHECK(std::holds_alternative<plain>(o->security));
  const limits& a = o->limits;
  const limits& b = d.limits;
  CHECK(a.frame_bytes == b.frame_bytes);
  CHECK(a.message_bytes == b.message_bytes);
  CHECK(a.queue_bytes == b.queue_bytes);
  CHECK(a.credit_bytes == b.credit_bytes);
  CHECK(a.control_records == b.control_records);
  CHECK(a.names == b.names);
  CHECK(a.peers == b.peers);
  CHECK(a.connections_per_host == b.connections_per_host);
  CHECK(a.handshakes == b.handshakes);
  CHECK(a.messages_per_second == b.messages_per_second);
  CHECK(a.quarantined == b.quarantined);
  CHECK(a.handshake == b.handshake);
  CHECK(a.connect == b.connect);
  CHECK(a.heartbeat == b.heartbeat);
  CHECK(a.silent_after == b.silent_after);
  CHECK(a.give_up_after == b.give_up_after);
  CHECK(a.backoff_least == b.backoff_least);
  CHECK(a.backoff_most == b.backoff_most);
  CHECK(a.goodbye == b.goodbye);
  CHECK(a.idle_after == b.idle_after);
  CHECK(a.phi_threshold == b.phi_threshold);
  CHECK(a.streams == b.streams);
}

TEST_CASE("a configuration sets the options of an endpoint") {
  const auto o = from(R"(
[remote]
listen = "tcp://0.0.0.0:7400"
advertise = "10.0.0.5:7400"
insecure = true
compress = true
compress_above = "2KiB"
tags = ["zone=north", "gpu=yes"]
queue_bytes = "1MiB"
peers = 12
heartbeat = "200ms"
phi_threshold = 8
streams = 4
)");
  REQUIRE(o.has_value());
  CHECK(o->listen == "tcp://0.0.0.0:7400");
  CHECK(o->advertise == "10.0.0.5:7400");
  CHECK(std::get<plain>(o->security).insecure);
  CHECK(o->compress);
  CHECK(o->compress_above == 2048);
  CHECK(o->tags.at("zone") == "north");
  CHECK(o->tags.at("gpu") == "yes");
  CHECK(o->limits.queue_bytes == 1 << 20);
  CHECK(o->limits.peers == 12);
  CHECK(o->limits.heartbeat == 200ms);
  CHECK(o->limits.phi_threshold == 8.0);
  CHECK(o->limits.streams == 4);
}

TEST_CASE("the secret comes from its file, and what is wrong with that is told") {
  const std::string path = std::string(std::tmpnam(nullptr)) + ".odeon-secret";
  std::ofstream(path) << "a secret of 24 bytes, so\n";
  const auto o = from("[remote]\nsecurity = \"secret\"\nsecret_file = \"" + path + "\"\n");
  REQUIRE(o.has_value());
  CHECK(std::get<shared_secret>(o->security).secret == "a secret of 24 bytes, so");
  std::ofstream(path) << "short\n";
  const auto too_short = from("[remote]\nsecurity = \"secret\"\nsecret_file = \"" + path + "\"\n");
  REQUIRE_FALSE(too_short.has_value());
  CHECK(too_short.error().text().contains("16 bytes"));
  CHECK_FALSE(too_short.error().text().contains("short,"));  // the secret itself is not told
  std::remove(path.c_str());
  const auto none = from("[remote]\nsecurity = \"secret\"\nsecret_file = \"" + path + "\"\n");
  CHECK(none.error() == errc::not_found);
  CHECK(none.error().text().contains(path));
  CHECK(from("[remote]\nsecurity = \"secret\"\n").error().text().contains("secret_file"));
  CHECK(from("[remote]\ntags = [\"zone\"]\n").error().text().contains("name=value"));
  CHECK(from("[remote]\nsecurity = \"tls\"\n").error().text().contains("certificate"));
}

TEST_CASE("options that cannot be meant are refused with the option's name") {
  CHECK(refusal({.listen = "tcp://127.0.0.1:0"}) == "accepted");
  CHECK(refusal({.listen = "tcp://[::1]:7400"}) == "accepted");
  CHECK(refusal({.listen = "unix:///run/odeon.sock"}) == "accepted");
  CHECK(refusal({.listen = "carrier-pigeon://x"}).contains("carrier-pigeon"));
  CHECK(refusal({.listen = "tcp://127.0.0.1"}).contains("no host and port"));
  // Nothing protects it, and others can reach it.
  CHECK(refusal({.listen = "tcp://10.0.0.5:7400"}).contains("insecure"));
  CHECK(refusal({.listen = "tcp://10.0.0.5:7400", .security = plain{.insecure = true}}) ==
        "accepted");
  CHECK(refusal({.listen = "tcp://10.0.0.5:7400", .security = shared_secret{"0123456789abcdef"}}) ==
        "accepted");
  CHECK(refusal({.listen = "tcp://0.0.0.0:7400", .security = plain{.insecure = true}})
            .contains("advertise"));
  CHECK(refusal({.security = shared_secret{"too short"}}).contains("16 bytes"));
  CHECK(refusal({.listen = "wss://127.0.0.1:1"}).contains("tls"));
  const auto with = [](auto set) {
    endpoint_options o;
    set(o.limits);
    return o;
  };
  CHECK(refusal(with([](limits& l) { l.streams = 0; })).contains("streams"));
  CHECK(refusal(with([](limits& l) { l.streams = 17; })).contains("streams"));
  CHECK(refusal(with([](limits& l) { l.queue_bytes = 0; })).contains("queue_bytes"));
  CHECK(refusal(with([](limits& l) { l.peers = 0; })).contains("remote.peers"));
  CHECK(refusal(with([](limits& l) { l.heartbeat = 0s; })).contains("heartbeat"));
  CHECK(refusal(with([](limits& l) { l.silent_after = 600ms; })).contains("silent_after"));
  CHECK(refusal(with([](limits& l) { l.backoff_most = 1ms; })).contains("backoff_most"));
  CHECK(refusal(with([](limits& l) { l.messages_per_second = 0; })) == "accepted");
  CHECK(refusal(with([](limits& l) { l.idle_after = 0s; })) == "accepted");
}

TEST_CASE("the reference has every key of remote with its default") {
  std::ifstream file(ODEON_SOURCE_DIR "/docs/reference/configuration.md");
  std::stringstream text;
  text << file.rdbuf();
  const std::string page = text.str();
  REQUIRE_FALSE(page.empty());
  for (const config_key& k : endpoint_options::schema().keys()) {
    CAPTURE(k.key);
    const std::size_t at = page.find("| `" + k.key + "` |");
    REQUIRE(at != std::string::npos);
    const std::string row = page.substr(at, page.find('\n', at) - at);
    if (k.fallback.empty())
      CHECK((row.contains("| `\"\"` |") || row.contains("| `[]` |")));
    else
      CHECK((row.contains("| `" + k.fallback + "` |") || row.contains("| " + k.fallback + " |")));
  }
}
