// Associations over real sockets: what goes wrong has its name, and what goes well is quick.

#include "remote/internal/hub.hpp"
#include <odeon/core/actor_system.hpp>
#include <odeon/net/tcp.hpp>
#include <odeon/remote/events.hpp>

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

using namespace odeon;
using namespace odeon::remote;
using namespace odeon::remote::detail;
using namespace std::chrono_literals;

namespace {

struct listening final : hub_listener {
  std::atomic<std::uint64_t> messages{0}, gone{0};
  std::function<void(peer&, const user_message&)> then;
  void on_message(peer& from, const user_message& m) noexcept override {
    messages.fetch_add(1);
    if (then) then(from, m);
  }
  void on_control(peer&, std::span<const std::byte>) noexcept override {}
  void on_up(peer&, const peer_info&) noexcept override {}
  void on_down(peer&, const error&) noexcept override {}
  void on_gone(peer&, std::uint64_t, const error&) noexcept override { gone.fetch_add(1); }
  void on_unsent(peer&, const user_message&, const error&) noexcept override {}
};

struct side {
  side(actor_system& system, endpoint_options o) {
    REQUIRE(o.check().has_value());
    my_hub = hub::make(system, o, told);
    const auto ok = my_hub->start();
    CAPTURE((ok ? "" : ok.error().to_string()));
    REQUIRE(ok.has_value());
  }
  listening told;
  std::unique_ptr<hub> my_hub;
};

bool await(actor_system& system, const std::function<bool()>& holds) {
  auto& rt = system.get_runtime();
  const std::atomic<std::uint32_t> never{0};
  const auto end = rt.now(clock_domain::housekeeping) + 30s;
  while (!holds()) {
    if (rt.now(clock_domain::housekeeping) > end) return false;
    rt.wait(never, 0, rt.now(clock_domain::housekeeping) + 1ms);
  }
  return true;
}

user_message hello() {
  user_message m;
  m.to = {"/user/a", 1};
  m.message.manifest = "hello";
  m.message.payload = wire::as_bytes("hello");
  return m;
}

void talks(const endpoint_options& o) {
  actor_system system("sys");
  side a(system, o), b(system, o);
  b.told.then = [](peer& from, const user_message& m) { (void)from.send(m); };
  const auto to_b = a.my_hub->find(b.my_hub->node()).value();
  for (int i = 0; i < 1000; ++i) REQUIRE(to_b->send(hello()).has_value());
  CHECK(await(system, [&] { return a.told.messages.load() == 1000; }));
  CHECK(to_b->info()->node == b.my_hub->node());
  b.my_hub.reset();
  CHECK(await(system, [&] { return a.told.gone.load() == 1; }));
}

}  // namespace

TEST_CASE("two hubs talk over TCP, with a secret and without, and over WebSockets") {
  SUBCASE("plain") { talks({.listen = "tcp://127.0.0.1:0"}); }
  SUBCASE("with a secret") {
    talks({.listen = "tcp://127.0.0.1:0", .security = shared_secret{"sixteen bytes, or more"}});
  }
  SUBCASE("with compression") { talks({.listen = "tcp://127.0.0.1:0", .compress = true}); }
  SUBCASE("WebSocket") { talks({.listen = "ws://127.0.0.1:0/nodes"}); }
}

TEST_CASE("an unknown host and a node that says nothing each have their own error") {
  actor_system system("sys");
  endpoint_options o{.listen = "tcp://127.0.0.1:0", .security = plain{.insecure = true}};
  o.limits.handshake = 2s;
  side a(system, o);
  auto r = a.my_hub->find("no-such-host.invalid:7400").value()->ready(30s).result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::unknown_host);
  CHECK(r.error().text().contains("no-such-host.invalid:7400"));

  // Somebody who accepts, and says nothing.
  std::unique_ptr<connection> mute;  // the transport's until that has gone
  const auto net = make_tcp_transport(system.get_runtime());
  auto l = net->listen("127.0.0.1:0").value();
  const std::string address = l->local_address();
  l->accept([&](result<std::unique_ptr<connection>> c) {
    if (c) mute = std::move(*c);
  });
  r = a.my_hub->find(address).value()->ready(30s).result();
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::connect_timeout);
  CHECK(r.error().text().contains(address));
}

TEST_CASE("without protection, another machine's address is refused before anything is sent") {
  actor_system system("sys");
  side a(system, {.listen = "tcp://127.0.0.1:0"});
  const auto r = a.my_hub->find("192.0.2.1:7400");
  REQUIRE_FALSE(r.has_value());
  CHECK(r.error() == errc::invalid_argument);
  CHECK(r.error().text().contains("insecure"));
}

TEST_CASE("an answer comes back within what sockets take") {
  actor_system system("sys");
  const endpoint_options o{.listen = "tcp://127.0.0.1:0"};
  side a(system, o), b(system, o);
  b.told.then = [](peer& from, const user_message& m) { (void)from.send(m); };
  std::atomic<std::uint32_t> got{0};
  auto& rt = system.get_runtime();
  a.told.then = [&](peer&, const user_message&) {
    got.fetch_add(1);
    rt.wake(got);
  };
  const auto to_b = a.my_hub->find(b.my_hub->node()).value();
  REQUIRE(to_b->ready(30s).result().has_value());
  constexpr std::uint32_t rounds = 1000;
  std::vector<duration> took;
  for (std::uint32_t i = 0; i < rounds; ++i) {
    const auto begin = rt.now(clock_domain::housekeeping);
    REQUIRE(to_b->send(hello()).has_value());
    while (got.load() == i) REQUIRE(rt.wait(got, i, begin + 60s));
    took.push_back(rt.now(clock_domain::housekeeping) - begin);
  }
  // Others may have the machine for most of the time; a timer would be waited for each time.
  std::ranges::sort(took);
  MESSAGE("a round trip: " << to_string(took[rounds / 2]));
  CHECK(took[rounds / 10] < 20ms);
}
