/// How many requests a second does the HTTP server answer over loopback, and how long does one
/// take, with a client in the same process? One thread each; connections are kept; each one has one
/// request under way.

#include "odeon_http_load.hpp"
#include <odeon/net/http_server.hpp>
#include <odeon/net/tcp.hpp>

#include <memory>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t connections = 32;
constexpr std::uint64_t requests = 1'000'000;

void run(const options& opt, report& out) {
  const auto rt = odeon::make_threaded_runtime();
  const auto there = odeon::make_tcp_transport(*rt, {.name = "server"});
  const auto here = odeon::make_tcp_transport(*rt, {.name = "client"});
  odeon::http_routes routes;
  routes.add("GET", "/hello",
             [](const odeon::http_request&) { return odeon::http_text(200, "hello, world"); });
  odeon::http_server server(*rt, std::move(routes));
  const auto address = server.listen(*there, "127.0.0.1:0");
  require(address.has_value(), "the server listens");
  odeon::http_client web(*rt, {.plain = here.get(), .limits = {.connections_per_host = opt.size}});
  http_load l{.web = web, .rt = *rt, .calls = {}, .expected = "hello, world"};
  l.calls.push_back({.url = "http://" + *address + "/hello"});
  const std::uint64_t n = opt.scaled(requests, opt.size);
  const nanoseconds took =
      warmed(n, opt.size, [&](std::uint64_t m) { return l.pass(m, opt.size); });
  require(l.wrong == 0, "each answer is the right one");
  require(web.figures().connected <= opt.size, "connections are kept");
  std::vector<double> all = l.waits();
  out.rate_k("requests", took, n);
  out.add("p50", "us", better::lower, percentile(all, 50));
  out.add("p99", "us", better::lower, percentile(all, 99));
}

const registration entry{"http", connections, run};

}  // namespace
}  // namespace bench
