/// How many requests a second does the HTTP server answer over loopback, and how long does one
/// take, with a client in the same process? One thread each; connections are kept; each one has one
/// request under way.

#include "odeon_support.hpp"
#include <odeon/net/http_client.hpp>
#include <odeon/net/http_server.hpp>
#include <odeon/net/tcp.hpp>

#include <atomic>
#include <memory>
#include <vector>

namespace bench {
namespace {

constexpr std::size_t connections = 32;
constexpr std::uint64_t requests = 1'000'000;

struct load {
  odeon::http_client& web;
  odeon::runtime& rt;
  std::string url;
  std::atomic<std::int64_t> left{0};
  std::atomic<std::uint32_t> chains{0};
  std::atomic<std::uint64_t> wrong{0};
  std::vector<std::vector<double>> took;

  void go(std::size_t chain) {
    if (left.fetch_sub(1) <= 0) {
      odeon::runtime& of = rt;
      if (chains.fetch_sub(1) == 1) of.wake(chains);
      return;
    }
    const auto begin = clock::now();
    web.send({.url = url}, [this, chain, begin](odeon::result<odeon::http_response> r) {
      took[chain].push_back(
          std::chrono::duration<double, std::micro>(clock::now() - begin).count());
      if (!r || r->status != 200 || r->body != "hello, world") ++wrong;
      go(chain);
    });
  }
  nanoseconds pass(std::uint64_t n, std::size_t at_once) {
    took.assign(at_once, {});
    left = std::int64_t(n);
    chains = std::uint32_t(at_once);
    const auto begin = clock::now();
    for (std::size_t i = 0; i < at_once; ++i) go(i);
    while (const std::uint32_t n_left = chains.load())
      (void)rt.wait(chains, n_left, odeon::time_point::max());
    return clock::now() - begin;
  }
};

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
  load l{.web = web, .rt = *rt, .url = "http://" + *address + "/hello", .took = {}};
  const std::uint64_t n = opt.scaled(requests, opt.size);
  const nanoseconds took =
      warmed(n, opt.size, [&](std::uint64_t m) { return l.pass(m, opt.size); });
  require(l.wrong == 0, "each answer is the right one");
  require(web.figures().connected <= opt.size, "connections are kept");
  std::vector<double> all;
  for (const auto& part : l.took) all.insert(all.end(), part.begin(), part.end());
  out.rate_k("requests", took, n);
  out.add("p50", "us", better::lower, percentile(all, 50));
  out.add("p99", "us", better::lower, percentile(all, 99));
}

const registration entry{"http", connections, run};

}  // namespace
}  // namespace bench
