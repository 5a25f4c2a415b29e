/// How many invocations a second go through the sidecar, and how much later is an answer for it? A
/// client invokes actors over HTTP; the sidecar calls an app over HTTP, which answers with a new
/// state and a value; all in one process over loopback TCP, with one thread each for sockets. Added
/// latency: the middle one of invocations made one at a time, less that of calling the app itself.

#include "odeon_http_load.hpp"
#include <odeon/net/http_server.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/persistence/memory_journal.hpp>
#include <odeon/sidecar/engine.hpp>
#include <odeon/sidecar/server.hpp>

#include <memory>
#include <string>
#include <vector>

namespace bench {
namespace {

using namespace odeon;

constexpr std::size_t connections = 64;
constexpr std::uint64_t invocations = 200'000, one_by_one = 5'000;
constexpr unsigned actors = 64;

/// A field of bytes of protobuf; all here are shorter than 16 KiB.
std::string field(unsigned number, const std::string& value) {
  std::string out(1, static_cast<char>(number << 3U | 2U));
  if (value.size() > 127) out += static_cast<char>(value.size() | 0x80U);
  out += static_cast<char>(value.size() > 127 ? value.size() >> 7U : value.size());
  return out + value;
}
std::string flag(unsigned number, unsigned value) {
  return {static_cast<char>(number << 3U), static_cast<char>(value)};
}
std::string packed(const std::string& value) { return field(1, "t/Value") + field(2, value); }
std::string name_of(unsigned n) { return "actor" + std::to_string(n); }
std::string id_of(unsigned n) { return field(1, name_of(n)) + field(2, "bench"); }

std::string registration_message() {
  std::string registry;
  for (unsigned n = 0; n < actors; ++n)
    registry += field(
        1, field(1, name_of(n)) + field(2, field(1, id_of(n)) + field(3, flag(1, 1) + flag(2, 1)) +
                                               field(4, field(1, "put"))));
  // Longer than `field` can say: the lengths of the outer messages take three bytes.
  const auto wide = [](unsigned number, const std::string& value) {
    const std::size_t size = value.size();
    return std::string{static_cast<char>(number << 3U | 2U), static_cast<char>(size | 0x80U),
                       static_cast<char>(size >> 7U | 0x80U), static_cast<char>(size >> 14U)} +
           value;
  };
  return wide(2, field(1, "bench") + wide(2, registry));
}

/// What an app does, as fast as can be: the name that was called stands at the message's begin.
http_response run_action(const http_request& q) {
  const auto size = q.body.size() > 4 ? static_cast<unsigned char>(q.body[3]) : 0U;
  return {.body = field(1, q.body.substr(4, size)) + field(3, field(1, packed("12345678"))) +
                  field(4, packed("12345678"))};
}

/// The middle wait of calls made one at a time, in microseconds.
double middle(http_load& of, std::uint64_t n) {
  static_cast<void>(warmed(n, 1, [&](std::uint64_t m) { return of.pass(m, 1); }));
  std::vector<double> waits = of.waits();
  return percentile(waits, 50);
}

void run(const options& opt, report& out) {
  const auto rt = make_threaded_runtime();
  const auto app_net = make_tcp_transport(*rt, {.name = "app"});
  const auto side_net = make_tcp_transport(*rt, {.name = "sidecar"});
  const auto here = make_tcp_transport(*rt, {.name = "client"});
  http_routes routes;
  routes.add("POST", "/api/v1/actors/actions", run_action);
  http_server app(*rt, std::move(routes));
  const auto app_at = app.listen(*app_net, "127.0.0.1:0");
  require(app_at.has_value(), "the app listens");

  actor_system system("bench", {.workers = opt.threads, .runtime = rt.get()});
  std::shared_ptr<journal> kept = make_memory_journal(*rt);
  sidecar::engine engine(system, sidecar::make_state_store(*rt, kept));
  sidecar::server face(*rt, engine, *side_net, {.app_port = parse_address(*app_at)->port});
  const auto at = face.listen(*side_net, "127.0.0.1:0");
  require(at.has_value(), "the sidecar listens");

  http_client web(*rt, {.plain = here.get(), .limits = {.connections_per_host = opt.size}});
  const auto registered = web.send({.method = "POST",
                                    .url = "http://" + *at + "/api/v1/system",
                                    .body = registration_message()})
                              .get();
  require(registered.status == 200, "the app is registered");
  http_load through{.web = web, .rt = *rt, .calls = {}, .expected = "12345678"};
  http_load direct{.web = web, .rt = *rt, .calls = {}, .expected = "12345678"};
  for (unsigned n = 0; n < actors; ++n) {
    through.calls.push_back(
        {.method = "POST",
         .url = "http://" + *at + "/api/v1/system/bench/actors/" + name_of(n) + "/invoke",
         .body = field(1, field(1, "bench")) + field(2, field(1, id_of(n))) + field(3, "put") +
                 field(4, packed("12345678"))});
    direct.calls.push_back(
        {.method = "POST",
         .url = "http://" + *app_at + "/api/v1/actors/actions",
         .body = field(1, id_of(n)) + field(2, "put") + field(4, packed("12345678"))});
  }
  const std::uint64_t alone = opt.scaled(one_by_one);
  const double there = middle(direct, alone);
  const double added = middle(through, alone) - there;
  const std::uint64_t n = opt.scaled(invocations, opt.size);
  const nanoseconds took =
      warmed(n, opt.size, [&](std::uint64_t m) { return through.pass(m, opt.size); });
  require(through.wrong == 0 && direct.wrong == 0, "each answer is the right one");
  out.rate_k("invocations", took, n);
  out.add("added_p50", "us", better::lower, added);
}

const registration entry{"sidecar", connections, run};

}  // namespace
}  // namespace bench
